//! What waits for one client, in order, and what it has missed. Pure.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use bytes::{Buf, Bytes};
use stream_protocol::{Channel, Gap, GapReason, ServerMessage};
use ws_listener::frame;

use super::{Chunk, Format, Limits};

/// An entry of so many bytes is written by itself rather than copied among others.
const LARGE: usize = 8 * 1024;

/// Late trades that may wait for a client besides what its limits say.
const MOST_LATE: usize = 16 << 20;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Queue {
    entries: VecDeque<Entry>,
    bytes: usize,
    reply_bytes: usize,
    trades: usize,
    /// Bytes and trades that came late, up to `MOST_LATE`: they count as nothing.
    late: (usize, usize),
    /// Trades dropped since the last gap message, all older than any entry.
    missed: BTreeMap<(Channel, Arc<str>), Missed>,
    missed_ever: usize,
    ended: bool,
    /// Something worth hearing was queued since `was_idle` was asked.
    touched: bool,
}

#[derive(Debug)]
enum Entry {
    Trades(Chunk),
    /// Replies, and what is left of an entry that was written in part. Never dropped.
    Rest(Bytes),
}

/// Numbers `from..=to` of one symbol. Dropped are always the oldest, so there is no hole in them.
#[derive(Debug)]
struct Missed {
    from: u64,
    to: u64,
}

impl Queue {
    /// Adds trades; the caller judges `is_over` afterwards.
    pub(super) fn push_trades(&mut self, chunk: Chunk) {
        if !self.ended {
            self.bytes += chunk.frames.len();
            self.trades += chunk.trades;
            if chunk.is_late {
                self.late.0 += chunk.frames.len();
                self.late.1 += chunk.trades;
            }
            self.touched = true;
            self.entries.push_back(Entry::Trades(chunk));
        }
    }

    /// Adds a frame that is never dropped.
    pub(super) fn push_frame(&mut self, frame: Bytes) {
        if !self.ended {
            self.bytes += frame.len();
            self.reply_bytes += frame.len();
            self.entries.push_back(Entry::Rest(frame));
        }
    }

    /// Something worth hearing was queued.
    pub(super) fn touch(&mut self) {
        self.touched = true;
    }

    /// Whether nothing worth hearing was queued since this was asked last.
    pub(super) fn was_idle(&mut self) -> bool {
        !std::mem::take(&mut self.touched)
    }

    /// Nothing is added from now on.
    pub(super) fn end(&mut self) {
        self.ended = true;
    }

    pub(super) fn has_ended(&self) -> bool {
        self.ended
    }

