//! One stream of one service: from its pipe into its log, batch by batch.

use std::cell::RefCell;
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use jiff::Timestamp;
use rustix::pipe::SpliceFlags;
use tokio::sync::mpsc::UnboundedSender;

use super::buffers::{Buffers, Taken};
use super::held::Held;
use super::sink::Sink;
use super::spool::Way;
use super::tally::{Shared, index};
use super::throttle::Throttle;
use crate::logs::Stream;
use crate::logs::alarm::Alarm;
use crate::logs::frame::Framing;
use crate::logs::line::Stamp;
use crate::service::{Format, LogSpec};

/// The longest line that a listener is shown, in bytes.
const HEARD: usize = 64 << 10;
/// The longest way that a spool's header holds; no log has a longer one.
const FRAMED: usize = 512 << 10;

/// One stream.
#[derive(Debug)]
pub(super) struct Channel {
    pub(super) stream: Stream,
    pub(super) pipe: Arc<OwnedFd>,
    pub(super) sink: Rc<RefCell<Sink>>,
    pub(super) shared: Arc<Shared>,
    framing: Framing,
    alarm: Alarm,
    throttle: Option<Throttle>,
    /// Not read before then, unless more comes.
    pub(super) paused: Option<Instant>,
    /// More bytes wake us, but not those that are there.
    pub(super) on_edge: bool,
    held: Held,
    ear: Option<Ear>,
    /// Where the count of errors is kept.
    errors: Rc<Path>,
    errors_file: Option<File>,
}

/// Somebody who waits for a line.
#[derive(Debug)]
struct Ear {
    lines: UnboundedSender<Vec<u8>>,
    begun: Vec<u8>,
}

/// What came of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Moved {
    /// Bytes; there may be more.
    Some,
    /// The pipe is empty.
    Nothing,
    /// The beginning of a line waits for the rest of it, at most until then.
    Hold(Instant),
    /// There is no allowance before then.
    Wait(Instant),
}

/// What is known of a channel when it is made.
pub(super) struct Ends {
    pub(super) stream: Stream,
    pub(super) pipe: Arc<OwnedFd>,
    pub(super) sink: Rc<RefCell<Sink>>,
    pub(super) shared: Arc<Shared>,
    pub(super) errors: Rc<Path>,
}

impl Channel {
    pub(super) fn new(ends: Ends, spec: &LogSpec) -> Self {
        let Ends {
            stream,
            pipe,
            sink,
            shared,
            errors,
        } = ends;
        Self {
            stream,
            pipe,
            sink,
            shared,
            framing: framing(stream, spec),
            alarm: Alarm::of(&spec.errors),
            throttle: throttle(spec),
            paused: None,
            on_edge: false,
            held: Held::default(),
            ear: None,
            errors,
            errors_file: None,
        }
    }

    /// From now on under these rules.
    pub(super) fn change(&mut self, spec: &LogSpec, sink: Rc<RefCell<Sink>>) {
        self.framing = framing(self.stream, spec);
        self.alarm = Alarm::of(&spec.errors);
        self.throttle = throttle(spec);
        self.sink = sink;
    }

    /// Whether a line that is not ended cannot go on under these rules.
    pub(super) fn must_begin_anew(&self, spec: &LogSpec, path: &Path) -> bool {
        self.framing.format != spec.format || self.sink.borrow().path != path
    }

    /// Where its errors are kept.
    pub(super) fn errors_path(&self) -> &Path {
        &self.errors
    }

    /// Shows every line of the run that begins now to somebody.
    pub(super) fn listen(&mut self, lines: Option<&UnboundedSender<Vec<u8>>>) {
        self.ear = lines.map(|lines| Ear {
            lines: lines.clone(),
            begun: Vec::new(),
        });
    }

    /// Moves one batch; with `forced`, a line that has no end yet, too.
    pub(super) fn batch(&mut self, buffers: &mut Buffers, forced: bool) -> io::Result<Moved> {
        let now = Instant::now();
        let most = match self.throttle.as_mut().map(|throttle| throttle.allowance(now)) {
            None => usize::MAX,
            Some(Ok(bytes)) => bytes,
            Some(Err(later)) => return Ok(Moved::Wait(later)),
        };
        self.shared.unsettled(self.stream, true);
        let moved = self.move_batch(buffers, most, forced || self.held.is_over(now));
        let mid = self.sink.borrow().mid[index(self.stream)];
        self.shared.unsettled(self.stream, mid);
        match moved? {
            Taken::Bytes(bytes) => {
                self.held = Held::default();
                if let Some(throttle) = &mut self.throttle {
                    throttle.took(bytes);
                }
                Ok(Moved::Some)
            }
            Taken::Unended => Ok(Moved::Hold(self.held.until(now))),
            Taken::Nothing => Ok(Moved::Nothing),
        }
    }

    fn move_batch(&mut self, buffers: &mut Buffers, most: usize, forced: bool) -> io::Result<Taken> {
        let at = Timestamp::now();
        if self.framing.format == Format::Raw
            && let Some(moved) = self.move_straight(buffers, most, at)
        {
            return moved;
        }
        let mut way = self.way(Stamp::new(at));
        let taken = buffers.take(&self.pipe, &way, most, forced)?;
        let Taken::Bytes(moved) = taken else {
            return Ok(taken);
        };
        let Buffers {
            input, framed, spool, ..
        } = buffers;
        let bytes = &input[..moved];
        let mut sink = self.sink.borrow_mut();
        let mut written = 0;
        while written < moved {
            framed.clear();
            written += self.framing.frame(&way.stamp, &bytes[written..], framed, FRAMED);
            sink.write(framed, self.stream, &mut way, spool);
        }
        drop(sink);
        spool.clear();
        self.look(bytes, at);
        Ok(taken)
    }

