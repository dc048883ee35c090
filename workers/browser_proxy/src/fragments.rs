//! A message of a browser that comes in several frames (RFC 6455 §5.4). Pure.

use ws_listener::frame::Whole;

/// A longer message is no request: the backend refuses it.
const MOST_BYTES: usize = 64 * 1024;
/// Of a frame's first byte: whether the message ends with it, and what it is.
const FIN: u8 = 0x80;
const OPCODE: u8 = 0x0f;
const CONTINUATION: u8 = 0x0;
const TEXT: u8 = 0x1;
const BINARY: u8 = 0x2;

/// The frames of the message that is under way.
#[derive(Debug, Default)]
pub(crate) struct Fragments(Option<Box<Message>>);

/// A message as it came.
#[derive(Debug, Default)]
pub(crate) struct Message {
    /// All its frames.
    pub(crate) frames: Vec<u8>,
    /// What they say together.
    pub(crate) payload: Vec<u8>,
}

impl Fragments {
    /// Takes one frame of several; the message, when it is the last.
    pub(crate) fn take(&mut self, frame: &Whole<'_>) -> Option<Message> {
        let first = frame.bytes.first().copied().unwrap_or_default();
        match first & OPCODE {
            TEXT | BINARY => self.0 = Some(Box::default()),
            CONTINUATION => {}
            _ => return None,
        }
        let message = self.0.as_mut()?;
        message.frames.extend_from_slice(frame.bytes);
        message.payload.extend_from_slice(&frame.payload());
        if message.frames.len() > MOST_BYTES {
            self.0 = None;
        }
        let is_last = first & FIN != 0;
        self.0.take_if(|_| is_last).map(|message| *message)
    }

    /// What came of a message that is not over.
    pub(crate) fn begun(&self) -> &[u8] {
        self.0.as_ref().map_or(&[], |message| &message.frames)
    }
}
