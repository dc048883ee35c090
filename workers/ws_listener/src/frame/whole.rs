//! Frames in a stream of bytes, found without copying any: what a forwarder needs in order to
//! understand the little it must, and to speak up itself without cutting a frame.

use std::borrow::Cow;

/// What a frame is for (RFC 6455 §5.2), as far as forwarders care.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A whole text message.
    Text,
    /// The end of the conversation.
    Close,
    /// A whole binary message.
    Binary,
    /// A question for a pong.
    Ping,
    /// The answer to a ping.
    Pong,
    /// Fragments.
    Other,
}

/// A frame that is there from its first to its last byte.
#[derive(Clone, Copy, Debug)]
pub struct Whole<'a> {
    /// What it is for.
    pub kind: Kind,
    /// Header and payload.
    pub bytes: &'a [u8],
    mask: Option<[u8; 4]>,
    payload: &'a [u8],
}

/// What a stream of bytes begins with.
#[derive(Debug)]
pub enum Next<'a> {
    /// A whole frame.
    Whole(Whole<'a>),
    /// Part of a frame of this length.
    Part(u64),
    /// Too little to tell.
    Unknown,
}

/// Looks at the frame that `bytes` begin with.
pub fn next(bytes: &[u8]) -> Next<'_> {
    let Some(length) = super::length(bytes) else {
        return Next::Unknown;
    };
    if length > bytes.len() as u64 {
        return Next::Part(length);
    }
    // It is at most the length of a slice.
    let bytes = &bytes[..length as usize];
    let header = super::header_len(bytes);
    let mask = (bytes[1] & 0x80 != 0).then(|| {
        let mut mask = [0; 4];
        mask.copy_from_slice(&bytes[header - 4..header]);
        mask
    });
    Next::Whole(Whole {
        kind: kind(bytes[0]),
        bytes,
        mask,
        payload: &bytes[header..],
    })
}

fn kind(first: u8) -> Kind {
    match first {
        0x81 => Kind::Text,
        0x82 => Kind::Binary,
        0x88 => Kind::Close,
        0x89 => Kind::Ping,
        0x8a => Kind::Pong,
        _ => Kind::Other,
    }
}

impl<'a> Whole<'a> {
    /// The payload, unmasked if a client sent it.
    pub fn payload(&self) -> Cow<'a, [u8]> {
        match self.mask {
            None => Cow::Borrowed(self.payload),
            Some(mask) => {
                let keys = mask.iter().cycle();
                Cow::Owned(
                    self.payload
                        .iter()
                        .zip(keys)
                        .map(|(byte, key)| byte ^ key)
                        .collect(),
                )
            }
        }
    }

    /// The code of a Close frame; 1005 when it has none (RFC 6455 §7.1.5).
    pub fn close_code(&self) -> u16 {
        match self.payload().as_ref() {
            [high, low, ..] => u16::from_be_bytes([*high, *low]),
            [] | [_] => 1005,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Kind, Next, next};
    use crate::frame::{Sender, close, masked_text, pong, text};

    fn whole(bytes: &[u8]) -> (Kind, Vec<u8>) {
        match next(bytes) {
            Next::Whole(whole) => (whole.kind, whole.payload().into_owned()),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn frames_of_both_sides_are_read() {
        let long = vec![b'x'; 70_000];
        for payload in [&b""[..], b"hi", &long] {
            assert_eq!(whole(&text(payload)), (Kind::Text, payload.to_vec()));
            assert_eq!(whole(&masked_text(payload)), (Kind::Text, payload.to_vec()));
        }
        assert_eq!(whole(&pong(b"p")), (Kind::Pong, b"p".to_vec()));
        for sender in [Sender::Client, Sender::Server] {
            let frame = close(sender, 1001, "bye");
            assert!(matches!(next(&frame), Next::Whole(close) if close.close_code() == 1001));
        }
    }

    #[test]
    fn a_part_tells_how_long_the_whole_is() {
        let frame = text(&[b'x'; 300]);
        assert!(matches!(next(&frame[..1]), Next::Unknown));
        assert!(matches!(next(&frame[..100]), Next::Part(304)));
        let two = [&frame[..], b"\x89\x00"].concat();
        assert_eq!(whole(&two).1.len(), 300);
    }
}
