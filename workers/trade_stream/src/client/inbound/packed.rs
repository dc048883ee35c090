//! A compressed message of a client (RFC 7692 §6.2), put together from its frames.

use std::io::ErrorKind;

use tokio_tungstenite::tungstenite::error::{CapacityError, Error, ProtocolError};
use tokio_tungstenite::tungstenite::protocol::Message;
use ws_listener::frame::Whole;
use ws_listener::inflate;

use super::MAX_MESSAGE;

/// A compressed message under way, if there is one.
#[derive(Debug, Default)]
pub(super) struct Packed(Option<Begun>);

#[derive(Debug)]
struct Begun {
    is_text: bool,
    payload: Vec<u8>,
}

impl Packed {
    /// Whether the frame is part of a compressed message; then it is taken.
    pub(super) fn take(&mut self, frame: &Whole<'_>) -> bool {
        let first = frame.bytes[0];
        let (is_packed, opcode) = (first & 0x40 != 0, first & 0x0f);
        match &mut self.0 {
            None if is_packed && matches!(opcode, 1 | 2) => {
                self.0 = Some(Begun {
                    is_text: opcode == 1,
                    payload: frame.payload().into_owned(),
                });
                true
            }
            Some(begun) if opcode == 0 && !is_packed => {
                begun.payload.extend_from_slice(&frame.payload());
                true
            }
            // Control frames may come in between; what is wrong, the engine says.
            None | Some(_) => false,
        }
    }

    /// The message, if the frame just taken, whose first byte this is, was its last.
    pub(super) fn finish(&mut self, first: u8) -> Result<Option<Message>, Error> {
        if first & 0x80 == 0 {
            return Ok(None);
        }
        let Some(Begun { is_text, payload }) = self.0.take() else {
            return Ok(None);
        };
        let message = inflate(&payload, MAX_MESSAGE).map_err(|error| match error.kind() {
            ErrorKind::FileTooLarge => Error::Capacity(CapacityError::MessageTooLong {
                size: MAX_MESSAGE + 1,
                max_size: MAX_MESSAGE,
            }),
            _ => Error::Protocol(ProtocolError::InvalidOpcode(first & 0x0f)),
        })?;
        if !is_text {
            return Ok(Some(Message::binary(message)));
        }
        let text = String::from_utf8(message).map_err(|error| Error::Utf8(error.to_string()))?;
        Ok(Some(Message::text(text)))
    }
}
