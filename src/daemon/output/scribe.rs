//! The thread that writes all logs, so that a slow disk never holds up the supervisor.
//!
//! ```text
//! pipes of services ──┐                       ┌─ Channel ─ Sink (x.log)
//! bell (commands) ────┼─ epoll ── Scribe ─────┼─ Channel ─ Sink (y.log)
//! inotify (log_dir) ──┘   one at a time       └─ Retention ── gzip (a thread, one file at a time)
//! ```
//! It sleeps until a pipe has something, a command comes, a file is moved, or a deadline (a log's age, a
//! throttled stream) is there. A pipe that fills up meanwhile holds its writer: nothing is lost.

mod setup;

use std::collections::BTreeMap;
use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use nix::sys::inotify::{InitFlags, Inotify};
use rustix::event::Timespec;
use rustix::event::epoll::{self, EventData, EventFlags};
use tokio::sync::mpsc::UnboundedSender;

use super::buffers::Buffers;
use super::channel::{Channel, Moved};
use super::retention::Retention;
use super::tally::Shared;
use super::{compress, wake};
use crate::service::{LogSpec, ServiceName};

/// How many batches of one stream are moved before the others get their turn.
const TURNS: usize = 8;
const BELL: u64 = 0;
const WATCH: u64 = 1;
/// Tokens of channels begin here.
const FIRST: u64 = 2;

/// What the loop asks of the thread.
pub(super) enum Command {
    /// Write what this service says.
    Open(Opening),
    /// From now on under these rules.
    Change {
        service: ServiceName,
        spec: Arc<LogSpec>,
        folder: PathBuf,
    },
    /// A run begins, or one that began under another supervisor goes on.
    Begin {
        service: ServiceName,
        run: u64,
        fresh: bool,
        lines: Option<UnboundedSender<Vec<u8>>>,
    },
    /// A run is over: write what is left, then call.
    Finish {
        service: ServiceName,
        done: Box<dyn FnOnce() + Send>,
    },
    /// The service is gone for good.
    Close(ServiceName),
    /// What holds for all.
    Limit {
        folder: PathBuf,
        max_total: u64,
        own: Arc<LogSpec>,
    },
    /// Open every log by its name again.
    Reopen,
    /// A file was compressed, or could not be.
    Compressed(bool),
    /// That was all.
    Leave,
}

/// One service to write for.
pub(super) struct Opening {
    pub(super) service: ServiceName,
    pub(super) spec: Arc<LogSpec>,
    pub(super) folder: PathBuf,
    pub(super) pipes: [Arc<OwnedFd>; 2],
    pub(super) shared: Arc<Shared>,
    pub(super) errors: PathBuf,
}

/// The thread's own.
pub(super) struct Scribe {
    epoll: OwnedFd,
    bell: Arc<OwnedFd>,
    commands: Receiver<Command>,
    sender: Sender<Command>,
    watch: Option<Inotify>,
    /// The folders that it watches.
    watched: Vec<PathBuf>,
    channels: BTreeMap<u64, Box<Channel>>,
    services: BTreeMap<ServiceName, [u64; 2]>,
    next: u64,
    buffers: Buffers,
    retention: Retention,
    own: Arc<LogSpec>,
    compressing: bool,
    /// Logs came or went: the shares of the others, and what may stay, are another.
    crowd_changed: bool,
    /// The next deadline, as far as it is known.
    deadline: Option<Option<Instant>>,
    leaving: bool,
}

/// Both ends of the way to the thread.
pub(super) struct Way {
    pub(super) bell: Arc<OwnedFd>,
    pub(super) sender: Sender<Command>,
    pub(super) commands: Receiver<Command>,
}

