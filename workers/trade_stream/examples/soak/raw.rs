//! A WebSocket client's end that only reads: one large buffer, no copy of a message. The soak's clients
//! must be faster than what they measure.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const BUFFER: usize = 1 << 20;
const KEY: &str = "c29ha3NvYWtzb2Frc29haw==";

/// A connection after its handshake.
pub struct Socket {
    stream: TcpStream,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
}

impl Socket {
    /// Connects to a path.
    pub async fn open(port: u16, path: &str) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", port)).await.expect("connected");
        let mut socket = Self {
            stream,
            buffer: vec![0; BUFFER],
            start: 0,
            end: 0,
        };
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Version: 13\r\n\r\n"
        );
        socket.stream.write_all(request.as_bytes()).await.expect("sent");
        loop {
            assert!(socket.fill().await, "refused");
            let head = &socket.buffer[..socket.end];
            if let Some(at) = head.windows(4).position(|four| four == b"\r\n\r\n") {
                assert!(head.starts_with(b"HTTP/1.1 101"), "refused");
                socket.start = at + 4;
                return socket;
            }
        }
    }

    /// Sends a text, masked with zeros.
    pub async fn say(&mut self, text: &str) {
        self.send(0x81, text.as_bytes()).await;
    }

    /// Hands every text that has come to `take`, after waiting for at least one; false at the end.
    pub async fn read(&mut self, mut take: impl FnMut(&[u8])) -> bool {
        if !self.fill().await {
            return false;
        }
        let mut pongs: Vec<Vec<u8>> = Vec::new();
        while let Some((opcode, head, length)) = self.next_frame() {
            let payload = &self.buffer[self.start + head..self.start + head + length];
            match opcode {
                1 => take(payload),
                8 => return false,
                9 => pongs.push(payload.to_vec()),
                _ => {}
            }
            self.start += head + length;
        }
        for pong in pongs {
            self.send(0x8a, &pong).await;
        }
        true
    }

    fn next_frame(&self) -> Option<(u8, usize, usize)> {
        let bytes = &self.buffer[self.start..self.end];
        let (head, length) = match *bytes.get(1)? {
            126 => (
                4,
                usize::from(u16::from_be_bytes([*bytes.get(2)?, *bytes.get(3)?])),
            ),
            127 => panic!("a message of more than 64 KiB"),
            length => (2, usize::from(length)),
        };
        (bytes.len() >= head + length).then_some((bytes[0] & 15, head, length))
    }

    async fn fill(&mut self) -> bool {
        self.buffer.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        match self.stream.read(&mut self.buffer[self.end..]).await {
            Ok(0) | Err(_) => false,
            Ok(count) => {
                self.end += count;
                true
            }
        }
    }

    async fn send(&mut self, first: u8, payload: &[u8]) {
        let mut frame = vec![first];
        match u8::try_from(payload.len()) {
            Ok(short) if short < 126 => frame.push(0x80 | short),
            _ => {
                frame.push(0x80 | 126);
                frame.extend(u16::try_from(payload.len()).expect("short").to_be_bytes());
            }
        }
        frame.extend([0; 4]);
        frame.extend(payload);
        // At the end nobody reads any more.
        let _ = self.stream.write_all(&frame).await;
    }
}
