//! The last trades of a symbol, framed as they were sent, for clients that come back. Pure.
//!
//! Kept are the very buffers that the clients' queues share, so that keeping costs no copy.

use std::collections::VecDeque;

use crate::client::Chunk;

/// What is kept for clients that come back.
#[derive(Clone, Copy, Debug)]
pub struct Retention {
    /// Trades per symbol.
    pub trades: usize,
    /// Bytes per symbol.
    pub bytes: usize,
    /// Bytes of all symbols together; when they are reached, symbols make room for their own news only.
    pub total_bytes: usize,
}

/// One symbol's last trades.
#[derive(Debug, Default)]
pub struct History {
    chunks: VecDeque<Chunk>,
    trades: usize,
    bytes: usize,
}

impl History {
    /// Keeps a chunk and forgets the oldest ones over the bounds; `total` is of all symbols.
    pub fn push(&mut self, chunk: Chunk, retention: &Retention, total: &mut usize) {
        self.trades += chunk.trades;
        self.bytes += chunk.frames.len();
        *total += chunk.frames.len();
        self.chunks.push_back(chunk);
        while self.trades > retention.trades || self.bytes > retention.bytes || *total > retention.total_bytes
        {
            let Some(oldest) = self.chunks.pop_front() else {
                break;
            };
            self.trades -= oldest.trades;
            self.bytes -= oldest.frames.len();
            *total -= oldest.frames.len();
        }
    }

    /// Forgets all of it.
    pub fn clear(&mut self, total: &mut usize) {
        *total -= self.bytes;
        *self = Self::default();
    }

    /// All that has come after number `seq`, up to `head`; `None` unless every one of them is kept.
    pub fn after(&self, seq: u64, head: u64) -> Option<Vec<Chunk>> {
        if seq == head {
            return Some(Vec::new());
        }
        let is_kept = self.chunks.front().is_some_and(|oldest| oldest.first <= seq + 1);
        (is_kept && seq < head).then(|| {
            let newer = self.chunks.iter().filter(|chunk| chunk.last() > seq);
            newer.map(|chunk| chunk.clone().after(seq)).collect()
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bytes::Bytes;
    use ws_listener::frame;

    use super::{History, Retention};
    use crate::client::Chunk;

    const KEEP: Retention = Retention {
        trades: 4,
        bytes: 1000,
        total_bytes: 1000,
    };

    fn chunk(first: u64, texts: &[&str]) -> Chunk {
        let frames: Vec<u8> = texts
            .iter()
            .flat_map(|text| frame::text(text.as_bytes()))
            .collect();
        Chunk {
            channel: stream_protocol::Channel::Trades,
            symbol: Arc::from("A"),
            first,
            trades: texts.len(),
            frames: Bytes::from(frames),
        }
    }

    fn bytes(chunks: &[Chunk]) -> Vec<u8> {
        chunks.iter().flat_map(|chunk| chunk.frames.to_vec()).collect()
    }

    #[test]
    fn what_came_after_is_given_whole_or_not_at_all() {
        let (mut history, mut total) = (History::default(), 0);
        history.push(chunk(1, &["1", "2", "3"]), &KEEP, &mut total);
        history.push(chunk(4, &["4"]), &KEEP, &mut total);
        assert_eq!(bytes(&history.after(2, 4).expect("kept")), b"\x81\x013\x81\x014");
        assert_eq!(history.after(0, 4).expect("kept").len(), 2);
        assert!(history.after(4, 4).expect("nothing new").is_empty());
        assert!(history.after(9, 4).is_none(), "a number that never was");
        history.push(chunk(5, &["5"]), &KEEP, &mut total);
        assert!(history.after(2, 5).is_none(), "3 went with the oldest chunk");
        assert_eq!(bytes(&history.after(3, 5).expect("kept")), b"\x81\x014\x81\x015");
    }

    #[test]
    fn bytes_are_bounded_per_symbol_and_in_total() {
        let long = "x".repeat(600);
        let (mut history, mut other, mut total) = (History::default(), History::default(), 0);
        history.push(chunk(1, &[&long]), &KEEP, &mut total);
        other.push(chunk(1, &[&long]), &KEEP, &mut total);
        assert!(other.after(0, 1).is_none(), "no room is left in total");
        assert_eq!(total, history.bytes);
        history.push(chunk(2, &[&long]), &KEEP, &mut total);
        assert!(history.after(0, 2).is_none());
        assert!(history.after(1, 2).is_some(), "its own oldest made room");
        history.clear(&mut total);
        assert_eq!(total, 0);
    }
}
