//! From a queue onto its socket: whoever queues may write, one system call for all that has gathered.

use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::{Buf, Bytes};
use tokio::net::TcpStream;
use ws_listener::{SCRATCH_LEN, with_scratch};

use super::queue::Queue;
use super::{Chunk, Format, Outbox, REPLY_BYTES};

/// Places that an empty queue may keep for the next trades.
const MANY: usize = 64;

impl Outbox {
    /// The client has been let in: from here on what is queued can be written.
    pub fn attach(&self, socket: Arc<TcpStream>) {
        // A client has one socket in its life.
        let _ = self.socket.set(socket);
    }

    /// Queues trades for a writer who will `flush_due` in a moment; true if that is to be remembered.
    pub fn queue_trades(&self, chunk: Chunk) -> bool {
        let mut queue = self.lock();
        self.take_trades(&mut queue, chunk);
        if queue.bytes() > SCRATCH_LEN {
            // More could not be written at once anyway, and a queue that grows is one that drops.
            self.flush_queue(&mut queue);
        }
        !self.is_due.swap(true, Ordering::Relaxed)
    }

    /// Queues trades and writes them at once: nothing else will be queued in a moment.
    pub fn write_trades(&self, chunk: Chunk) {
        let mut queue = self.lock();
        self.take_trades(&mut queue, chunk);
        self.flush_queue(&mut queue);
    }

    /// Writes what `queue_trades` has queued.
    pub fn flush_due(&self) {
        self.is_due.store(false, Ordering::Relaxed);
        self.flush();
    }

    /// Writes as much of the queue as the socket has room for; the client's task does the rest.
    pub fn flush(&self) {
        self.flush_queue(&mut self.lock());
    }

    fn flush_queue(&self, queue: &mut Queue) {
        let Some(socket) = self.socket.get() else {
            return;
        };
        if self.is_stuck() || queue.is_empty() {
            return;
        }
        let had_room = queue.reply_bytes() < REPLY_BYTES;
        while !queue.is_empty() {
            match write_some(queue, socket, self.format) {
                Ok(true) => {}
                Ok(false) => {
                    self.is_stuck.store(true, Ordering::Relaxed);
                    return self.changed.notify_one();
                }
                Err(_) => {
                    queue.discard();
                    self.has_failed.store(true, Ordering::Relaxed);
                    return self.changed.notify_one();
                }
            }
        }
        queue.shrink(MANY);
        // The client's task may wait for room to ask more, or to end.
        if !had_room || queue.has_ended() {
            self.changed.notify_one();
        }
    }

    /// Lets go of memory that an idle client does not need.
    pub fn shrink(&self) {
        self.lock().shrink(0);
    }

    /// Whether the socket had no room when it was last written to.
    pub fn is_stuck(&self) -> bool {
        self.is_stuck.load(Ordering::Relaxed)
    }

    /// The socket has room again.
    pub fn unstick(&self) {
        self.is_stuck.store(false, Ordering::Relaxed);
    }

    /// Whether the socket can be written no more.
    pub fn has_failed(&self) -> bool {
        self.has_failed.load(Ordering::Relaxed)
    }
}

/// One write; false when not all of it went.
fn write_some(queue: &mut Queue, socket: &TcpStream, format: Format) -> io::Result<bool> {
    if let Some(mut bytes) = queue.take_large() {
        let written = write(socket, &bytes)?;
        bytes.advance(written);
        let all = bytes.is_empty();
        queue.put_back(bytes);
        return Ok(all);
    }
    with_scratch(|scratch| {
        let filled = queue.fill(scratch, format);
        let written = write(socket, &scratch[..filled])?;
        queue.put_back(Bytes::copy_from_slice(&scratch[written..filled]));
        Ok(written == filled)
    })
}

fn write(socket: &TcpStream, bytes: &[u8]) -> io::Result<usize> {
    match socket.try_write(bytes) {
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(0),
        written => written,
    }
}
