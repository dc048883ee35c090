//! One client's queue: bounded in bytes and trades, shared buffers, and never silent about a loss.
//!
//! The hub pushes without waiting, the client's writer drains. When the client is too slow the
//! oldest trades make room (`Slow::Drop`), and a `gap` message in their place says how many of
//! which symbol are missing; or the client is closed with a reason (`Slow::Close`).

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::{Buf, Bytes};
use serde::Serialize;
use tokio::sync::Notify;
use ws_listener::frame::{self, Sender};

/// More replies than this must be read before the client's next request is.
const REPLY_BYTES: usize = 64 * 1024;

/// What happens to a client that reads more slowly than its symbols trade.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slow {
    /// Its oldest trades are dropped, and a `gap` message tells how many.
    Drop,
    /// It is closed with code 1008 and a reason.
    Close,
}

/// The bound of one client's queue.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes of trades and replies; one write of at most 64 KiB may be under way besides.
    pub bytes: usize,
    /// Trades, since a drop of a million small messages is no better than one of many bytes.
    pub trades: usize,
    /// What to do at the bound.
    pub slow: Slow,
}

/// Framed trades of one symbol, shared by all its subscribers.
#[derive(Clone, Debug)]
pub struct Chunk {
    /// The symbol, upper-case.
    pub symbol: Arc<str>,
    /// How many trades the frames hold.
    pub trades: usize,
    /// Whole text frames, one per trade.
    pub frames: Bytes,
}

/// A queue for one client. See the module.
#[derive(Debug)]
pub struct Outbox {
    limits: Limits,
    queue: Mutex<Queue>,
    /// Something to write, or the end.
    ready: Notify,
    /// Fewer replies than before.
    room: Notify,
    /// The end has begun.
    ending: Notify,
}

#[derive(Debug, Default)]
struct Queue {
    entries: VecDeque<Entry>,
    bytes: usize,
    reply_bytes: usize,
    trades: usize,
    /// Trades dropped since the last gap message, all older than any entry.
    missed: BTreeMap<Arc<str>, usize>,
    missed_ever: usize,
    ended: bool,
}

#[derive(Debug)]
enum Entry {
    Trades(Chunk),
    /// Replies, and what is left of an entry that was written in part. Never dropped.
    Rest(Bytes),
}

#[derive(Serialize)]
#[serde(tag = "type", rename = "gap")]
struct Gap<'a> {
    symbol: &'a str,
    missed: usize,
}

