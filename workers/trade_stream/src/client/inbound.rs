//! What a client sends: bytes gathered to whole messages, then read by a protocol engine.
//!
//! The engine (tungstenite) lives only for as long as there is something to read, since its state
//! would cost every idle client some kilobytes. It also speaks: pongs, the answer to a Close. Those
//! bytes go through the client's queue like all others, so that one writer owns the socket.

mod packed;

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::sync::Arc;

use bytes::Bytes;
use tokio_tungstenite::tungstenite::error::{CapacityError, Error, ProtocolError};
use tokio_tungstenite::tungstenite::protocol::{Message, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Result, WebSocket};
use ws_listener::frame::{self, Next};

use super::Outbox;
use packed::Packed;

/// The longest message a client may send; a list of some thousand symbols fits.
const MAX_MESSAGE: usize = 64 * 1024;
/// What may have come of a message that is not whole yet, its fragments' headers included.
const MAX_PART: usize = 2 * MAX_MESSAGE;

/// RFC 6455 §7.4.1.
const PROTOCOL_ERROR: u16 = 1002;
const INVALID_DATA: u16 = 1007;
const TOO_BIG: u16 = 1009;

/// A client's side of the conversation.
pub(super) struct Inbound {
    outbox: Arc<Outbox>,
    /// The beginning of a message.
    part: Vec<u8>,
    messages: VecDeque<Message>,
}

impl Inbound {
    /// A conversation that begins with what came together with the request.
    pub(super) fn new(outbox: Arc<Outbox>) -> Self {
        Self {
            outbox,
            part: Vec::new(),
            messages: VecDeque::new(),
        }
    }

    /// The oldest message that nobody has dealt with.
    pub(super) fn next(&mut self) -> Option<Message> {
        let message = self.messages.pop_front();
        if self.messages.is_empty() {
            self.messages = VecDeque::new();
        }
        message
    }

    /// Whether nothing waits to be dealt with.
    pub(super) fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    /// Takes what was read. False when that was the client's last: it has said goodbye, or what
    /// cannot be read, and been told so.
    pub(super) fn take(&mut self, bytes: &[u8]) -> bool {
        match self.gather(bytes) {
            Ok(goes_on) => goes_on,
            Err(error) => {
                say_why(&self.outbox, &error);
                false
            }
        }
    }

    fn gather(&mut self, bytes: &[u8]) -> Result<bool> {
        self.part.extend_from_slice(bytes);
        let (whole, is_hopeless) = survey(&self.part, self.outbox.is_compressed());
        if whole > 0 {
            let rest = self.part.split_off(whole);
            let whole = std::mem::replace(&mut self.part, rest);
            let goes_on = if self.outbox.is_compressed() {
                self.unpack(&whole)?
            } else {
                self.read(whole)?
            };
            if !goes_on {
                return Ok(false);
            }
        }
        if is_hopeless {
            // The engine knows what is wrong with it.
            let part = std::mem::take(&mut self.part);
            self.read(part)?;
            return Err(too_long());
        }
        Ok(true)
    }

    /// Has whole messages read of which some may be compressed; those the engine does not know.
    fn unpack(&mut self, bytes: &[u8]) -> Result<bool> {
        let mut packed = Packed::default();
        let mut plain = Vec::new();
        let mut rest = bytes;
        while let Next::Whole(whole) = frame::next(rest) {
            rest = &rest[whole.bytes.len()..];
            if !packed.take(&whole) {
                plain.extend_from_slice(whole.bytes);
                continue;
            }
            if let Some(message) = packed.finish(whole.bytes[0])? {
                if !self.read(std::mem::take(&mut plain))? {
                    return Ok(false);
                }
                self.messages.push_back(message);
            }
        }
        self.read(plain)
    }

    /// Has whole messages read; false after a Close.
    fn read(&mut self, bytes: Vec<u8>) -> Result<bool> {
        let mouth = Mouth(Arc::clone(&self.outbox));
        let mut engine = WebSocket::from_partially_read(mouth, bytes, Role::Server, Some(config()));
        loop {
            match engine.read() {
                Ok(Message::Close(_)) => {
                    // The answer is written into the queue, which cannot fail.
                    let _ = engine.flush();
                    return Ok(false);
                }
                Ok(message) => self.messages.push_back(message),
                Err(Error::Io(error)) if error.kind() == ErrorKind::WouldBlock => return Ok(true),
                Err(Error::ConnectionClosed) => return Ok(false),
                Err(error) => return Err(error),
            }
        }
    }
}

