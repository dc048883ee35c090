//! Bytes from one socket to another, with no memory of its own while nothing is stuck.

use std::io::{self, ErrorKind};

use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use ws_listener::frame::{self, Boundary, Sender};
use ws_listener::{Outlet, with_scratch};

/// One direction of a connection: what was read from one side and is for the other.
pub(crate) struct Direction {
    to: Outlet,
    /// As whom we would speak to the receiver.
    role: Sender,
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
            to: Outlet::new(to),
            role,
            boundary: Boundary::default(),
        }
    }

    /// Queues bytes that were read before this direction was running.
    pub(crate) fn push(&mut self, bytes: impl AsRef<[u8]>) {
        self.boundary.advance(bytes.as_ref());
        self.to.push(bytes.as_ref());
    }

    /// True once the source has sent its Close frame.
    pub(crate) fn close_passed(&self) -> bool {
        self.boundary.close_passed()
    }

    /// Forwards until either side ends. May be dropped at any await and run again. The source is
    /// only read while the receiver keeps up, so that what is stuck stays within one read.
    pub(crate) async fn pump(&mut self, from: &OwnedReadHalf) -> End {
        loop {
            if self.to.unstick().await.is_err() {
                return End::ReceiverGone;
            }
            if from.readable().await.is_err() {
                return End::SourceGone;
            }
            if let Err(end) = self.step(from) {
                return end;
            }
        }
    }

    /// One read, and one write of what was read.
    fn step(&mut self, from: &OwnedReadHalf) -> Result<(), End> {
        with_scratch(|scratch| match from.try_read(scratch) {
            Ok(0) => Err(End::SourceGone),
            Ok(count) => {
                let read = &scratch[..count];
                self.boundary.advance(read);
                self.to.offer(read).map_err(|_| End::ReceiverGone)
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(()),
            Err(_) => Err(End::SourceGone),
        })
    }

    /// Ends the direction: what is stuck, then a Close frame with this code and reason unless one
    /// has passed or a frame was left unfinished, then the end of the stream.
    pub(crate) async fn finish(&mut self, code: u16, reason: &str) -> io::Result<()> {
        if self.boundary.is_between_frames() && !self.boundary.close_passed() {
            self.push(frame::close(self.role, code, reason));
        }
        self.to.finish().await
    }
}
