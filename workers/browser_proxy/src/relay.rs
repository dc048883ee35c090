//! Bytes from one socket to another, with no memory of its own while nothing is stuck.

use std::cell::RefCell;
use std::io::{self, ErrorKind};
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::AsyncWriteExt;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::time::timeout;
use ws_listener::frame::{self, Boundary, Sender};

/// The most that one read takes, and so the most that one direction ever holds.
const MAX_READ: usize = 64 * 1024;
/// A receiver that takes nothing at all for this long is given up.
const STALL: Duration = Duration::from_secs(60);

thread_local! {
    /// One buffer for all connections: it is only in use between a read and the write after it.
    static SCRATCH: RefCell<Box<[u8]>> = RefCell::new(vec![0; MAX_READ].into_boxed_slice());
}

/// One direction of a connection: what was read from one side and is for the other.
pub(crate) struct Direction {
    to: OwnedWriteHalf,
    /// As whom we would speak to the receiver.
    role: Sender,
    /// Bytes the receiver had no room for yet.
    stuck: BytesMut,
    boundary: Boundary,
}

/// How a direction came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// The side that is read from closed or failed.
    SourceGone,
    /// The side that is written to failed, or took nothing for a minute.
    ReceiverGone,
}

impl Direction {
    /// A direction towards `to`, to whom we would speak as `role`.
    pub(crate) fn new(to: OwnedWriteHalf, role: Sender) -> Self {
        Self {
            to,
            role,
            stuck: BytesMut::new(),
            boundary: Boundary::default(),
        }
    }

    /// Queues bytes that were read before this direction was running.
    pub(crate) fn push(&mut self, bytes: impl AsRef<[u8]>) {
        self.boundary.advance(bytes.as_ref());
        self.stuck.extend_from_slice(bytes.as_ref());
    }

    /// True once the source has sent its Close frame.
    pub(crate) fn close_passed(&self) -> bool {
        self.boundary.close_passed()
    }

    /// Forwards until either side ends. May be dropped at any await and run again.
    pub(crate) async fn pump(&mut self, from: &OwnedReadHalf) -> End {
        loop {
            if !self.stuck.is_empty() && self.write_stuck().await.is_err() {
                return End::ReceiverGone;
            }
            if from.readable().await.is_err() {
                return End::SourceGone;
            }
            match self.step(from) {
                Ok(()) => {}
                Err(end) => return end,
            }
        }
    }

    /// One read and, if the receiver has room, one write; the rest waits in `stuck`.
    fn step(&mut self, from: &OwnedReadHalf) -> Result<(), End> {
        SCRATCH.with_borrow_mut(|scratch| {
            let read = match from.try_read(scratch) {
                Ok(0) => return Err(End::SourceGone),
                Ok(count) => &scratch[..count],
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(_) => return Err(End::SourceGone),
            };
            self.boundary.advance(read);
            let written = match self.to.try_write(read) {
                Ok(count) => count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => 0,
                Err(_) => return Err(End::ReceiverGone),
            };
            self.stuck.extend_from_slice(&read[written..]);
            Ok(())
        })
    }

    async fn write_stuck(&mut self) -> io::Result<()> {
        while !self.stuck.is_empty() {
            let written = timeout(STALL, self.to.write_buf(&mut self.stuck)).await??;
            if written == 0 {
                return Err(ErrorKind::WriteZero.into());
            }
        }
        self.stuck = BytesMut::new();
        Ok(())
    }

    /// Ends the direction: what is stuck, then a Close frame with this code and reason unless one
    /// has passed or a frame was left unfinished, then the end of the stream.
    pub(crate) async fn finish(&mut self, code: u16, reason: &str) -> io::Result<()> {
        if self.boundary.is_between_frames() && !self.boundary.close_passed() {
            self.push(frame::close(self.role, code, reason));
        }
        self.write_stuck().await?;
        self.to.shutdown().await
    }
}
