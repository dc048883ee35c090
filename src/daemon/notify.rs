//! The `NOTIFY_SOCKET` of a run (sd_notify(3)): hears `READY=1`, and proves who said it.
//!
//! An abstract address: no path that could be too long for a socket, nothing to clean up. Anybody in
//! the network namespace can write to it, so the sender's pid, which the kernel attaches, is checked.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, IoSliceMut};
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;

use nix::sys::socket::{
    AddressFamily, ControlMessageOwned, MsgFlags, SockFlag, SockType, UnixAddr, bind, recvmsg, setsockopt,
    socket, sockopt,
};
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

use crate::descriptor;
use crate::process::{self, Table};
use crate::service::Run;

/// A run's notify socket.
#[derive(Debug)]
pub struct Notify {
    /// The value of `NOTIFY_SOCKET`.
    pub address: String,
    socket: OwnedFd,
}

impl Notify {
    /// Binds a socket of its own for this run.
    ///
    /// # Errors
    /// No descriptor is left.
    pub fn bind(run: &Run, house: &Path) -> io::Result<Self> {
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let socket = socket(AddressFamily::Unix, SockType::Datagram, flags, None)?;
        let name = name(run, house);
        bind(socket.as_raw_fd(), &UnixAddr::new_abstract(name.as_bytes())?)?;
        setsockopt(&socket, sockopt::PassCred, &true)?;
        Ok(Self {
            address: format!("@{name}"),
            socket,
        })
    }

    /// Goes on with a socket that the image before this one bound.
    #[must_use]
    pub fn resume(run: &Run, house: &Path, socket: OwnedFd) -> Self {
        Self {
            address: format!("@{}", name(run, house)),
            socket,
        }
    }

    /// Another hold on the socket, that keeps it open.
    #[must_use]
    pub fn copy(&self) -> Option<OwnedFd> {
        self.socket.try_clone().ok()
    }

    /// Listens for the run; sends once a process of it said `READY=1`.
    ///
    /// # Errors
    /// The event loop takes no more descriptors.
    pub fn listen(self, run: Run, leader: i32) -> io::Result<(mpsc::UnboundedReceiver<()>, AbortHandle)> {
        let socket = descriptor::readable(self.socket)?;
        let (sender, receiver) = mpsc::unbounded_channel();
        let task = tokio::task::spawn_local(async move {
            while let Ok(mut ready) = socket.readable().await {
                match receive(socket.get_ref()) {
                    Ok((text, sender_pid)) if belongs(sender_pid, &run, leader) => {
                        if text.lines().any(|line| line == "READY=1") {
                            let _ = sender.send(());
                        }
                    }
                    Ok((_, stranger)) => {
                        tracing::warn!(%run, pid = stranger, "a notification from outside the run is ignored");
                    }
                    Err(_) => ready.clear_ready(),
                }
            }
        });
        Ok((receiver, task.abort_handle()))
    }
}

/// The same for the supervisor that comes after this one, should it adopt the run.
fn name(run: &Run, house: &Path) -> String {
    let mut hash = DefaultHasher::new();
    house.hash(&mut hash);
    format!("sentinel/{:016x}/{run}", hash.finish())
}

/// One datagram and the pid that the kernel says sent it.
fn receive(socket: &OwnedFd) -> io::Result<(String, i32)> {
    let mut buffer = [0; 4096];
    let mut parts = [IoSliceMut::new(&mut buffer)];
    let mut control = nix::cmsg_space!(nix::libc::ucred);
    let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_CMSG_CLOEXEC;
    let message = recvmsg::<UnixAddr>(socket.as_raw_fd(), &mut parts, Some(&mut control), flags)?;
    let sender = message.cmsgs()?.find_map(|control| match control {
        ControlMessageOwned::ScmCredentials(credentials) => Some(credentials.pid()),
        _ => None,
    });
    let length = message.bytes;
    Ok((
        String::from_utf8_lossy(&buffer[..length]).into_owned(),
        sender.unwrap_or(0),
    ))
}

fn belongs(pid: i32, run: &Run, leader: i32) -> bool {
    let marked = process::mark(pid).ok().flatten();
    pid == leader
        || marked.is_some_and(|m| m.service == run.service.as_str() && m.number == run.number)
        || Table::read().is_ok_and(|table| table.ancestors(pid).iter().any(|process| process.pid == leader))
}
