//! One client's queue: bounded in bytes and trades, shared buffers, and never silent about a loss.
//!
//! The hub pushes without waiting, the client's writer drains. When the client is too slow the
//! oldest trades make room (`Slow::Drop`), or all but the newest of each symbol (`Slow::Conflate`),
//! and a `gap` message in their place says how many of which symbol are missing; or the client is
//! closed with a reason (`Slow::Close`).

mod queue;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::{Buf, Bytes};
use stream_protocol::Channel;
use tokio::sync::Notify;
use ws_listener::frame::{self, Sender};

use super::Format;
use queue::Queue;

/// More replies than this must be read before the client's next request is.
const REPLY_BYTES: usize = 64 * 1024;
/// RFC 6455 §7.4.1: the client does not keep to what is asked of it.
const POLICY: u16 = 1008;

/// What happens to a client that reads more slowly than its symbols trade.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slow {
    /// Its oldest trades are dropped, and a `gap` message tells how many.
    Drop,
    /// Of each symbol only the newest trade is kept, and a `gap` message tells how many it skips.
    Conflate,
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
    /// What of the symbol.
    pub channel: Channel,
    /// The symbol, upper-case.
    pub symbol: Arc<str>,
    /// The number of the first of them; the others follow without a hole.
    pub first: u64,
    /// How many trades the frames hold.
    pub trades: usize,
    /// Whole frames, one per trade.
    pub frames: Bytes,
}

impl Chunk {
    /// The number of the last trade.
    pub fn last(&self) -> u64 {
        self.first + self.trades as u64 - 1
    }

    /// The chunk without what is numbered up to `seq`.
    pub fn after(mut self, seq: u64) -> Self {
        while self.first <= seq && self.trades > 0 {
            let length = frame::length(&self.frames).expect("a chunk holds whole frames");
            // A frame in memory is not longer than memory.
            self.frames.advance(length as usize);
            self.first += 1;
            self.trades -= 1;
        }
        self
    }
}

/// A queue for one client. See the module.
#[derive(Debug)]
pub struct Outbox {
    limits: Limits,
    format: Format,
    queue: Mutex<Queue>,
    /// Something to write, or the end.
    ready: Notify,
    /// Fewer replies than before.
    room: Notify,
    /// The end has begun.
    ending: Notify,
    /// Nothing was heard of the client since `was_silent` was asked.
    is_silent: AtomicBool,
}

impl Outbox {
    /// An empty queue.
    pub fn new(limits: Limits, format: Format) -> Self {
        Self {
            limits,
            format,
            queue: Mutex::default(),
            ready: Notify::new(),
            room: Notify::new(),
            ending: Notify::new(),
            is_silent: AtomicBool::new(false),
        }
    }

    /// How this client's messages are spelled.
    pub fn format(&self) -> Format {
        self.format
    }

    /// Queues trades; at the bound the client pays for being slow, nobody else does.
    pub fn push_trades(&self, chunk: Chunk) {
        let mut queue = self.lock();
        queue.push_trades(chunk);
        if queue.is_over(&self.limits) {
            match self.limits.slow {
                Slow::Drop => queue.drop_oldest(&self.limits),
                Slow::Conflate => {
                    queue.conflate();
                    // The newest of many symbols may still be too much.
                    queue.drop_oldest(&self.limits);
                }
                Slow::Close => {
                    let Limits { bytes, trades, .. } = self.limits;
                    let reason = format!("too slow: over {bytes} bytes or {trades} trades waited");
                    queue.forget_unsent();
                    queue.push_frame(frame::close(Sender::Server, POLICY, &reason));
                    queue.end();
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
        self.lock().touch();
    }

    /// Notes that the client is there.
    pub fn heard(&self) {
        self.is_silent.store(false, Ordering::Relaxed);
    }

    /// Whether nothing was heard of the client since this was asked last.
    pub fn was_silent(&self) -> bool {
        self.is_silent.swap(true, Ordering::Relaxed)
    }

    /// Queues bytes that are whole frames already.
    pub fn push_frame(&self, frame: Bytes) {
        self.lock().push_frame(frame);
        self.ready.notify_one();
    }

    /// Queues a Close frame and ends the queue: what is queued is still written, nothing after it.
    pub fn close(&self, code: u16, reason: &str) {
        self.push_frame(frame::close(Sender::Server, code, reason));
        self.finish();
    }

    /// Ends the queue without a Close frame of ours.
    pub fn finish(&self) {
        self.lock().end();
        self.ready.notify_one();
        self.ending.notify_waiters();
    }

    /// Returns once the end has begun.
    pub async fn ending(&self) {
        wait_for(&self.ending, || self.lock().has_ended()).await;
    }

    /// Returns once the client has read enough of its replies to ask for more.
    pub async fn room(&self) {
        wait_for(&self.room, || self.lock().reply_bytes() < REPLY_BYTES).await;
    }

    /// Returns once there is something to write, or the queue has ended.
    pub async fn ready(&self) {
        wait_for(&self.ready, || {
            let queue = self.lock();
            queue.has_ended() || !queue.is_empty()
        })
        .await;
    }

    /// True when the queue has ended and all of it was taken.
    pub fn is_done(&self) -> bool {
        let queue = self.lock();
        queue.has_ended() && queue.is_empty()
    }

    /// Moves the oldest bytes into `buffer` and returns how many; what does not fit stays.
    pub fn fill(&self, buffer: &mut [u8]) -> usize {
        let mut queue = self.lock();
        let filled = queue.fill(buffer, self.format);
        let has_room = queue.reply_bytes() < REPLY_BYTES;
        drop(queue);
        if has_room {
            self.room.notify_waiters();
        }
        filled
    }

    /// Whether neither trades nor replies were queued since this was asked last.
    pub fn was_idle(&self) -> bool {
        self.lock().was_idle()
    }

    /// Bytes that wait.
    pub fn bytes(&self) -> usize {
        self.lock().bytes()
    }

    /// How many trades this client has missed in its life.
    pub fn missed(&self) -> usize {
        self.lock().missed_ever()
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        // A panic while holding it would leave a queue that is at worst short of an entry.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
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