    fn way(&self, stamp: Stamp) -> Way {
        let mut sink = self.sink.borrow_mut();
        let (inode, length) = sink.now().map_or((0, 0), |(_, inode, length)| (inode, length));
        Way {
            log: sink.path.clone(),
            inode,
            length,
            done: 0,
            framing: self.framing,
            stamp,
        }
    }

    /// Moves raw bytes from the pipe to the file within the kernel; `None` when they must be looked at
    /// first: the file is full, and its last line has not ended.
    fn move_straight(
        &mut self,
        buffers: &mut Buffers,
        most: usize,
        at: Timestamp,
    ) -> Option<io::Result<Taken>> {
        let mut sink = self.sink.borrow_mut();
        sink.now().ok()?;
        if sink.room() == Some(0) && !sink.mid[index(self.stream)] {
            sink.rotate(|_| ());
        }
        let room = sink
            .room()
            .map_or(usize::MAX, |room| usize::try_from(room).unwrap_or(usize::MAX));
        let (file, _, size) = sink.now().ok()?;
        let most = most.min(room).min(buffers.length());
        if most == 0 {
            return None;
        }
        let mut offset = size;
        let moved = rustix::pipe::splice(
            &*self.pipe,
            None,
            file,
            Some(&mut offset),
            most,
            SpliceFlags::NONBLOCK,
        );
        let moved = match moved {
            Ok(moved) => moved,
            Err(rustix::io::Errno::AGAIN) => return Some(Ok(Taken::Nothing)),
            // A full disk, or a file that cannot be spliced to: read and write tell more.
            Err(_) => return None,
        };
        let seen = if self.alarm.is_on() || self.ear.is_some() {
            moved
        } else {
            1
        };
        let bytes = buffers.input(seen);
        let read = file.read_exact_at(bytes, size + (moved - seen) as u64);
        let ended = bytes.last() == Some(&b'\n');
        sink.moved(moved);
        sink.mid[index(self.stream)] = !ended;
        drop(sink);
        if seen == moved && read.is_ok() {
            let input = std::mem::take(&mut buffers.input);
            self.look(&input[..moved], at);
            buffers.input = input;
        }
        Some(Ok(Taken::Bytes(moved)))
    }

    /// Counts the errors in these bytes, and then shows them to whoever listens: who hears of a line that says
    /// "ready" finds the errors before it counted.
    fn look(&mut self, bytes: &[u8], at: Timestamp) {
        let (mut found, mut last) = (0, Vec::new());
        self.alarm.look(bytes, &mut |line| {
            found += 1;
            last.clear();
            last.extend_from_slice(line);
        });
        self.found(found, &last, at);
        if let Some(ear) = &mut self.ear
            && !ear.hear(bytes)
        {
            self.ear = None;
        }
    }

    fn found(&mut self, errors: u64, last: &[u8], at: Timestamp) {
        if errors > 0 {
            self.shared.count(|tally| tally.errors.add(errors, last, at));
            self.keep_errors();
        }
    }

    fn keep_errors(&mut self) {
        if self.errors_file.is_none() {
            let file = File::options()
                .create(true)
                .truncate(false)
                .write(true)
                .mode(0o600)
                .open(&self.errors);
            self.errors_file = file.ok();
        }
        if let Some(file) = &self.errors_file {
            let errors = self.shared.tally().errors.clone();
            let _ = errors.save(file);
        }
    }

    /// Moves all that is there.
    pub(super) fn drain(&mut self, buffers: &mut Buffers) {
        while self.batch(buffers, true).is_ok_and(|moved| moved == Moved::Some) {}
    }

    /// The run is over: moves what is left in the pipe, and ends a line that was begun.
    pub(super) fn finish(&mut self, buffers: &mut Buffers) {
        let throttle = self.throttle.take();
        self.drain(buffers);
        self.throttle = throttle;
        self.end_line(buffers);
        if let Some(ear) = self.ear.take()
            && !ear.begun.is_empty()
        {
            let _ = ear.lines.send(ear.begun);
        }
    }

    /// Ends a line that will not go on.
    pub(super) fn end_line(&mut self, buffers: &mut Buffers) {
        let at = Timestamp::now();
        let mut last = None;
        self.alarm.end(&mut |line| last = Some(line.to_vec()));
        if let Some(last) = last {
            self.found(1, &last, at);
        }
        if self.sink.borrow().mid[index(self.stream)] {
            let stamp = Stamp::new(at);
            let mut end = Vec::new();
            self.framing.end(&stamp, &mut end);
            let mut way = self.way(stamp);
            self.sink
                .borrow_mut()
                .write(&end, self.stream, &mut way, &mut buffers.spool);
        }
        self.shared.unsettled(self.stream, false);
    }
}

impl Ear {
    /// False: nobody listens any more.
    fn hear(&mut self, bytes: &[u8]) -> bool {
        let mut rest = bytes;
        while let Some(end) = memchr::memchr(b'\n', rest) {
            self.keep(&rest[..end]);
            if self.lines.send(std::mem::take(&mut self.begun)).is_err() {
                return false;
            }
            rest = &rest[end + 1..];
        }
        self.keep(rest);
        !self.lines.is_closed()
    }

    fn keep(&mut self, piece: &[u8]) {
        let room = HEARD.saturating_sub(self.begun.len());
        self.begun.extend_from_slice(&piece[..piece.len().min(room)]);
    }
}

fn framing(stream: Stream, spec: &LogSpec) -> Framing {
    Framing {
        format: spec.format,
        stream,
        max_line: spec.max_line,
    }
}

fn throttle(spec: &LogSpec) -> Option<Throttle> {
    spec.max_rate.map(|rate| Throttle::new(rate, Instant::now()))
}