/// How many bytes are whole messages, and whether what follows them can never become one.
fn survey(bytes: &[u8], is_compressed: bool) -> (usize, bool) {
    let reserved = if is_compressed { 0x30 } else { 0x70 };
    let (mut at, mut whole, mut within) = (0, 0, false);
    while let Some(length) = frame::length(&bytes[at..]) {
        let (first, second) = (bytes[at], bytes[at + 1]);
        if length > (bytes.len() - at) as u64 {
            let is_wrong = first & reserved != 0 || second & 0x80 == 0;
            return (
                whole,
                is_wrong || length > MAX_PART as u64 || bytes.len() - whole > MAX_PART,
            );
        }
        // At most the length of a slice.
        at += length as usize;
        let (is_last, is_control) = (first & 0x80 != 0, first & 0x08 != 0);
        if !is_control {
            within = !is_last;
        }
        if !within {
            whole = at;
        }
    }
    (whole, bytes.len() - whole > MAX_PART)
}

fn too_long() -> Error {
    Error::Capacity(CapacityError::MessageTooLong {
        size: MAX_PART,
        max_size: MAX_MESSAGE,
    })
}

fn config() -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(1024)
        .write_buffer_size(0)
        .max_message_size(Some(MAX_MESSAGE))
        .max_frame_size(Some(MAX_MESSAGE))
}

/// Closes with the code of what the client did wrong, if it did.
fn say_why(outbox: &Outbox, error: &Error) {
    match error {
        Error::Capacity(_) => outbox.close(TOO_BIG, &format!("messages are at most {MAX_MESSAGE} bytes")),
        Error::Utf8(_) => outbox.close(INVALID_DATA, "text must be UTF-8"),
        // Not the client's fault but its end: it left without a Close frame.
        Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => {}
        Error::Protocol(error) => outbox.close(PROTOCOL_ERROR, &error.to_string()),
        // Foreign variants: connection ends and failures of the socket, which leave nobody to tell.
        _ => {}
    }
}

/// What the engine says goes into the client's queue; there is nothing to read but what it was given.
struct Mouth(Arc<Outbox>);

impl Read for Mouth {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(ErrorKind::WouldBlock.into())
    }
}

impl Write for Mouth {
    fn write(&mut self, frame: &[u8]) -> io::Result<usize> {
        self.0.push_frame(Bytes::copy_from_slice(frame));
        Ok(frame.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use ws_listener::frame::masked_text;

    use super::super::{Format, Limits, Outbox, Slow};
    use super::{Inbound, survey};

    fn inbound() -> Inbound {
        let limits = Limits {
            bytes: 100,
            trades: 5,
            slow: Slow::Drop,
        };
        Inbound::new(Arc::new(Outbox::new(limits, Format::Stream)))
    }

    #[test]
    fn messages_are_read_however_they_are_cut() {
        let bytes = [
            masked_text(b"one"),
            masked_text(&[b'x'; 300]),
            masked_text(b"three"),
        ]
        .concat();
        for step in [1, 2, 7, bytes.len()] {
            let mut inbound = inbound();
            for piece in bytes.chunks(step) {
                assert!(inbound.take(piece));
            }
            let texts: Vec<_> = std::iter::from_fn(|| inbound.next()).collect();
            assert_eq!(texts.len(), 3, "in steps of {step}");
            assert_eq!(texts[2].to_text().expect("a text"), "three");
            assert!(
                inbound.is_empty() && inbound.part.capacity() == 0,
                "nothing is held"
            );
        }
    }

    #[test]
    fn fragments_wait_for_each_other_and_pings_do_not_part_them() {
        let fragment = |first: u8, text: &[u8]| {
            let mut frame = masked_text(text).to_vec();
            frame[0] = first;
            frame
        };
        let bytes = [
            fragment(0x01, b"a"),
            fragment(0x89, b"ping"),
            fragment(0x80, b"b"),
        ]
        .concat();
        let mut inbound = inbound();
        for byte in bytes {
            assert!(inbound.take(&[byte]));
        }
        let text = std::iter::from_fn(|| inbound.next()).last().expect("a message");
        assert_eq!(text.to_text().expect("a text"), "ab");
    }

    #[test]
    fn what_cannot_become_a_message_is_known_early() {
        assert_eq!(survey(b"\x81\x05hel", false), (0, true), "not masked");
        assert_eq!(survey(b"\xf1\x85mask", true), (0, true), "reserved bits");
        assert_eq!(
            survey(b"\x81\xff\0\0\0\0\xff\0\0\0mask", false),
            (0, true),
            "too long"
        );
        assert_eq!(survey(b"\x81\x85mask", false), (0, false));
    }
}
