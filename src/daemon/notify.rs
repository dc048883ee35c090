//! The `NOTIFY_SOCKET` of a run (sd_notify(3)): hears what the run says, proves who said it, and notices
//! when it has not said `WATCHDOG=1` for too long.
//!
//! An abstract address: no path that could be too long for a socket, nothing to clean up, and it reaches a
//! service of another user. Anybody in the network namespace can write to it, so the sender's pid, which the
//! kernel attaches, must belong to the run. A sender that is gone by then cannot be proven and is not heard:
//! sd_notify_barrier(3), which `systemd-notify` uses, waits for us.

pub mod notice;
mod sender;

use std::cell::Cell;
use std::io::{self, IoSliceMut};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use nix::sys::socket::{
    AddressFamily, ControlMessageOwned, MsgFlags, SockFlag, SockType, UnixAddr, bind, recvmsg, setsockopt,
    socket, sockopt,
};
use tokio::io::unix::AsyncFd;
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep_until};

use super::mailbox::{Mailbox, Message};
use super::state::hash;
use crate::descriptor;
use crate::service::Run;
use notice::Notice;
pub use sender::Speaker;

/// A run's notify socket, until somebody listens.
#[derive(Debug)]
pub struct Notify {
    /// The value of `NOTIFY_SOCKET`.
    pub address: String,
    socket: Arc<OwnedFd>,
}

/// Who listens to one run.
#[derive(Debug)]
pub struct Ear {
    order: Rc<Order>,
    task: AbortHandle,
}

/// How often a run must be heard of from now on, until whoever listens has taken note.
#[derive(Debug, Default)]
struct Order {
    interval: Cell<Option<Option<Duration>>>,
    bell: tokio::sync::Notify,
}

/// How often a name that somebody else has taken is tried under another.
const NAMES: u32 = 8;
/// So many datagrams are heard before others have their turn.
const AT_ONCE: usize = 16;

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

    /// Begins to listen: what the run says becomes messages.
    ///
    /// # Errors
    /// The event loop takes no more descriptors.
    pub fn listen(self, speaker: Speaker, mailbox: Mailbox) -> io::Result<Ear> {
        let socket = descriptor::readable_too(self.socket)?;
        let order = Rc::new(Order::default());
        let listening = Listening {
            socket,
            speaker,
            mailbox,
            interval: None,
            due: None,
        };
        let task = tokio::task::spawn_local(listening.go_on(order.clone())).abort_handle();
        Ok(Ear { order, task })
    }
}

impl Ear {
    /// From now on it must be heard of this often; without an interval, never.
    pub fn watch(&self, interval: Option<Duration>) {
        self.order.interval.set(Some(interval));
        self.order.bell.notify_one();
    }
}

impl Drop for Ear {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Listening {
    socket: AsyncFd<Arc<OwnedFd>>,
    speaker: Speaker,
    mailbox: Mailbox,
    /// How often it must be heard of, while that is watched.
    interval: Option<Duration>,
    due: Option<Instant>,
}

impl Listening {
    async fn go_on(mut self, order: Rc<Order>) {
        loop {
            let due = self.due;
            let missed = async move {
                match due {
                    Some(due) => sleep_until(due).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                ready = self.socket.readable() => {
                    let Ok(mut ready) = ready else { return };
                    ready.retain_ready();
                    drop(ready);
                    self.hear().await;
                }
                () = order.bell.notified() => {
                    if let Some(interval) = order.interval.take() {
                        self.rewind(interval);
                    }
                }
                () = missed => self.missed(),
            }
        }
    }

    /// Hears all that was said by now.
    async fn hear(&mut self) {
        loop {
            for _ in 0..AT_ONCE {
                match receive(self.socket.get_ref()) {
                    Ok(said) => self.take(&said),
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(_) => return self.silent().await,
                }
            }
            tokio::task::yield_now().await;
        }
    }

    /// Nothing more is there: the next look waits for the kernel.
    async fn silent(&self) {
        if let Ok(mut ready) = self.socket.readable().await {
            ready.clear_ready();
        }
    }

    fn take(&mut self, said: &Said) {
        if !self.speaker.says(said.pid, said.uid) {
            tracing::warn!(
                run = %self.speaker.run, pid = said.pid, uid = said.uid,
                "a notification is ignored: its sender is gone already, or not of this run"
            );
            return;
        }
        for notice in notice::parse(&said.text) {
            match notice {
                Notice::Alive => self.rewind(self.interval),
                // It may change how often, not whether.
                Notice::Interval(interval) if self.interval.is_some() => self.rewind(Some(interval)),
                Notice::Interval(_) => {}
                Notice::Ready
                | Notice::Reloading
                | Notice::Stopping
                | Notice::Status(_)
                | Notice::Trigger
                | Notice::Extend(_)
                | Notice::MainPid(_)
                | Notice::Errno(_) => self.tell(notice),
            }
        }
    }

    fn rewind(&mut self, interval: Option<Duration>) {
        self.interval = interval;
        self.due = interval.map(|interval| Instant::now() + interval);
    }

    /// Its time is up; but what it said while we were held up counts.
    fn missed(&mut self) {
        self.due = None;
        while let Ok(said) = receive(self.socket.get_ref()) {
            self.take(&said);
        }
        if self.due.is_none()
            && let Some(interval) = self.interval.take()
        {
            let run = self.speaker.run.clone();
            self.mailbox.post(Message::WatchdogMissed { run, interval });
        }
    }

    fn tell(&self, notice: Notice) {
        self.mailbox.post(Message::Notified {
            run: self.speaker.run.clone(),
            notice,
        });
    }
}

/// One datagram, and who the kernel says sent it.
struct Said {
    text: Vec<u8>,
    pid: i32,
    uid: u32,
}

fn receive(socket: &OwnedFd) -> io::Result<Said> {
    let mut buffer = [0; 8192];
    let mut parts = [IoSliceMut::new(&mut buffer)];
    // No room for descriptors: the kernel closes those that come along.
    let mut control = nix::cmsg_space!(nix::libc::ucred);
    let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_CMSG_CLOEXEC;
    let message = recvmsg::<UnixAddr>(socket.as_raw_fd(), &mut parts, Some(&mut control), flags)?;
    let sender = message.cmsgs()?.find_map(|control| match control {
        ControlMessageOwned::ScmCredentials(credentials) => Some((credentials.pid(), credentials.uid())),
        _ => None,
    });
    let length = message.bytes;
    let (pid, uid) = sender.unwrap_or((0, u32::MAX));
    Ok(Said {
        text: buffer[..length].to_vec(),
        pid,
        uid,
    })
}
