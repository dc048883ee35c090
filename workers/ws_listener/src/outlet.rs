//! The writing end of a client's socket: one system call per offer, no memory while the peer keeps up.

use std::cell::RefCell;
use std::io::{self, ErrorKind};
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::AsyncWriteExt;
use tokio::net::tcp::OwnedWriteHalf;
use tokio::time::timeout;

/// The size of the shared buffer, and so the most that an outlet can have stuck after one offer.
pub const SCRATCH_LEN: usize = 64 * 1024;
/// A peer that takes nothing at all for this long is given up.
const STALL: Duration = Duration::from_secs(60);

thread_local! {
    static SCRATCH: RefCell<Box<[u8]>> = RefCell::new(vec![0; SCRATCH_LEN].into_boxed_slice());
}

/// Lends the thread's buffer of [`SCRATCH_LEN`] bytes, whose content is left over from others.
/// All connections share it, since none needs it for longer than one read or write; that is what
/// makes ten thousand idle connections cheap. Must not be nested.
pub fn with_scratch<T>(use_it: impl FnOnce(&mut [u8]) -> T) -> T {
    SCRATCH.with_borrow_mut(|scratch| use_it(scratch))
}

/// A socket's writing end, and what its peer had no room for.
#[derive(Debug)]
pub struct Outlet {
    to: OwnedWriteHalf,
    stuck: BytesMut,
}

impl Outlet {
    /// An outlet with nothing stuck.
    pub fn new(to: OwnedWriteHalf) -> Self {
        Self {
            to,
            stuck: BytesMut::new(),
        }
    }

    /// Writes what the peer has room for and keeps the rest.
    pub fn offer(&mut self, bytes: &[u8]) -> io::Result<()> {
        let written = if self.stuck.is_empty() {
            match self.to.try_write(bytes) {
                Ok(count) => count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => 0,
                Err(error) => return Err(error),
            }
        } else {
            0
        };
        self.stuck.extend_from_slice(&bytes[written..]);
        Ok(())
    }

    /// Bytes that wait for the peer.
    pub fn waiting(&self) -> usize {
        self.stuck.len()
    }

    /// Keeps bytes for the next [`unstick`](Self::unstick).
    pub fn push(&mut self, bytes: &[u8]) {
        self.stuck.extend_from_slice(bytes);
    }

    /// Waits until the peer has taken all that is stuck; fails when it takes nothing for a minute.
    /// May be dropped at any await and called again.
    pub async fn unstick(&mut self) -> io::Result<()> {
        if self.stuck.is_empty() {
            return Ok(());
        }
        while !self.stuck.is_empty() {
            if timeout(STALL, self.to.write_buf(&mut self.stuck)).await?? == 0 {
                return Err(ErrorKind::WriteZero.into());
            }
        }
        // A peer that was slow once shall not hold memory for ever.
        self.stuck = BytesMut::new();
        Ok(())
    }

    /// What is stuck, then the end of the stream.
    pub async fn finish(&mut self) -> io::Result<()> {
        self.unstick().await?;
        self.to.shutdown().await
    }
}