    /// True when there is nothing to write, not even a gap message.
    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty() && self.missed.is_empty()
    }

    /// Bytes of all that waits.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Bytes of what is never dropped.
    pub(super) fn reply_bytes(&self) -> usize {
        self.reply_bytes
    }

    /// Trades dropped in the client's life.
    pub(super) fn missed_ever(&self) -> usize {
        self.missed_ever
    }

    /// Whether more waits than may. What has ended grows no more, so it never is.
    pub(super) fn is_over(&self, limits: &Limits) -> bool {
        let (bytes, trades) = if self.late.0 > MOST_LATE {
            (0, 0)
        } else {
            self.late
        };
        !self.ended && (self.bytes - bytes > limits.bytes || self.trades - trades > limits.trades)
    }

    /// Empties the queue but for a frame already begun: without its rest nothing that follows
    /// could be read.
    pub(super) fn forget_unsent(&mut self) {
        let begun = match self.entries.front() {
            Some(Entry::Rest(rest)) => Some(rest.clone()),
            Some(Entry::Trades(_)) | None => None,
        };
        *self = Self {
            missed_ever: self.missed_ever,
            ..Self::default()
        };
        if let Some(rest) = begun {
            self.push_frame(rest);
        }
    }

    /// Drops the oldest trades until the rest is within the limits.
    pub(super) fn drop_oldest(&mut self, limits: &Limits) {
        let mut kept = VecDeque::new();
        while self.is_over(limits) {
            match self.entries.pop_front() {
                Some(Entry::Trades(chunk)) => {
                    self.bytes -= chunk.frames.len();
                    self.taken(&chunk);
                    self.miss(&chunk);
                }
                Some(rest) => kept.push_front(rest),
                None => break,
            }
        }
        for rest in kept {
            self.entries.push_front(rest);
        }
    }

    /// Drops all trades but the newest of each symbol.
    pub(super) fn conflate(&mut self) {
        let mut newest = BTreeMap::new();
        for entry in &self.entries {
            if let Entry::Trades(chunk) = entry {
                newest.insert((chunk.channel, Arc::clone(&chunk.symbol)), chunk.last());
            }
        }
        let entries = std::mem::take(&mut self.entries);
        for entry in entries {
            match entry {
                Entry::Trades(chunk) => self.keep_newest(chunk, &newest),
                Entry::Rest(rest) => self.entries.push_back(Entry::Rest(rest)),
            }
        }
    }

    fn keep_newest(&mut self, chunk: Chunk, newest: &BTreeMap<(Channel, Arc<str>), u64>) {
        self.bytes -= chunk.frames.len();
        self.taken(&chunk);
        let key = (chunk.channel, Arc::clone(&chunk.symbol));
        let last = newest.get(&key).copied().unwrap_or_default();
        if chunk.first < last {
            let older = chunk.trades.min((last - chunk.first) as usize);
            self.miss(&Chunk {
                trades: older,
                ..chunk.clone()
            });
        }
        let kept = chunk.after(last.saturating_sub(1));
        if kept.trades > 0 {
            self.push_trades(kept);
        }
    }

    /// These wait no longer; `bytes` still counts them.
    fn taken(&mut self, chunk: &Chunk) {
        self.trades -= chunk.trades;
        if chunk.is_late {
            self.late.0 -= chunk.frames.len();
            self.late.1 -= chunk.trades;
        }
    }

    fn miss(&mut self, chunk: &Chunk) {
        self.missed_ever += chunk.trades;
        let (from, to) = (chunk.first, chunk.last());
        let missed = self.missed.entry((chunk.channel, Arc::clone(&chunk.symbol)));
        missed.or_insert(Missed { from, to }).to = to;
    }

    /// Puts the gap messages where the missing trades were: before all trades that are left, but
    /// not into the middle of a frame.
    fn tell_gaps(&mut self, format: Format) {
        if self.missed.is_empty() {
            return;
        }
        let replies = |entry: &Entry| matches!(entry, Entry::Rest(_));
        let at = self.entries.iter().take_while(|entry| replies(entry)).count();
        for frame in gap_frames(std::mem::take(&mut self.missed), format) {
            self.bytes += frame.len();
            self.reply_bytes += frame.len();
            self.entries.insert(at, Entry::Rest(frame));
        }
    }

    /// Takes the oldest entry whole if copying it among others would gain nothing: it is alone, or
    /// large.
    pub(super) fn take_large(&mut self) -> Option<Bytes> {
        let front = match self.entries.front()? {
            Entry::Trades(chunk) => &chunk.frames,
            Entry::Rest(rest) => rest,
        };
        if !self.missed.is_empty() || (self.entries.len() > 1 && front.len() < LARGE) {
            return None;
        }
        let bytes = self.pop()?;
        self.bytes -= bytes.len();
        Some(bytes)
    }

    /// What was taken and not written comes first again, and is never dropped: it may begin within a
    /// frame.
    pub(super) fn put_back(&mut self, rest: Bytes) {
        if !rest.is_empty() {
            self.bytes += rest.len();
            self.reply_bytes += rest.len();
            self.entries.push_front(Entry::Rest(rest));
        }
    }

    /// The client is gone: nothing waits for it any more.
    pub(super) fn discard(&mut self) {
        *self = Self {
            missed_ever: self.missed_ever,
            ended: true,
            ..Self::default()
        };
    }

    /// An empty queue keeps no more places than so many.
    pub(super) fn shrink(&mut self, places: usize) {
        if self.entries.is_empty() && self.entries.capacity() > places {
            self.entries = VecDeque::new();
        }
    }

    /// The oldest entry; `bytes` still counts it.
    fn pop(&mut self) -> Option<Bytes> {
        Some(match self.entries.pop_front()? {
            Entry::Trades(chunk) => {
                self.taken(&chunk);
                chunk.frames
            }
            Entry::Rest(rest) => {
                self.reply_bytes -= rest.len();
                rest
            }
        })
    }

    /// Moves the oldest bytes into `buffer`, gap messages first, and returns how many.
    pub(super) fn fill(&mut self, buffer: &mut [u8], format: Format) -> usize {
        self.tell_gaps(format);
        let mut filled = 0;
        while filled < buffer.len() {
            let Some(mut bytes) = self.pop() else {
                break;
            };
            let taken = bytes.len().min(buffer.len() - filled);
            buffer[filled..filled + taken].copy_from_slice(&bytes[..taken]);
            filled += taken;
            self.bytes -= taken;
            bytes.advance(taken);
            if !bytes.is_empty() {
                self.reply_bytes += bytes.len();
                self.entries.push_front(Entry::Rest(bytes));
            }
        }
        filled
    }
}

/// A gap for each symbol; Alpaca's protocol has one word for all.
fn gap_frames(missed: BTreeMap<(Channel, Arc<str>), Missed>, format: Format) -> Vec<Bytes> {
    match format {
        Format::Stream => missed
            .into_iter()
            .map(|((channel, symbol), Missed { from, to })| {
                let gap = Gap {
                    channel: channel.told(),
                    ..Gap::range(&*symbol, from, to, GapReason::Slow)
                };
                frame::text(ServerMessage::Gap(gap).to_json().as_bytes())
            })
            .collect(),
        Format::AlpacaJson | Format::AlpacaMsgpack => vec![format.error(407, "slow client")],
    }
}
