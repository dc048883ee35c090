//! The memory that all streams share on the way from pipe to log, given back while nothing comes.

use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;

use rustix::pipe::SpliceFlags;

use super::sink::Sink;
use super::spool::{Spool, Way};
use crate::service::LogSpec;

/// How much is moved at once, in bytes: it should stay in the processor's cache until it is written.
const BATCH: usize = 128 << 10;
/// What may stay allocated while nothing comes, in bytes.
const KEPT: usize = 16 << 10;

/// One of each, for all.
#[derive(Debug)]
pub(super) struct Buffers {
    pub(super) input: Vec<u8>,
    pub(super) framed: Vec<u8>,
    pub(super) spool: Spool,
    scratch: (OwnedFd, OwnedFd),
    /// The spool cannot be used, and says why once; output is then read the short way.
    broken: bool,
}

/// What a look into a pipe brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Taken {
    /// So many bytes are in `input`.
    Bytes(usize),
    /// The beginning of a line waits in the pipe.
    Unended,
    /// The pipe is empty.
    Nothing,
}

impl Buffers {
    pub(super) fn open(spool: &Path) -> io::Result<Self> {
        let (reader, writer) = io::pipe()?;
        // As many pages as the pipes of services have, or they are looked at in parts.
        let _ = rustix::pipe::fcntl_setpipe_size(&writer, 1 << 20);
        Ok(Self {
            scratch: (reader.into(), writer.into()),
            input: Vec::new(),
            framed: Vec::new(),
            spool: Spool::open(spool)?,
            broken: false,
        })
    }

    /// How much is moved at once.
    pub(super) fn length(&self) -> usize {
        BATCH
    }

    /// Room for so many bytes.
    pub(super) fn input(&mut self, length: usize) -> &mut [u8] {
        if self.input.len() < length {
            self.input.resize(length, 0);
        }
        &mut self.input[..length]
    }

    /// Moves whole lines out of a pipe, at most `most` bytes, and leaves them in `input`. A line that has no end yet
    /// stays in the pipe, where nothing can happen to it, unless it fills a batch or is `forced` out.
    pub(super) fn take(&mut self, pipe: &OwnedFd, way: &Way, most: usize, forced: bool) -> io::Result<Taken> {
        let waiting = usize::try_from(rustix::io::ioctl_fionread(pipe)?).unwrap_or(BATCH);
        let most = most.min(BATCH);
        if waiting == 0 {
            return Ok(Taken::Nothing);
        }
        let seen = self.peek(pipe, waiting.min(most))?;
        let lines = memchr::memrchr(b'\n', &self.input[..seen]).map(|last| last + 1);
        let length = match lines {
            Some(length) => length,
            None if forced || seen >= most => seen,
            None => return Ok(Taken::Unended),
        };
        match self.spool.take(pipe, way, length) {
            Ok(moved) => {
                self.broken = false;
                Ok(Taken::Bytes(moved))
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(Taken::Nothing),
            Err(error) => {
                if !std::mem::replace(&mut self.broken, true) {
                    tracing::warn!(%error, "output passes without its spool: a crash now could lose some");
                }
                Ok(Taken::Bytes(rustix::io::read(pipe, &mut self.input[..length])?))
            }
        }
    }

    /// Looks at what waits in a pipe without taking it: tee(2) lets two pipes hold the same pages.
    fn peek(&mut self, pipe: &OwnedFd, length: usize) -> io::Result<usize> {
        self.input(length);
        let seen = rustix::pipe::tee(pipe, &self.scratch.1, length, SpliceFlags::NONBLOCK)?;
        let mut read = 0;
        while read < seen {
            match rustix::io::read(&self.scratch.0, &mut self.input[read..seen])? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                more => read += more,
            }
        }
        Ok(seen)
    }

    /// Nothing comes for now.
    pub(super) fn rest(&mut self) {
        for buffer in [&mut self.input, &mut self.framed] {
            if buffer.capacity() > KEPT {
                *buffer = Vec::new();
            }
        }
    }

    /// Whether there is something to give back.
    pub(super) fn are_large(&self) -> bool {
        self.input.capacity() > KEPT || self.framed.capacity() > KEPT
    }

    /// Writes what a predecessor had begun and could not end. To be called before anything else is moved.
    pub(super) fn recover(&mut self) {
        if let Some((way, moved)) = self.spool.left() {
            self.complete(way, &moved);
        }
        self.spool.clear();
    }

    fn complete(&mut self, mut way: Way, moved: &[u8]) {
        let mut all = Vec::new();
        let (framing, mut taken) = (way.framing, 0);
        while taken < moved.len() {
            taken += framing.frame(&way.stamp, &moved[taken..], &mut all, usize::MAX);
        }
        let spec = LogSpec {
            format: framing.format,
            max_size: u64::MAX,
            ..LogSpec::default()
        };
        let mut sink = Sink::new(way.log.clone(), &Arc::new(spec), Arc::default());
        let Ok((_, inode, length)) = sink.now() else {
            return;
        };
        let here = match inode == way.inode {
            true => length.saturating_sub(way.length),
            false => 0,
        };
        let written = usize::try_from(way.done + here).unwrap_or(usize::MAX);
        let Some(missing) = all.get(written..).filter(|missing| !missing.is_empty()) else {
            return;
        };
        tracing::warn!(
            log = %way.log.display(),
            bytes = missing.len(),
            "wrote what the supervisor before this one had begun to write"
        );
        // The record that was cut goes on where it was cut.
        sink.goes_on();
        sink.write(missing, framing.stream, &mut way, &mut self.spool);
    }
}
