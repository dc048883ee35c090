//! A service's output: two named pipes, read into one log file, every line whole, with its stream and time.
//!
//! Named pipes that the service opens for reading as well as writing: if this supervisor dies, the
//! service is its own reader, so it is never killed by SIGPIPE, and what it writes waits in the pipe.

use std::cell::RefCell;
use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use nix::fcntl::OFlag;
use nix::sys::stat::Mode;
use tokio::io::unix::AsyncFd;
use tokio::sync::mpsc;

use jiff::Timestamp;

use crate::descriptor;
use crate::logs::assemble::Assembler;
use crate::logs::line::{Stamp, Stream};
use crate::service::ServiceName;

/// What a pipe holds before its writer waits, in bytes: the most that Linux grants without privilege.
const PIPE_SIZE: usize = 1 << 20;
/// How much is read at once, in bytes.
const CHUNK: usize = 64 << 10;
/// How often one stream is read before the others get their turn.
const TURNS: usize = 8;

/// The output of one service, across all its runs.
#[derive(Debug)]
pub struct Output {
    stdout: Channel,
    stderr: Channel,
    log: Rc<RefCell<Log>>,
}

#[derive(Debug)]
struct Channel {
    path: PathBuf,
    pipe: Rc<AsyncFd<OwnedFd>>,
    assembler: Rc<RefCell<Assembler>>,
}

/// The log file, what could not be written to it, and who listens for a line.
#[derive(Debug)]
struct Log {
    path: PathBuf,
    file: Option<File>,
    lost: u64,
    /// The file ends in the middle of a line.
    torn: bool,
    why: Option<String>,
    lines: Option<mpsc::UnboundedSender<Vec<u8>>>,
}

impl Output {
    /// Opens the service's pipes (in `folder`) and its log, and begins to read.
    ///
    /// # Errors
    /// A pipe cannot be made. A log that cannot be opened is no error: the loss is counted.
    pub fn open(service: &ServiceName, folder: &Path, log: PathBuf) -> io::Result<Self> {
        std::fs::create_dir_all(folder)?;
        // Made by us in a folder that is ours alone, and still not trusted to be no link.
        crate::lock::own_folder(folder)?;
        let pipe = |stream| open_pipe(&path_of(service, folder, stream));
        let pipes = [pipe(Stream::Stdout)?, pipe(Stream::Stderr)?];
        Self::resume(service, folder, log, pipes)
    }

    /// Goes on with pipes (standard output, standard error) that are open already.
    ///
    /// # Errors
    /// The event loop takes no more descriptors.
    pub fn resume(
        service: &ServiceName,
        folder: &Path,
        log: PathBuf,
        pipes: [OwnedFd; 2],
    ) -> io::Result<Self> {
        let [stdout, stderr] = pipes;
        let log = Rc::new(RefCell::new(Log {
            path: log,
            file: None,
            lost: 0,
            torn: false,
            why: None,
            lines: None,
        }));
        let channel = |stream, pipe| {
            let channel = Channel::on(path_of(service, folder, stream), pipe, stream)?;
            let reader = Reader {
                pipe: channel.pipe.clone(),
                assembler: channel.assembler.clone(),
                log: log.clone(),
            };
            tokio::task::spawn_local(reader.run());
            Ok::<Channel, io::Error>(channel)
        };
        Ok(Self {
            stdout: channel(Stream::Stdout, stdout)?,
            stderr: channel(Stream::Stderr, stderr)?,
            log,
        })
    }

    /// The two ends that a new process writes to: standard output, standard error.
    ///
    /// # Errors
    /// A pipe cannot be opened.
    pub fn ends(&self) -> io::Result<(OwnedFd, OwnedFd)> {
        Ok((self.stdout.end()?, self.stderr.end()?))
    }

    /// The run is over: writes what is left in the pipes, an unfinished last line included.
    pub fn finish(&self) {
        for channel in [&self.stdout, &self.stderr] {
            let reader = Reader {
                pipe: channel.pipe.clone(),
                assembler: channel.assembler.clone(),
                log: self.log.clone(),
            };
            while reader.read_once().is_ok_and(|read| read > 0) {}
            let mut rest = Vec::new();
            channel
                .assembler
                .borrow_mut()
                .finish(&Stamp::new(Timestamp::now()), &mut rest);
            self.log.borrow_mut().write(&rest);
        }
        self.log.borrow_mut().lines = None;
    }

    /// Writes what there is of unfinished lines, which go on in the next records.
    pub fn flush(&self) {
        for channel in [&self.stdout, &self.stderr] {
            let mut rest = Vec::new();
            let stamp = Stamp::new(Timestamp::now());
            channel.assembler.borrow_mut().flush(&stamp, &mut rest);
            self.log.borrow_mut().write(&rest);
        }
    }

    /// The pipes, for the image that comes after this one: standard output, standard error.
    #[must_use]
    pub fn pipes(&self) -> [BorrowedFd<'_>; 2] {
        [&self.stdout, &self.stderr].map(|channel| channel.pipe.get_ref().as_fd())
    }

    /// Every record of output from now on until the run is over, for a `ready = { log = … }`.
    #[must_use]
    pub fn listen(&self) -> mpsc::UnboundedReceiver<Vec<u8>> {
        let (sender, receiver) = mpsc::unbounded_channel();
        self.log.borrow_mut().lines = Some(sender);
        receiver
    }

    /// What could not be written to the log, as a sentence.
    #[must_use]
    pub fn loss(&self) -> Option<String> {
        let log = self.log.borrow();
        let why = log.why.as_ref()?;
        Some(format!(
            "{} bytes of its output lost, {}: {why}",
            log.lost,
            log.path.display()
        ))
    }
}

