//! The last trades of a symbol, framed as they were sent, for clients that come back. Pure.
//!
//! Kept are the very buffers that the clients' queues share, so that keeping costs no copy.

use std::collections::VecDeque;

use crate::client::Chunk;

/// So much is kept of a symbol even when all of them together are over the bound, so that busy symbols
/// do not cost quiet ones all they have.
const LEAST_BYTES: usize = 16 * 1024;

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

/// What may be kept, and what all histories keep.
#[derive(Debug)]
pub struct Kept {
    retention: Retention,
    bytes: usize,
}

/// One symbol's last trades.
#[derive(Debug, Default)]
pub struct History {
    chunks: VecDeque<Chunk>,
    trades: usize,
    bytes: usize,
}

impl Kept {
    /// Nothing is kept yet.
    pub fn new(retention: Retention) -> Self {
        Self { retention, bytes: 0 }
    }

    /// Whether a history of so much must make room.
    fn is_over(&self, trades: usize, bytes: usize) -> bool {
        let Retention {
            trades: most_trades,
            bytes: most_bytes,
            total_bytes,
        } = self.retention;
        let is_much = trades > most_trades || bytes > most_bytes;
        is_much || (self.bytes > total_bytes && bytes > LEAST_BYTES.min(most_bytes))
    }
}

impl History {
    /// Keeps a chunk and forgets the oldest ones over the bounds.
    pub fn push(&mut self, chunk: Chunk, kept: &mut Kept) {
        self.trades += chunk.trades;
        self.bytes += chunk.frames.len();
        kept.bytes += chunk.frames.len();
        self.chunks.push_back(chunk);
        while kept.is_over(self.trades, self.bytes) {
            let Some(oldest) = self.chunks.pop_front() else {
                break;
            };
            self.trades -= oldest.trades;
            self.bytes -= oldest.frames.len();
            kept.bytes -= oldest.frames.len();
        }
    }

    /// Forgets all of it.
    pub fn clear(&mut self, kept: &mut Kept) {
        kept.bytes -= self.bytes;
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

    use super::{History, Kept, LEAST_BYTES, Retention};
    use crate::client::Chunk;

    fn kept() -> Kept {
        Kept::new(Retention {
            trades: 4,
            bytes: 40_000,
            total_bytes: 40_000,
        })
    }

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
            is_late: false,
        }
    }

    fn bytes(chunks: &[Chunk]) -> Vec<u8> {
        chunks.iter().flat_map(|chunk| chunk.frames.to_vec()).collect()
    }

    #[test]
    fn what_came_after_is_given_whole_or_not_at_all() {
        let (mut history, mut kept) = (History::default(), kept());
        history.push(chunk(1, &["1", "2", "3"]), &mut kept);
        history.push(chunk(4, &["4"]), &mut kept);
        assert_eq!(bytes(&history.after(2, 4).expect("kept")), b"\x81\x013\x81\x014");
        assert_eq!(history.after(0, 4).expect("kept").len(), 2);
        assert!(history.after(4, 4).expect("nothing new").is_empty());
        assert!(history.after(9, 4).is_none(), "a number that never was");
        history.push(chunk(5, &["5"]), &mut kept);
        assert!(history.after(2, 5).is_none(), "3 went with the oldest chunk");
        assert_eq!(bytes(&history.after(3, 5).expect("kept")), b"\x81\x014\x81\x015");
    }

    #[test]
    fn bytes_are_bounded_per_symbol_and_in_total() {
        let long = "x".repeat(LEAST_BYTES - 10);
        let (mut history, mut other, mut kept) = (History::default(), History::default(), kept());
        for seq in 1..=3 {
            history.push(chunk(seq, &[&long]), &mut kept);
        }
        assert!(history.after(0, 3).is_none(), "three are too much for one");
        assert!(history.after(1, 3).is_some(), "its own oldest made room");
        other.push(chunk(1, &[&long]), &mut kept);
        assert!(other.after(0, 1).is_some(), "a quiet one keeps the least");
        other.push(chunk(2, &[&long]), &mut kept);
        assert!(other.after(0, 2).is_none(), "and no more while all are over");
        history.push(chunk(4, &[&long]), &mut kept);
        assert!(history.after(2, 4).is_none() && history.after(3, 4).is_some());
        assert_eq!(kept.bytes, history.bytes + other.bytes);
        history.clear(&mut kept);
        other.clear(&mut kept);
        assert_eq!(kept.bytes, 0);
    }
}