impl Scribe {
    pub(super) fn new(
        way: Way,
        spool: &std::path::Path,
        folder: PathBuf,
        max_total: u64,
    ) -> io::Result<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        epoll::add(&epoll, &*way.bell, EventData::new_u64(BELL), EventFlags::IN)?;
        let watch = Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK).ok();
        if let Some(watch) = &watch {
            epoll::add(&epoll, watch, EventData::new_u64(WATCH), EventFlags::IN)?;
        }
        compress::remove_parts(&folder);
        let mut buffers = Buffers::open(spool)?;
        buffers.recover();
        Ok(Self {
            epoll,
            bell: way.bell,
            commands: way.commands,
            sender: way.sender,
            watch,
            watched: Vec::new(),
            channels: BTreeMap::new(),
            services: BTreeMap::new(),
            next: FIRST,
            buffers,
            retention: Retention::new(folder, max_total),
            own: Arc::default(),
            compressing: false,
            crowd_changed: false,
            deadline: None,
            leaving: false,
        })
    }

    /// Writes until it is told to leave.
    pub(super) fn run(mut self) {
        let mut events = Vec::with_capacity(64);
        while !self.leaving {
            if let Err(error) = self.wait(&mut events) {
                tracing::error!(%error, "cannot wait for output");
                return;
            }
            for event in events.drain(..) {
                match event.data.u64() {
                    BELL => {
                        wake::silence(&self.bell);
                        self.look_at_own();
                    }
                    WATCH => self.see_moves(),
                    token => self.serve(token),
                }
            }
            self.hear();
            self.keep_time();
        }
    }

    fn wait(&mut self, events: &mut Vec<epoll::Event>) -> io::Result<()> {
        if self.buffers.are_large() {
            let now = Timespec {
                tv_sec: 0,
                tv_nsec: 0,
            };
            self.epoll_wait(events, Some(&now))?;
            if !events.is_empty() {
                return Ok(());
            }
            self.buffers.rest();
        }
        let deadline = match self.deadline {
            Some(known) => known,
            None => *self.deadline.insert(self.next_deadline()),
        };
        let patience = deadline.map(|at| {
            let left = at.saturating_duration_since(Instant::now());
            Timespec {
                tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
                tv_nsec: left.subsec_nanos().into(),
            }
        });
        self.epoll_wait(events, patience.as_ref())
    }

    fn epoll_wait(&self, events: &mut Vec<epoll::Event>, patience: Option<&Timespec>) -> io::Result<()> {
        match epoll::wait(&self.epoll, rustix::buffer::spare_capacity(events), patience) {
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Moves what a stream has.
    fn serve(&mut self, token: u64) {
        for _ in 0..TURNS {
            // A run that begins is told before its first byte is in the pipe.
            self.hear();
            let Some(channel) = self.channels.get_mut(&token) else {
                return;
            };
            let moved = channel.batch(&mut self.buffers, false);
            self.after_batch(token);
            match moved {
                Ok(Moved::Some) => {}
                Ok(Moved::Nothing) => return self.level(token),
                Ok(Moved::Hold(until)) => return self.pause(token, until, EventFlags::IN | EventFlags::ET),
                Ok(Moved::Wait(until)) => return self.pause(token, until, EventFlags::empty()),
                Err(error) => {
                    tracing::error!(%error, "cannot read a service's output");
                    return self.forget(token);
                }
            }
        }
        self.level(token);
    }

    /// Whatever is in the pipe wakes us again.
    fn level(&mut self, token: u64) {
        if let Some(channel) = self.channels.get_mut(&token)
            && std::mem::take(&mut channel.on_edge)
        {
            channel.paused = None;
            self.deadline = None;
            self.interest(token, EventFlags::IN);
        }
    }

    /// What was written may have filled a file, or the folder.
    fn after_batch(&mut self, token: u64) {
        let Some(channel) = self.channels.get(&token) else {
            return;
        };
        let (grown, turned, dated) = {
            let mut sink = channel.sink.borrow_mut();
            let (turned, dated) = (std::mem::take(&mut sink.turned), std::mem::take(&mut sink.dated));
            (std::mem::take(&mut sink.grown), turned, dated)
        };
        if grown > 0 {
            channel.shared.count(|tally| tally.written += grown);
        }
        if turned || dated {
            self.deadline = None;
        }
        if turned || grown > 0 && self.retention.wrote(grown) {
            self.tidy();
        }
    }

    /// Keeps the limits, and has the next file compressed.
    fn tidy(&mut self) {
        let chores = self.retention.look();
        if chores.removed > 0 {
            tracing::debug!(files = chores.removed, "removed the oldest logs");
        }
        let Some(file) = chores.compress.filter(|_| !self.compressing && !self.leaving) else {
            return;
        };
        let (sender, bell) = (self.sender.clone(), self.bell.clone());
        let begun = compress::begin(file, move |ok| {
            let _ = sender.send(Command::Compressed(ok));
            wake::ring(&bell);
        });
        self.compressing = begun.is_ok();
    }

    /// Leaves what is in the pipe there for now.
    fn pause(&mut self, token: u64, until: Instant, interest: EventFlags) {
        self.deadline = None;
        if let Some(channel) = self.channels.get_mut(&token) {
            channel.paused = Some(until);
            if !std::mem::replace(&mut channel.on_edge, true) {
                self.interest(token, interest);
            }
        }
    }

    fn interest(&self, token: u64, events: EventFlags) {
        if let Some(channel) = self.channels.get(&token) {
            let _ = epoll::modify(&self.epoll, &*channel.pipe, EventData::new_u64(token), events);
        }
    }

    fn forget(&mut self, token: u64) {
        if let Some(channel) = self.channels.remove(&token) {
            let _ = epoll::delete(&self.epoll, &*channel.pipe);
        }
        self.deadline = None;
    }

    fn next_deadline(&self) -> Option<Instant> {
        let (now, wall) = (Instant::now(), Timestamp::now());
        let due = |channel: &Channel| {
            let due = channel.sink.borrow().due?;
            Some(now + Duration::try_from(due.duration_since(wall)).unwrap_or_default())
        };
        let channels = self.channels.values();
        channels
            .flat_map(|channel| [channel.paused, due(channel)])
            .flatten()
            .min()
    }

    /// What was due is done.
    fn keep_time(&mut self) {
        let now = Instant::now();
        if self.deadline.flatten().is_none_or(|at| at > now) {
            return;
        }
        self.deadline = None;
        let wall = Timestamp::now();
        let tokens: Vec<u64> = self.channels.keys().copied().collect();
        for token in tokens {
            let Some(channel) = self.channels.get_mut(&token) else {
                continue;
            };
            channel.sink.borrow_mut().rotate_if_due(wall);
            let waited = channel.paused.is_some_and(|until| until <= now);
            self.after_batch(token);
            if waited {
                self.serve(token);
            }
        }
    }

    /// Does all that was asked for.
    fn hear(&mut self) {
        while let Ok(command) = self.commands.try_recv() {
            self.deadline = None;
            self.obey(command);
        }
        if std::mem::take(&mut self.crowd_changed) {
            self.share();
            self.tidy();
        }
    }

    fn obey(&mut self, command: Command) {
        match command {
            Command::Open(opening) => self.open(opening),
            Command::Change {
                service,
                spec,
                folder,
            } => self.change(&service, &spec, &folder),
            Command::Begin {
                service,
                run,
                fresh,
                lines,
            } => self.begin(&service, run, fresh, lines.as_ref()),
            Command::Finish { service, done } => {
                self.each(&service, Channel::finish);
                done();
            }
            Command::Close(service) => self.close(&service),
            Command::Limit {
                folder,
                max_total,
                own,
            } => self.limit(folder, max_total, own),
            Command::Reopen => self.reopen(),
            Command::Compressed(ok) => {
                self.compressing = false;
                if ok {
                    self.tidy();
                }
            }
            Command::Leave => self.leaving = true,
        }
    }

    /// Does something with both streams of a service.
    fn each(&mut self, service: &ServiceName, mut work: impl FnMut(&mut Channel, &mut Buffers)) {
        for token in self.services.get(service).copied().unwrap_or_default() {
            if let Some(channel) = self.channels.get_mut(&token) {
                work(channel, &mut self.buffers);
            }
            self.after_batch(token);
        }
    }
}