impl Channel {
    fn on(path: PathBuf, pipe: OwnedFd, stream: Stream) -> io::Result<Self> {
        Ok(Self {
            path,
            pipe: Rc::new(descriptor::readable(pipe)?),
            assembler: Rc::new(RefCell::new(Assembler::new(stream))),
        })
    }

    fn end(&self) -> io::Result<OwnedFd> {
        let mut options = File::options();
        options
            .read(true)
            .write(true)
            .custom_flags(OFlag::O_NOFOLLOW.bits());
        Ok(options.open(&self.path)?.into())
    }
}

fn path_of(service: &ServiceName, folder: &Path, stream: Stream) -> PathBuf {
    folder.join(format!("{service}.{stream}"))
}

fn open_pipe(path: &Path) -> io::Result<OwnedFd> {
    make_pipe(path)?;
    // Read and write: with an end of our own open there is no end of file between runs.
    let file = File::options()
        .read(true)
        .write(true)
        .custom_flags((OFlag::O_NONBLOCK | OFlag::O_NOFOLLOW).bits())
        .open(path)?;
    // A smaller pipe only makes writers wait sooner.
    let _ = rustix::pipe::fcntl_setpipe_size(&file, PIPE_SIZE);
    Ok(file.into())
}

fn make_pipe(path: &Path) -> io::Result<()> {
    match path.symlink_metadata() {
        Ok(found) if found.file_type().is_fifo() => return Ok(()),
        Ok(_) => std::fs::remove_file(path)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    Ok(nix::unistd::mkfifo(path, Mode::from_bits_truncate(0o600))?)
}

/// Moves what a pipe holds into the log.
struct Reader {
    pipe: Rc<AsyncFd<OwnedFd>>,
    assembler: Rc<RefCell<Assembler>>,
    log: Rc<RefCell<Log>>,
}

impl Reader {
    async fn run(self) {
        loop {
            let Ok(mut ready) = self.pipe.readable().await else {
                return;
            };
            for _ in 0..TURNS {
                match self.read_once() {
                    Ok(_) => {}
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                        ready.clear_ready();
                        break;
                    }
                    Err(error) => {
                        tracing::error!(%error, "cannot read a service's output");
                        return;
                    }
                }
            }
            drop(ready);
            tokio::task::yield_now().await;
        }
    }

    fn read_once(&self) -> io::Result<usize> {
        thread_local! {
            static BUFFERS: RefCell<(Vec<u8>, Vec<u8>)> = const { RefCell::new((Vec::new(), Vec::new())) };
        }
        BUFFERS.with_borrow_mut(|(input, records)| {
            input.resize(CHUNK, 0);
            let read = rustix::io::read(self.pipe.get_ref(), &mut *input)?;
            records.clear();
            self.assembler
                .borrow_mut()
                .push(&Stamp::new(Timestamp::now()), &input[..read], records);
            self.log.borrow_mut().write(records);
            Ok(read)
        })
    }
}

impl Log {
    /// Appends whole records. What cannot be written is counted and dropped: a full disk must not stop
    /// the service. It ends by itself when there is room.
    fn write(&mut self, records: &[u8]) {
        if records.is_empty() {
            return;
        }
        if let Some(lines) = &self.lines {
            let _ = lines.send(records.to_vec());
        }
        match self.append(records) {
            Ok(()) => self.recovered(),
            Err((written, error)) => self.losing(records.len() - written, &error),
        }
    }

    /// Appends; on failure tells how much was written, which may end in the middle of a line.
    fn append(&mut self, records: &[u8]) -> Result<(), (usize, io::Error)> {
        self.file().map_err(|error| (0, error))?;
        if self.torn {
            self.file()
                .and_then(|mut file| file.write_all(b"\n"))
                .map_err(|error| (0, error))?;
            self.torn = false;
        }
        let mut file = self.file().map_err(|error| (0, error))?;
        let mut written = 0;
        while written < records.len() {
            match file.write(&records[written..]) {
                Ok(0) => return Err((written, io::ErrorKind::WriteZero.into())),
                Ok(count) => written += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    self.torn = written > 0;
                    return Err((written, error));
                }
            }
        }
        Ok(())
    }

    fn losing(&mut self, bytes: usize, error: &io::Error) {
        if self.why.is_none() {
            tracing::error!(log = %self.path.display(), %error, "output is being lost");
        }
        self.lost += bytes as u64;
        self.why = Some(error.to_string());
    }

    fn recovered(&mut self) {
        if self.why.take().is_some() {
            tracing::warn!(log = %self.path.display(), bytes = self.lost, "output was lost, and is kept again");
            self.lost = 0;
        }
    }

    fn file(&mut self) -> io::Result<&File> {
        if self.file.is_none() {
            if let Some(folder) = self.path.parent() {
                std::fs::create_dir_all(folder)?;
            }
            self.torn = !ends_whole(&self.path);
            self.file = Some(
                File::options()
                    .create(true)
                    .append(true)
                    .mode(0o640)
                    .open(&self.path)?,
            );
        }
        self.file.as_ref().ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

/// Whether a log ends with a whole line, as all do but those of a supervisor that died while it wrote.
fn ends_whole(path: &Path) -> bool {
    let last = File::open(path).and_then(|mut file| {
        file.seek(io::SeekFrom::End(-1))?;
        let mut last = [0];
        file.read_exact(&mut last)?;
        Ok(last[0])
    });
    // A log that is not there, or empty, needs no newline.
    last.map_or(true, |last| last == b'\n')
}
