//! The services' output: from two named pipes each into logs that end, every line whole, with its stream and time.
//!
//! ```text
//! service ── stdout ─ pipe ─┐                                          ┌─ x.log ─ rotated ─ .gz ─ gone
//!            stderr ─ pipe ─┴─ Scribe (a thread) ─ spool ─ framing ────┤
//! driver ── commands, bell ──┘       └── Shared: counts, losses ──> status
//! ```
//! - The loop never touches a log: [`Outputs`] only sends commands and reads counts.
//! - What a service wrote is in its pipe, in the spool or in its log, never only in our memory: a supervisor that
//!   is killed loses none of it, and its successor writes nothing twice.
//! - A pipe that is full holds its service. Only a disk that is full loses output, and that is counted.

mod age;
mod buffers;
mod channel;
mod compress;
mod ends;
mod held;
pub(super) mod own;
mod pipe;
mod retention;
mod scribe;
mod sink;
mod spool;
pub(super) mod tally;
mod throttle;
mod wake;

use std::cell::Cell;
use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::thread::JoinHandle;

use tokio::sync::{mpsc, oneshot};

use crate::config::Config;
use crate::logs::Stream;
use crate::process::Hush;
use crate::service::{LogSpec, Run, ServiceName};
use pipe::Pipe;
use scribe::{Command, Opening, Scribe, Way};
use tally::{Shared, Tally};

/// The output of all services, across all their runs.
#[derive(Debug)]
pub(super) struct Outputs {
    /// Where the pipes are.
    folder: PathBuf,
    rules: Rules,
    services: HashMap<ServiceName, Box<Output>>,
    thread: Option<Thread>,
    /// The folder of the pipes was made, and is ours.
    owned: Cell<bool>,
}

/// What holds for all logs.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Rules {
    /// Where the logs are.
    pub(super) folder: PathBuf,
    /// What they may take together, in bytes.
    pub(super) max_total: u64,
    /// How sentinel.log is kept.
    pub(super) own: Arc<LogSpec>,
}

#[derive(Debug)]
struct Output {
    stdout: Pipe,
    stderr: Pipe,
    spec: Arc<LogSpec>,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Thread {
    commands: Sender<Command>,
    bell: Arc<OwnedFd>,
    /// Commands were sent for which the bell did not ring yet.
    told: Cell<bool>,
    handle: Option<JoinHandle<()>>,
}

impl Outputs {
    /// Nothing yet; the thread begins with the first service.
    pub(super) fn new(folder: PathBuf, rules: Rules) -> Self {
        Self {
            folder,
            rules,
            services: HashMap::new(),
            thread: None,
            owned: Cell::new(false),
        }
    }

    /// Opens a service's pipes and begins to write what comes; does nothing if that is so already.
    ///
    /// # Errors
    /// A pipe or the thread cannot be made. A log that cannot be opened is no error: the loss is counted.
    pub(super) fn open(&mut self, service: &ServiceName, spec: &Arc<LogSpec>) -> io::Result<()> {
        if self.services.contains_key(service) {
            return Ok(());
        }
        self.own_folder()?;
        let size = Pipe::size(2 * self.services.len());
        let open = |stream| Pipe::open(&self.pipe(service, stream), size);
        let pipes = [open(Stream::Stdout)?, open(Stream::Stderr)?];
        self.write(service, spec, pipes)
    }

    /// Goes on with pipes (standard output, standard error) that are open already.
    ///
    /// # Errors
    /// The thread cannot be made.
    pub(super) fn resume(
        &mut self,
        service: &ServiceName,
        spec: &Arc<LogSpec>,
        pipes: [OwnedFd; 2],
    ) -> io::Result<()> {
        self.own_folder()?;
        self.write(service, spec, pipes.map(Pipe::on))
    }

    /// Whether a service's pipes are open.
    pub(super) fn has(&self, service: &ServiceName) -> bool {
        self.services.contains_key(service)
    }

