//! WebSocket frames (RFC 6455 §5) as bytes: framed once for many clients, or merely looked at.

mod whole;

use std::hash::{BuildHasher, RandomState};

use bytes::{BufMut, Bytes, BytesMut};
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};

pub use whole::{Kind, Next, Whole, next};

/// First bytes of whole messages (RFC 6455 §5.2), and the bit of compressed ones.
const TEXT: u8 = 0x81;
const BINARY: u8 = 0x82;
const COMPRESSED: u8 = 0x40;

/// The longest reason a Close frame can carry: 125 bytes of payload less the code.
const MAX_REASON: usize = 123;

/// Who sends a frame; a client's frames are masked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sender {
    /// The end that accepted the connection.
    Server,
    /// The end that opened it.
    Client,
}

/// Appends `text` as one text frame of a server. The result is the same for every client, so it
/// can be made once and shared.
pub fn put_text(out: &mut BytesMut, text: &[u8]) {
    put(out, TEXT, text);
}

/// Appends `bytes` as one binary frame of a server.
pub fn put_binary(out: &mut BytesMut, bytes: &[u8]) {
    put(out, BINARY, bytes);
}

/// Appends a compressed message (RFC 7692 §6) as one frame of a server.
pub(crate) fn put_compressed(out: &mut BytesMut, bytes: &[u8], is_text: bool) {
    put(out, COMPRESSED | if is_text { TEXT } else { BINARY }, bytes);
}

/// A whole message of a server. Written by hand, since this is done for every trade.
fn put(out: &mut BytesMut, first: u8, payload: &[u8]) {
    out.reserve(payload.len() + 10);
    match payload.len() {
        short @ 0..126 => out.put_slice(&[first, short as u8]),
        long => match u16::try_from(long) {
            Ok(long) => {
                out.put_slice(&[first, 126]);
                out.put_u16(long);
            }
            Err(_) => {
                out.put_slice(&[first, 127]);
                out.put_u64(long as u64);
            }
        },
    }
    out.put_slice(payload);
}

/// One text frame of a server.
pub fn text(text: &[u8]) -> Bytes {
    let mut out = BytesMut::with_capacity(text.len() + 10);
    put_text(&mut out, text);
    out.freeze()
}

/// A Close frame with a code of RFC 6455 §7.4 and a reason, cut to the 123 bytes that fit.
pub fn close(sender: Sender, code: u16, reason: &str) -> Bytes {
    let reason = &reason[..reason.floor_char_boundary(MAX_REASON)];
    let mut frame = Frame::close(Some(tokio_tungstenite::tungstenite::protocol::CloseFrame {
        code: code.into(),
        reason: reason.into(),
    }));
    if sender == Sender::Client {
        frame.header_mut().mask = Some(random_mask());
    }
    let mut out = BytesMut::with_capacity(reason.len() + 8);
    write_into_memory(frame.format(&mut (&mut out).writer()));
    out.freeze()
}

/// One text frame of a client.
pub fn masked_text(text: &[u8]) -> Bytes {
    let mut frame = Frame::message(Bytes::copy_from_slice(text), OpCode::Data(Data::Text), true);
    frame.header_mut().mask = Some(random_mask());
    let mut out = BytesMut::with_capacity(text.len() + 14);
    write_into_memory(frame.format(&mut (&mut out).writer()));
    out.freeze()
}

/// A server's ping, without a payload.
pub fn ping() -> Bytes {
    Bytes::from_static(b"\x89\x00")
}

/// A server's answer to a ping.
pub fn pong(payload: &[u8]) -> Bytes {
    let frame = Frame::pong(Bytes::copy_from_slice(payload));
    let mut out = BytesMut::with_capacity(payload.len() + 2);
    write_into_memory(frame.format(&mut (&mut out).writer()));
    out.freeze()
}

fn random_mask() -> [u8; 4] {
    let [a, b, c, d, ..] = RandomState::new().hash_one(()).to_ne_bytes();
    [a, b, c, d]
}

fn write_into_memory(written: tokio_tungstenite::tungstenite::Result<()>) {
    written.expect("writing to a growing buffer cannot fail");
}

/// The length of the whole frame that `bytes` begins with, as soon as its header is there.
pub fn length(bytes: &[u8]) -> Option<u64> {
    let second = *bytes.get(1)?;
    let header = header_len(second);
    if bytes.len() < header {
        return None;
    }
    let payload = match second & 0x7f {
        126 => u16::from_be_bytes(*bytes[2..].first_chunk()?).into(),
        127 => u64::from_be_bytes(*bytes[2..].first_chunk()?),
        short => short.into(),
    };
    Some(payload.saturating_add(header as u64))
}

/// How long the header is that has this second byte.
fn header_len(second: u8) -> usize {
    let extended = match second & 0x7f {
        126 => 2,
        127 => 8,
        _ => 0,
    };
    let mask = if second & 0x80 == 0 { 0 } else { 4 };
    2 + extended + mask
}

#[cfg(test)]
mod tests {
    use super::{Sender, close, length, text};

    #[test]
    fn text_is_framed_for_each_length_class() {
        assert_eq!(&text(b"hi")[..], b"\x81\x02hi");
        assert_eq!(&text(&[b'x'; 126])[..4], b"\x81\x7e\x00\x7e");
        assert_eq!(&text(&[b'x'; 65_536])[..10], b"\x81\x7f\0\0\0\0\0\x01\0\0");
    }

    #[test]
    fn close_carries_code_and_reason_and_cuts_a_long_one_at_a_character() {
        assert_eq!(&close(Sender::Server, 1001, "bye")[..], b"\x88\x05\x03\xe9bye");
        let long = close(Sender::Server, 1012, &"é".repeat(80));
        assert_eq!(
            long[1], 124,
            "62 whole characters fit into 123 bytes, the half one does not"
        );
    }

    #[test]
    fn a_clients_close_is_masked() {
        let frame = close(Sender::Client, 1000, "");
        assert_eq!(frame[1], 0x82);
        let code = [frame[6] ^ frame[2], frame[7] ^ frame[3]];
        assert_eq!(u16::from_be_bytes(code), 1000);
    }

    #[test]
    fn a_length_is_known_with_the_header() {
        for payload in [0, 125, 126, 65_536] {
            let frame = text(&vec![b'x'; payload]);
            assert_eq!(length(&frame), Some(frame.len() as u64));
            assert_eq!(length(&frame[..frame.len() - payload]), Some(frame.len() as u64));
            assert_eq!(length(&frame[..1]), None);
        }
    }
}
