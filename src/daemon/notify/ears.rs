//! Hears all runs on their notify sockets, in one task: with hundreds of runs, a task for each costs more than
//! all the rest that is kept of them.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::io::{self, IoSliceMut};
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use nix::sys::socket::{ControlMessageOwned, MsgFlags, UnixAddr, recvmsg};
use rustix::event::Timespec;
use rustix::event::epoll::{self, EventData, EventFlags};
use tokio::io::unix::AsyncFd;
use tokio::sync::Notify as Bell;
use tokio::time::{Instant, sleep_until};

use super::notice::{self, Notice};
use super::{Notify, Speaker};
use crate::daemon::mailbox::{Mailbox, Message};
use crate::descriptor;

/// So many datagrams of a run are heard before others have their turn.
const AT_ONCE: usize = 16;

/// Where all are heard; begins with the first who is listened to.
#[derive(Debug, Default)]
pub struct Ears {
    hall: Option<Rc<Hall>>,
}

/// Who listens to one run, until it is dropped.
#[derive(Debug)]
pub struct Ear {
    hall: Rc<Hall>,
    token: u64,
}

#[derive(Debug)]
struct Hall {
    /// The state folder that marks our processes.
    house: PathBuf,
    mailbox: Mailbox,
    /// Readable when somebody has said something.
    epoll: AsyncFd<OwnedFd>,
    runs: RefCell<BTreeMap<u64, Box<Listening>>>,
    next: Cell<u64>,
    /// Somebody is to be heard of by another time than the task knows.
    bell: Bell,
}

#[derive(Debug)]
struct Listening {
    socket: Arc<OwnedFd>,
    speaker: Speaker,
    /// How often it must be heard of, while that is watched.
    interval: Option<Duration>,
    due: Option<Instant>,
}

impl Ears {
    /// Begins to listen: what the run says becomes messages.
    ///
    /// # Errors
    /// The event loop takes no more descriptors.
    pub fn listen(
        &mut self,
        notify: &Notify,
        speaker: Speaker,
        (house, mailbox): (&Path, &Mailbox),
    ) -> io::Result<Ear> {
        let hall = match &self.hall {
            Some(hall) => hall.clone(),
            None => Hall::open(house, mailbox)?,
        };
        self.hall = Some(hall.clone());
        let token = hall.admit(notify.copy(), speaker)?;
        Ok(Ear { hall, token })
    }
}

impl Ear {
    /// From now on it must be heard of this often; without an interval, never.
    pub fn watch(&self, interval: Option<Duration>) {
        if let Some(listening) = self.hall.runs.borrow_mut().get_mut(&self.token)
            && listening.interval != interval
        {
            listening.rewind(interval);
            self.hall.bell.notify_one();
        }
    }
}

impl Drop for Ear {
    fn drop(&mut self) {
        if let Some(listening) = self.hall.runs.borrow_mut().remove(&self.token) {
            // Others may hold it open.
            let _ = epoll::delete(self.hall.epoll.get_ref(), &*listening.socket);
        }
    }
}

impl Hall {
    fn open(house: &Path, mailbox: &Mailbox) -> io::Result<Rc<Self>> {
        let epoll = descriptor::readable(epoll::create(epoll::CreateFlags::CLOEXEC)?)?;
        let hall = Rc::new(Self {
            house: house.to_path_buf(),
            mailbox: mailbox.clone(),
            epoll,
            runs: RefCell::default(),
            next: Cell::new(0),
            bell: Bell::new(),
        });
        tokio::task::spawn_local(hall.clone().go_on());
        Ok(hall)
    }

    fn admit(&self, socket: Arc<OwnedFd>, speaker: Speaker) -> io::Result<u64> {
        let token = self.next.replace(self.next.get() + 1);
        epoll::add(
            self.epoll.get_ref(),
            &*socket,
            EventData::new_u64(token),
            EventFlags::IN,
        )?;
        let listening = Listening {
            socket,
            speaker,
            interval: None,
            due: None,
        };
        self.runs.borrow_mut().insert(token, Box::new(listening));
        Ok(token)
    }

    async fn go_on(self: Rc<Self>) {
        loop {
            let due = self.runs.borrow().values().filter_map(|run| run.due).min();
            let missed = async move {
                match due {
                    Some(due) => sleep_until(due).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                ready = self.epoll.readable() => {
                    let Ok(mut ready) = ready else { return };
                    match self.hear() {
                        // Nothing more is there: the next look waits for the kernel.
                        0 => ready.clear_ready(),
                        _ => ready.retain_ready(),
                    }
                    drop(ready);
                    tokio::task::yield_now().await;
                }
                () = self.bell.notified() => {}
                () = missed => self.missed(),
            }
        }
    }

    /// Hears those who have said something; how much was heard.
    fn hear(&self) -> usize {
        let mut events = Vec::with_capacity(AT_ONCE);
        let now = Timespec::default();
        let spoken = epoll::wait(
            self.epoll.get_ref(),
            rustix::buffer::spare_capacity(&mut events),
            Some(&now),
        );
        if spoken.is_err() {
            return 0;
        }
        let (mut runs, mut heard) = (self.runs.borrow_mut(), 0);
        for event in &events {
            if let Some(listening) = runs.get_mut(&event.data.u64()) {
                for _ in 0..AT_ONCE {
                    match receive(&listening.socket) {
                        Ok(said) => {
                            self.take(listening, &said);
                            heard += 1;
                        }
                        Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                        Err(_) => break,
                    }
                }
            }
        }
        heard
    }

    fn take(&self, listening: &mut Listening, said: &Said) {
        let speaker = &listening.speaker;
        if !speaker.says(&self.house, said.pid, said.uid) {
            tracing::warn!(
                run = %speaker.run, pid = said.pid, uid = said.uid,
                "a notification is ignored: its sender is gone already, or not of this run"
            );
            return;
        }
        for notice in notice::parse(&said.text) {
            match notice {
                Notice::Alive => listening.rewind(listening.interval),
                // It may change how often, not whether.
                Notice::Interval(interval) if listening.interval.is_some() => {
                    listening.rewind(Some(interval));
                }
                Notice::Interval(_) => {}
                Notice::Ready
                | Notice::Reloading
                | Notice::Stopping
                | Notice::Status(_)
                | Notice::Trigger
                | Notice::Extend(_)
                | Notice::MainPid(_)
                | Notice::Errno(_) => self.mailbox.post(Message::Notified {
                    run: listening.speaker.run.clone(),
                    notice,
                }),
            }
        }
    }

    /// The time of some is up; but what they said while we were held up counts.
    fn missed(&self) {
        let now = Instant::now();
        let mut runs = self.runs.borrow_mut();
        let late = |run: &&mut Box<Listening>| run.due.is_some_and(|due| due <= now);
        for listening in runs.values_mut().filter(late) {
            listening.due = None;
            while let Ok(said) = receive(&listening.socket) {
                self.take(listening, &said);
            }
            if listening.due.is_none()
                && let Some(interval) = listening.interval.take()
            {
                let run = listening.speaker.run.clone();
                self.mailbox.post(Message::WatchdogMissed { run, interval });
            }
        }
    }
}

impl Listening {
    fn rewind(&mut self, interval: Option<Duration>) {
        self.interval = interval;
        self.due = interval.map(|interval| Instant::now() + interval);
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
