//! The `NOTIFY_SOCKET` of a run (sd_notify(3)): hears what the run says, proves who said it, and notices
//! when it has not said `WATCHDOG=1` for too long.
//!
//! An abstract address: no path that could be too long for a socket, nothing to clean up, and it reaches a
//! service of another user. Anybody in the network namespace can write to it, so the sender's pid, which the
//! kernel attaches, must belong to the run. A sender that is gone by then cannot be proven and is not heard:
//! sd_notify_barrier(3), which `systemd-notify` uses, waits for us.

mod ears;
pub mod notice;
mod sender;

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;

use nix::sys::socket::{AddressFamily, SockFlag, SockType, UnixAddr, bind, setsockopt, socket, sockopt};

use super::state::hash;
use crate::service::Run;
pub use ears::{Ear, Ears};
pub use sender::Speaker;

/// A run's notify socket, until somebody listens.
#[derive(Debug)]
pub struct Notify {
    /// The value of `NOTIFY_SOCKET`.
    pub address: String,
    socket: Arc<OwnedFd>,
}

/// How often a name that somebody else has taken is tried under another.
const NAMES: u32 = 8;

impl Notify {
    /// Binds a socket of its own for this run.
    ///
    /// # Errors
    /// No descriptor is left.
    pub fn bind(run: &Run, house: &Path) -> io::Result<Self> {
        // The same for the supervisor that comes after this one, should it adopt the run.
        let name = format!("sentinel/{:016x}/{run}", hash(house.as_os_str().as_bytes()));
        let mut bound = Self::bind_as(&name);
        // Abstract names are everybody's: one that a stranger sits on must not keep a service down.
        for number in 1..NAMES {
            match bound {
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                    bound = Self::bind_as(&format!("{name}.{number}"));
                }
                settled => return settled,
            }
        }
        bound
    }

    /// Binds the very address that a run was given by an earlier supervisor.
    ///
    /// # Errors
    /// It is none of ours, or taken.
    pub fn bind_again(address: &str) -> io::Result<Self> {
        match address.strip_prefix("@sentinel/") {
            Some(name) => Self::bind_as(&format!("sentinel/{name}")),
            None => Err(io::ErrorKind::AddrNotAvailable.into()),
        }
    }

    fn bind_as(name: &str) -> io::Result<Self> {
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let socket = socket(AddressFamily::Unix, SockType::Datagram, flags, None)?;
        bind(socket.as_raw_fd(), &UnixAddr::new_abstract(name.as_bytes())?)?;
        setsockopt(&socket, sockopt::PassCred, &true)?;
        Ok(Self {
            address: format!("@{name}"),
            socket: Arc::new(socket),
        })
    }

    /// Goes on with a socket that the image before this one bound; its run knows the address.
    #[must_use]
    pub fn resume(socket: OwnedFd) -> Self {
        Self {
            address: String::new(),
            socket: Arc::new(socket),
        }
    }

    /// Another hold on the socket, that keeps it open.
    #[must_use]
    pub fn copy(&self) -> Arc<OwnedFd> {
        self.socket.clone()
    }
}
