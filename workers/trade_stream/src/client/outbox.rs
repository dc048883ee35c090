//! One client's queue: bounded in bytes and trades, shared buffers, and never silent about a loss.
//!
//! The hub pushes, and writes at once what the socket has room for; the client's own task writes the
//! rest when there is room again. Nobody waits. When the client is too slow the
//! oldest trades make room (`Slow::Drop`), or all but the newest of each symbol (`Slow::Conflate`),
//! and a `gap` message in their place says how many of which symbol are missing; or the client is
//! closed with a reason (`Slow::Close`).

mod queue;
mod wire;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use bytes::{Buf, Bytes};
use stream_protocol::Channel;
use tokio::net::TcpStream;
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
    /// They come all at once, out of their turn, which is not the fault of any client.
    pub is_late: bool,
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
    /// The client takes compressed messages.
    is_compressed: bool,
    queue: Mutex<Queue>,
    /// Where it is written; set once the client has been let in.
    socket: OnceLock<Arc<TcpStream>>,
    /// The socket has no room: the client's task waits until it has.
    is_stuck: AtomicBool,
    /// Writing is over for good: the socket has failed.
    has_failed: AtomicBool,
    /// The hub has queued trades that it will write in a moment.
    is_due: AtomicBool,
    /// It was closed for being too slow.
    was_too_slow: AtomicBool,
    /// Something for the client's task to look at.
    changed: Notify,
    /// Nothing was heard of the client since `was_silent` was asked.
    is_silent: AtomicBool,
}

impl Outbox {
    /// An empty queue.
    pub fn new(limits: Limits, format: Format) -> Self {
        Self {
            limits,
            format,
            is_compressed: false,
            queue: Mutex::default(),
            socket: OnceLock::new(),
            is_stuck: AtomicBool::new(false),
            has_failed: AtomicBool::new(false),
            is_due: AtomicBool::new(false),
            was_too_slow: AtomicBool::new(false),
            changed: Notify::new(),
            is_silent: AtomicBool::new(false),
        }
    }

    /// For a client that agreed, or did not, to compressed messages.
    pub fn compressed(mut self, is_compressed: bool) -> Self {
        self.is_compressed = is_compressed;
        self
    }

    /// Whether this client takes compressed messages.
    pub fn is_compressed(&self) -> bool {
        self.is_compressed
    }

    /// How this client's messages are spelled.
    pub fn format(&self) -> Format {
        self.format
    }

    /// Queues trades, for the client's task to write.
    pub fn push_trades(&self, chunk: Chunk) {
        self.take_trades(chunk);
        self.changed.notify_one();
    }

    /// Queues trades; at the bound the client pays for being slow, nobody else does.
    fn take_trades(&self, chunk: Chunk) {
        let mut queue = self.lock();
        queue.push_trades(chunk);
        if !queue.is_over(&self.limits) {
            return;
        }
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
                self.was_too_slow.store(true, Ordering::Relaxed);
                self.changed.notify_one();
            }
        }
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
        self.changed.notify_one();
    }

    /// Queues a Close frame and ends the queue: what is queued is still written, nothing after it.
    pub fn close(&self, code: u16, reason: &str) {
        self.push_frame(frame::close(Sender::Server, code, reason));
        self.finish();
    }

    /// Ends the queue without a Close frame of ours.
    pub fn finish(&self) {
        self.lock().end();
        self.changed.notify_one();
    }

    /// Whether the end has begun.
    pub fn has_ended(&self) -> bool {
        self.lock().has_ended()
    }

    /// Whether the client has read enough of its replies to ask for more.
    pub fn has_room(&self) -> bool {
        self.lock().reply_bytes() < REPLY_BYTES
    }

    /// Returns once there may be something for the client's task to do. Cancel-safe.
    pub async fn changed(&self) {
        self.changed.notified().await;
    }

    /// True when the queue has ended and all of it was taken.
    pub fn is_done(&self) -> bool {
        let queue = self.lock();
        queue.has_ended() && queue.is_empty()
    }

    /// Moves the oldest bytes into `buffer` and returns how many; what does not fit stays.
    #[cfg(test)]
    pub fn fill(&self, buffer: &mut [u8]) -> usize {
        self.lock().fill(buffer, self.format)
    }

    /// Whether neither trades nor replies were queued since this was asked last.
    pub fn was_idle(&self) -> bool {
        self.lock().was_idle()
    }

    /// Bytes that wait.
    pub fn bytes(&self) -> usize {
        self.lock().bytes()
    }

    /// Whether it was closed for being too slow.
    pub fn was_too_slow(&self) -> bool {
        self.was_too_slow.load(Ordering::Relaxed)
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

#[cfg(test)]
mod tests;