    /// Made by us in a folder that is ours alone, and still not trusted to be no link.
    fn own_folder(&self) -> io::Result<()> {
        if !self.owned.get() {
            std::fs::create_dir_all(&self.folder)?;
            crate::lock::own_folder(&self.folder)?;
            self.owned.set(true);
        }
        Ok(())
    }

    fn pipe(&self, service: &ServiceName, stream: Stream) -> PathBuf {
        self.folder.join(format!("{service}.{stream}"))
    }

    fn write(&mut self, service: &ServiceName, spec: &Arc<LogSpec>, pipes: [Pipe; 2]) -> io::Result<()> {
        let [stdout, stderr] = pipes;
        let output = Output {
            stdout,
            stderr,
            spec: spec.clone(),
            shared: Arc::default(),
        };
        let opening = Opening {
            service: service.clone(),
            spec: spec.clone(),
            folder: self.rules.folder.clone(),
            pipes: [output.stdout.reader.clone(), output.stderr.reader.clone()],
            shared: output.shared.clone(),
            errors: self.folder.join(format!("{service}.errors")),
        };
        self.thread()?.tell(Command::Open(opening));
        self.services.insert(service.clone(), Box::new(output));
        Ok(())
    }

    /// All pipes, for the image that comes after this one: standard output, standard error.
    pub(super) fn pipes(&self) -> impl Iterator<Item = (&ServiceName, [BorrowedFd<'_>; 2])> {
        self.services.iter().map(|(service, output)| {
            (
                service,
                [output.stdout.reader.as_fd(), output.stderr.reader.as_fd()],
            )
        })
    }

    fn thread(&mut self) -> io::Result<&Thread> {
        if self.thread.is_none() {
            let thread = Thread::begin(&self.folder, &self.rules)?;
            thread.tell(self.rules.command());
            self.thread = Some(thread);
        }
        self.thread.as_ref().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn tell(&self, command: Command) {
        if let Some(thread) = &self.thread {
            thread.tell(command);
        }
    }

    /// Has the thread do what it was told in this turn of the loop, all at once. Until then it reads what it knows of;
    /// before it reads anything, it hears what it was told.
    pub(super) fn go(&self) {
        self.thread.iter().for_each(Thread::ring);
    }

    /// The two ends that a new process writes to: standard output, standard error.
    ///
    /// # Errors
    /// A pipe cannot be opened.
    pub(super) fn ends(&self, service: &ServiceName) -> io::Result<(OwnedFd, OwnedFd)> {
        let output = self.services.get(service).ok_or(io::ErrorKind::NotFound)?;
        Ok((output.stdout.end()?, output.stderr.end()?))
    }

    /// A run is about to begin: its errors are counted from here. With `listen`, every line of it is shown, too,
    /// for a `ready = { log = … }`.
    pub(super) fn begin(&self, run: &Run, listen: bool) -> Option<mpsc::UnboundedReceiver<Vec<u8>>> {
        self.run_goes_on(run, true, listen)
    }

    /// The same for a run that began under another supervisor: its count goes on.
    pub(super) fn go_on(&self, run: &Run, listen: bool) -> Option<mpsc::UnboundedReceiver<Vec<u8>>> {
        self.run_goes_on(run, false, listen)
    }

    fn run_goes_on(&self, run: &Run, fresh: bool, listen: bool) -> Option<mpsc::UnboundedReceiver<Vec<u8>>> {
        let (lines, receiver) = mpsc::unbounded_channel();
        self.tell(Command::Begin {
            service: run.service.clone(),
            run: run.number,
            fresh,
            lines: listen.then_some(lines),
        });
        listen.then_some(receiver)
    }

    /// A run is over: writes what is left in the pipes, an unfinished last line included. `None`: there is nothing
    /// to wait for.
    pub(super) fn finish(&self, service: &ServiceName) -> Option<oneshot::Receiver<()>> {
        let output = self.services.get(service)?;
        let settled = |stream, pipe: &Pipe| pipe.is_empty() && !output.shared.is_unsettled(stream);
        if settled(Stream::Stdout, &output.stdout) && settled(Stream::Stderr, &output.stderr) {
            return None;
        }
        let (done, finished) = oneshot::channel();
        self.tell(Command::Finish {
            service: service.clone(),
            done: Box::new(move || {
                let _ = done.send(());
            }),
        });
        Some(finished)
    }

    /// The service is declared no more.
    pub(super) fn close(&mut self, service: &ServiceName) {
        if self.services.remove(service).is_some() {
            self.tell(Command::Close(service.clone()));
        }
    }

    /// services.toml was read again: its rules hold from now on, for runs that go on, too.
    pub(super) fn revise<'s>(
        &mut self,
        rules: Rules,
        specs: impl Iterator<Item = (&'s ServiceName, &'s Arc<LogSpec>)>,
    ) {
        let moved = self.rules.folder != rules.folder;
        if moved && self.thread.is_none() {
            own::moves_to(&rules.folder);
        }
        if self.rules != rules {
            self.rules = rules;
            self.tell(self.rules.command());
        }
        for (service, spec) in specs {
            let Some(output) = self.services.get_mut(service) else {
                continue;
            };
            if moved || output.spec != *spec {
                output.spec = spec.clone();
                self.tell(Command::Change {
                    service: service.clone(),
                    spec: spec.clone(),
                    folder: self.rules.folder.clone(),
                });
            }
        }
    }

    /// Opens every log by its name again: somebody has moved them.
    pub(super) fn reopen(&self) {
        self.tell(Command::Reopen);
    }

    /// What became of a service's output.
    pub(super) fn tally(&self, service: &ServiceName) -> Option<Tally> {
        Some(self.services.get(service)?.shared.tally())
    }
}

impl Rules {
    pub(super) fn of(config: &Config) -> Self {
        Self {
            folder: config.log_dir.clone(),
            max_total: config.log_max_total,
            own: config.logs.clone(),
        }
    }

