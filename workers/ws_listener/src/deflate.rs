//! permessage-deflate (RFC 7692) without context takeover, so that a message is compressed once for all
//! clients, and none of them costs a window of its own.

use std::io::{self, ErrorKind};

use bytes::BytesMut;
use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

use crate::frame;

/// Longer messages are sent as they are. No shorter window than this is agreed to: within a message
/// that fits into the window, no reference can reach out of it.
const LONGEST: usize = 1 << MIN_WINDOW_BITS;
const MIN_WINDOW_BITS: u8 = 12;
/// What ends every message, and is left out (§7.2.1).
const TAIL: [u8; 4] = [0, 0, 0xff, 0xff];

/// The answer to what a client offers in `Sec-WebSocket-Extensions`; `None` when it offers nothing
/// that can be agreed to.
pub(crate) fn agree(offers: &str) -> Option<String> {
    offers.split(',').find_map(agree_to)
}

fn agree_to(offer: &str) -> Option<String> {
    let mut words = offer.split(';').map(str::trim);
    if words.next()? != "permessage-deflate" {
        return None;
    }
    let mut answer = "permessage-deflate; server_no_context_takeover; client_no_context_takeover".to_owned();
    for word in words {
        let (name, value) = word.split_once('=').map_or((word, None), |(name, value)| {
            (name, Some(value.trim_matches('"')))
        });
        match (name.trim(), value) {
            ("server_no_context_takeover" | "client_no_context_takeover", None)
            | ("client_max_window_bits", _) => {}
            ("server_max_window_bits", Some(bits)) => {
                bits.parse()
                    .ok()
                    .filter(|bits| (MIN_WINDOW_BITS..=15).contains(bits))?;
                answer.push_str("; server_max_window_bits=");
                answer.push_str(bits);
            }
            _ => return None,
        }
    }
    Some(answer)
}

/// Compresses messages, each by itself.
#[derive(Debug)]
pub struct Deflater {
    engine: Compress,
    out: Vec<u8>,
}

impl Default for Deflater {
    fn default() -> Self {
        Self {
            engine: Compress::new(Compression::fast(), false),
            out: Vec::new(),
        }
    }
}

impl Deflater {
    /// Appends a message as one frame of a server: compressed, or as it is when that is no gain.
    pub fn put(&mut self, out: &mut BytesMut, message: &[u8], is_text: bool) {
        if message.len() <= LONGEST && self.compress(message) && self.out.len() < message.len() {
            return frame::put_compressed(out, &self.out, is_text);
        }
        if is_text {
            frame::put_text(out, message);
        } else {
            frame::put_binary(out, message);
        }
    }

    fn compress(&mut self, message: &[u8]) -> bool {
        self.engine.reset();
        self.out.clear();
        // Deflate grows what it cannot shrink by a few bytes only.
        self.out.reserve(message.len() + 64);
        let done = self
            .engine
            .compress_vec(message, &mut self.out, FlushCompress::Sync);
        let is_whole = matches!(done, Ok(Status::Ok)) && self.engine.total_in() == message.len() as u64;
        if is_whole && self.out.ends_with(&TAIL) {
            self.out.truncate(self.out.len() - TAIL.len());
            return true;
        }
        false
    }
}

/// The message that was compressed to this; an error when it is longer than `most`, or none.
pub fn inflate(compressed: &[u8], most: usize) -> io::Result<Vec<u8>> {
    let mut engine = Decompress::new(false);
    let mut out = Vec::with_capacity((compressed.len() * 4 + 64).min(most + 1));
    let input = [compressed, &TAIL].concat();
    loop {
        let at = usize::try_from(engine.total_in()).map_err(io::Error::other)?;
        let before = out.len();
        let status = engine.decompress_vec(&input[at..], &mut out, FlushDecompress::Sync);
        let status = status.map_err(|error| io::Error::new(ErrorKind::InvalidData, error))?;
        if out.len() > most {
            return Err(io::Error::new(ErrorKind::FileTooLarge, "it is too long"));
        }
        let is_at_end = engine.total_in() == input.len() as u64 && out.len() < out.capacity();
        if is_at_end || status == Status::StreamEnd {
            return Ok(out);
        }
        if out.len() == before && out.len() < out.capacity() {
            return Err(io::Error::new(
                ErrorKind::InvalidData,
                "it cannot be decompressed",
            ));
        }
        out.reserve(out.len().max(1024));
    }
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;

    use super::{Deflater, agree, inflate};

    #[test]
    fn what_python_node_and_browsers_offer_is_agreed_to() {
        let ours = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";
        for (offer, bits) in [
            ("permessage-deflate; client_max_window_bits", ""),
            (
                "permessage-deflate; server_max_window_bits=12; client_max_window_bits=12",
                "; server_max_window_bits=12",
            ),
            ("x-webkit-deflate-frame, permessage-deflate", ""),
        ] {
            assert_eq!(agree(offer), Some(format!("{ours}{bits}")), "{offer}");
        }
        for offer in [
            "",
            "x-webkit-deflate-frame",
            "permessage-deflate; server_max_window_bits=8",
            "permessage-deflate; new",
        ] {
            assert_eq!(agree(offer), None, "{offer}");
        }
    }

    #[test]
    fn messages_come_back_whole_each_by_itself() {
        let mut deflater = Deflater::default();
        let long = "AAPL ".repeat(500);
        for message in [
            "{\"type\":\"trade\",\"symbol\":\"AAPL\",\"type\":\"trade\",\"symbol\":\"AAPL\"}",
            &long,
        ] {
            let mut frames = BytesMut::new();
            deflater.put(&mut frames, message.as_bytes(), true);
            assert_eq!(frames[0], 0xc1, "compressed");
            assert!(frames.len() < message.len());
            assert_eq!(inflate(&frames[2..], 1 << 16).expect("whole"), message.as_bytes());
        }
        let mut frames = BytesMut::new();
        deflater.put(&mut frames, b"x", true);
        assert_eq!(&frames[..], b"\x81\x01x", "no gain");
    }

    #[test]
    fn bombs_and_nonsense_are_refused() {
        let mut deflater = Deflater::default();
        let mut frames = BytesMut::new();
        deflater.put(&mut frames, &[b'x'; 4000], true);
        assert!(inflate(&frames[2..], 3999).is_err());
        assert!(inflate(b"\xff\xff\xff\xff nonsense", 100).is_err());
    }
}