impl Outbox {
    /// An empty queue.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            queue: Mutex::default(),
            ready: Notify::new(),
            room: Notify::new(),
            ending: Notify::new(),
        }
    }

    /// Queues trades; at the bound the client pays for being slow, nobody else does.
    pub fn push_trades(&self, chunk: Chunk) {
        let mut queue = self.lock();
        if queue.ended {
            return;
        }
        queue.bytes += chunk.frames.len();
        queue.trades += chunk.trades;
        queue.entries.push_back(Entry::Trades(chunk));
        if queue.is_over(&self.limits) {
            match self.limits.slow {
                Slow::Drop => queue.drop_oldest(&self.limits),
                Slow::Close => {
                    let reason = format!("too slow: more than {} bytes waited", self.limits.bytes);
                    queue.clear();
                    queue.push_rest(frame::close(Sender::Server, 1008, &reason));
                    queue.ended = true;
                    self.ending.notify_waiters();
                }
            }
        }
        drop(queue);
        self.ready.notify_one();
    }

    /// Queues a reply as a text frame.
    pub fn reply(&self, text: &str) {
        self.push_frame(frame::text(text.as_bytes()));
    }

    /// Queues bytes that are whole frames already.
    pub fn push_frame(&self, frame: Bytes) {
        let mut queue = self.lock();
        if !queue.ended {
            queue.push_rest(frame);
            drop(queue);
            self.ready.notify_one();
        }
    }

    /// Queues a Close frame and ends the queue: what is queued is still written, nothing after it.
    pub fn close(&self, code: u16, reason: &str) {
        self.push_frame(frame::close(Sender::Server, code, reason));
        self.finish();
    }

    /// Ends the queue without a Close frame of ours.
    pub fn finish(&self) {
        self.lock().ended = true;
        self.ready.notify_one();
        self.ending.notify_waiters();
    }

    /// Returns once the end has begun.
    pub async fn ending(&self) {
        wait_for(&self.ending, || self.lock().ended).await;
    }

    /// Returns once the client has read enough of its replies to ask for more.
    pub async fn room(&self) {
        wait_for(&self.room, || self.lock().reply_bytes < REPLY_BYTES).await;
    }

    /// Returns once there is something to write, or the queue has ended.
    pub async fn ready(&self) {
        wait_for(&self.ready, || {
            let queue = self.lock();
            queue.ended || !queue.entries.is_empty()
        })
        .await;
    }

    /// True when the queue has ended and all of it was taken.
    pub fn is_done(&self) -> bool {
        let queue = self.lock();
        queue.ended && queue.entries.is_empty()
    }

    /// Moves the oldest bytes into `buffer` and returns how many; what does not fit stays.
    pub fn fill(&self, buffer: &mut [u8]) -> usize {
        let mut queue = self.lock();
        queue.tell_gaps();
        let filled = queue.fill(buffer);
        let has_room = queue.reply_bytes < REPLY_BYTES;
        drop(queue);
        if has_room {
            self.room.notify_waiters();
        }
        filled
    }

    /// How many trades this client has missed in its life.
    pub fn missed(&self) -> usize {
        self.lock().missed_ever
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        // A panic while holding it would leave a queue that is at worst short of an entry.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Queue {
    fn is_over(&self, limits: &Limits) -> bool {
        self.bytes > limits.bytes || self.trades > limits.trades
    }

    fn push_rest(&mut self, frame: Bytes) {
        self.bytes += frame.len();
        self.reply_bytes += frame.len();
        self.entries.push_back(Entry::Rest(frame));
    }

    fn clear(&mut self) {
        // What is left of a frame already begun must stay, or what follows is unreadable.
        let begun = match self.entries.front() {
            Some(Entry::Rest(rest)) => Some(rest.clone()),
            Some(Entry::Trades(_)) | None => None,
        };
        self.entries.clear();
        (self.bytes, self.reply_bytes, self.trades) = (0, 0, 0);
        self.missed.clear();
        if let Some(rest) = begun {
            self.push_rest(rest);
        }
    }

    fn drop_oldest(&mut self, limits: &Limits) {
        let mut kept = VecDeque::new();
        while self.is_over(limits) {
            match self.entries.pop_front() {
                Some(Entry::Trades(chunk)) => {
                    self.bytes -= chunk.frames.len();
                    self.trades -= chunk.trades;
                    self.missed_ever += chunk.trades;
                    *self.missed.entry(chunk.symbol).or_default() += chunk.trades;
                }
                Some(rest) => kept.push_front(rest),
                None => break,
            }
        }
        for rest in kept {
            self.entries.push_front(rest);
        }
    }

    /// Puts the gap messages where the missing trades were: before all trades that are left, but
    /// not into the middle of a frame.
    fn tell_gaps(&mut self) {
        if self.missed.is_empty() {
            return;
        }
        let replies = |entry: &Entry| matches!(entry, Entry::Rest(_));
        let at = self
            .entries
            .iter()
            .take_while(|entry| replies(entry))
            .count();
        for (symbol, missed) in std::mem::take(&mut self.missed) {
            let gap = Gap {
                symbol: &symbol,
                missed,
            };
            let text = serde_json::to_vec(&gap).expect("a text and a number");
            let frame = frame::text(&text);
            self.bytes += frame.len();
            self.reply_bytes += frame.len();
            self.entries.insert(at, Entry::Rest(frame));
        }
    }

    fn fill(&mut self, buffer: &mut [u8]) -> usize {
        let mut filled = 0;
        while filled < buffer.len() {
            let Some(entry) = self.entries.pop_front() else {
                break;
            };
            let mut bytes = match entry {
                Entry::Trades(chunk) => {
                    self.trades -= chunk.trades;
                    chunk.frames
                }
                Entry::Rest(rest) => {
                    self.reply_bytes -= rest.len();
                    rest
                }
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

/// Waits for `condition`, which each notification may have made true.
async fn wait_for(notify: &Notify, condition: impl Fn() -> bool) {
    loop {
        let notified = notify.notified();
        tokio::pin!(notified);
        // Registered before the look, so that a change in between is not missed.
        notified.as_mut().enable();
        if condition() {
            return;
        }
        notified.await;
    }
}

#[cfg(test)]
mod tests;