    fn command(&self) -> Command {
        Command::Limit {
            folder: self.folder.clone(),
            max_total: self.max_total,
            own: self.own.clone(),
        }
    }
}

impl Thread {
    fn begin(folder: &std::path::Path, rules: &Rules) -> io::Result<Self> {
        let (sender, commands) = std::sync::mpsc::channel();
        let bell = Arc::new(wake::bell()?);
        own::tell(bell.try_clone()?);
        let way = Way {
            bell: bell.clone(),
            sender: sender.clone(),
            commands,
        };
        let (spool, logs, max_total) = (folder.join("spool"), rules.folder.clone(), rules.max_total);
        let (begun, has_begun) = std::sync::mpsc::channel();
        let handle = std::thread::Builder::new()
            .name("output".into())
            // Address space, not memory: what is not used costs nothing. Time zones need more than one would think.
            .stack_size(1 << 20)
            .spawn(move || {
                // The loop hears of ended children.
                let _hush = Hush::begin();
                match Scribe::new(way, &spool, logs, max_total) {
                    Ok(scribe) => {
                        let _ = begun.send(Ok(()));
                        scribe.run();
                    }
                    Err(error) => drop(begun.send(Err(error))),
                }
            })?;
        has_begun.recv().map_err(io::Error::other)??;
        Ok(Self {
            commands: sender,
            bell,
            told: Cell::new(false),
            handle: Some(handle),
        })
    }

    fn tell(&self, command: Command) {
        if self.commands.send(command).is_ok() {
            self.told.set(true);
        }
    }

    fn ring(&self) {
        if self.told.take() {
            wake::ring(&self.bell);
        }
    }
}

impl Drop for Thread {
    fn drop(&mut self) {
        self.tell(Command::Leave);
        self.ring();
        if let Some(handle) = self.handle.take() {
            let _ = handle.join();
        }
    }
}

impl Tally {
    /// What is being lost now, as a sentence.
    #[must_use]
    pub(super) fn loss(&self) -> Option<String> {
        let why = self.losing.as_ref()?;
        Some(format!(
            "{} bytes ({} lines) of its output lost: {why}",
            self.lost_bytes, self.lost_lines
        ))
    }
}
