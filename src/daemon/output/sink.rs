//! One log file: appended to, rotated at whole lines, followed when somebody else moves or empties it.

use std::fs::{self, File, Metadata};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::age;
use super::ends::{ends_line, first_line_end, last_line_end, lines_in};
use super::spool::{Spool, Way};
use super::tally::{Shared, index};
use crate::logs::Stream;
use crate::logs::rotated::Rotated;
use crate::logs::unended::unended;
use crate::service::{Format, LogSpec};

/// How long to wait after a rotation that failed.
const AGAIN: Duration = Duration::from_secs(1);

/// One log file, or where it should be.
#[derive(Debug)]
pub(super) struct Sink {
    pub(super) path: PathBuf,
    spec: Arc<LogSpec>,
    shared: Arc<Shared>,
    file: Option<File>,
    /// It can be rotated: a regular file under its own name.
    regular: bool,
    size: u64,
    inode: u64,
    /// The file ends in the middle of a record.
    torn: bool,
    /// The last append failed.
    loses: bool,
    /// Each stream's last record does not end a line.
    pub(super) mid: [bool; 2],
    /// The size at which it is rotated.
    pub(super) max_size: u64,
    /// When it is to be rotated for its age.
    pub(super) due: Option<Timestamp>,
    /// That may have changed since somebody last asked.
    pub(super) dated: bool,
    /// The last rotation, so that names never go back with the clock.
    rotated: Timestamp,
    rotate_again: Option<Instant>,
    /// Files were rotated since somebody last asked.
    pub(super) turned: bool,
    /// Bytes written since somebody last asked.
    pub(super) grown: u64,
}

impl Sink {
    pub(super) fn new(path: PathBuf, spec: &Arc<LogSpec>, shared: Arc<Shared>) -> Self {
        let mut sink = Self {
            path,
            max_size: spec.max_size,
            spec: spec.clone(),
            shared,
            file: None,
            regular: false,
            size: 0,
            inode: 0,
            torn: false,
            loses: false,
            mid: [false; 2],
            due: None,
            dated: false,
            rotated: Timestamp::UNIX_EPOCH,
            rotate_again: None,
            turned: false,
            grown: 0,
        };
        // A log that cannot be opened is told when something is to be written.
        if sink.path.exists() {
            let _ = sink.open();
        }
        sink
    }

    /// The file, its inode and its length now, opened or opened again if need be.
    pub(super) fn now(&mut self) -> io::Result<(&File, u64, u64)> {
        let gone = match &self.file {
            None => true,
            Some(file) => {
                let found = file.metadata()?;
                // Somebody may have emptied it, or added to it.
                self.size = if found.is_file() { found.len() } else { 0 };
                found.nlink() == 0
            }
        };
        if gone {
            self.open()?;
        }
        match &self.file {
            Some(file) => Ok((file, self.inode, self.size)),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn open(&mut self) -> io::Result<()> {
        self.file = None;
        if let Some(folder) = self.path.parent() {
            fs::create_dir_all(folder)?;
        }
        self.adopt(create(&self.path, self.spec.format)?)
    }

    /// Writes to this file from now on.
    fn adopt(&mut self, file: File) -> io::Result<()> {
        let found = file.metadata()?;
        self.regular = found.is_file() && self.path.symlink_metadata().is_ok_and(|named| named.is_file());
        self.size = if found.is_file() { found.len() } else { 0 };
        self.inode = found.ino();
        self.torn = found.is_file() && self.spec.format != Format::Raw && !ends_whole(&self.path);
        self.due = age::due(self.spec.max_age, begun_at(&found));
        self.dated = true;
        self.file = Some(file);
        Ok(())
    }

    /// The name leads elsewhere, or nowhere: what is written from now on belongs to the name.
    pub(super) fn look_again(&mut self) {
        let Some(file) = &self.file else { return };
        let same = |named: &Metadata, ours: &Metadata| (named.dev(), named.ino()) == (ours.dev(), ours.ino());
        let (named, ours) = (fs::metadata(&self.path), file.metadata());
        if !matches!((named, ours), (Ok(named), Ok(ours)) if same(&named, &ours)) {
            self.reopen();
        }
    }

    /// Opens the file anew by its name, whatever was there.
    pub(super) fn reopen(&mut self) {
        if let Err(error) = self.open() {
            tracing::warn!(log = %self.path.display(), %error, "cannot open the log again");
        }
    }

    /// Appends records of a stream. What cannot be written is counted and dropped: a full disk must not stop the
    /// service. It ends by itself when there is room. `way` and `spool` are told of rotations.
    pub(super) fn write(&mut self, records: &[u8], stream: Stream, way: &mut Way, spool: &mut Spool) {
        let mut rest = records;
        while !rest.is_empty() {
            let (length, whole) = self.portion(rest, way);
            if length == 0 {
                if !self.rotate_in(way, spool) {
                    self.append(rest, way);
                    self.mid[index(stream)] = !ends_line(way, rest);
                    return;
                }
                continue;
            }
            let portion = &rest[..length];
            self.append(portion, way);
            self.mid[index(stream)] = !ends_line(way, portion);
            rest = &rest[length..];
            if whole && self.is_full() {
                self.rotate_in(way, spool);
            }
        }
    }

    /// How much of these records goes into this file, and whether a line ends there. 0: none.
    fn portion(&self, records: &[u8], way: &Way) -> (usize, bool) {
        let room = usize::try_from(self.max_size.saturating_sub(self.size)).unwrap_or(usize::MAX);
        if records.len() < room || !self.may_rotate() {
            return (records.len(), false);
        }
        // The other stream's line goes on in this file, too, unless it takes too long.
        let patient = self.mid.contains(&true) && self.size < self.max_size + self.max_size / 8;
        if let Some(length) = last_line_end(records, room, way) {
            return (length, true);
        }
        if !patient && self.size > 0 {
            return (0, false);
        }
        match first_line_end(records, way) {
            Some(length) => (length, true),
            None => (records.len(), false),
        }
    }

    fn may_rotate(&self) -> bool {
        self.regular && self.rotate_again.is_none_or(|at| at <= Instant::now())
    }

    fn is_full(&self) -> bool {
        let others_wait = self.mid.contains(&true) && self.size < self.max_size + self.max_size / 8;
        self.size >= self.max_size.saturating_sub(256) && !others_wait && self.may_rotate()
    }

    fn rotate_in(&mut self, way: &mut Way, spool: &mut Spool) -> bool {
        let before = self.size.saturating_sub(way.length);
        let done = way.done + before;
        self.rotate(|inode| {
            (way.inode, way.length, way.done) = (inode, 0, done);
            spool.amend(way);
        })
    }

    /// Gives the file another name and begins a new one. `known` is told the new inode before either has its name.
    pub(super) fn rotate(&mut self, known: impl FnOnce(u64)) -> bool {
        match self.try_rotate(known) {
            Ok(()) => {
                self.rotate_again = None;
                self.turned = true;
                true
            }
            Err(error) => {
                tracing::warn!(log = %self.path.display(), %error, "the log could not be rotated, and grows on");
                self.rotate_again = Some(Instant::now() + AGAIN);
                false
            }
        }
    }

    fn try_rotate(&mut self, known: impl FnOnce(u64)) -> io::Result<()> {
        let soon = new_name(&self.path);
        let _ = fs::remove_file(&soon);
        let file = create(&soon, self.spec.format)?;
        known(file.metadata()?.ino());
        let now = Timestamp::now();
        let micro = jiff::SignedDuration::from_micros(1);
        self.rotated = now.max(self.rotated.checked_add(micro).unwrap_or(now));
        let name = self.path.file_name().unwrap_or_default().to_string_lossy();
        let old = self.path.with_file_name(Rotated::name(&name, self.rotated));
        fs::rename(&self.path, old)?;
        fs::rename(&soon, &self.path)?;
        self.adopt(file)
    }

    /// Rotates a file that is too old; an empty one only begins to be young again.
    pub(super) fn rotate_if_due(&mut self, now: Timestamp) {
        if self.due.is_none_or(|due| due > now) {
            return;
        }
        let empty = self.now().is_ok_and(|(_, _, size)| size == 0);
        if empty || !self.may_rotate() || self.mid.contains(&true) {
            let again = jiff::SignedDuration::from_secs(1);
            self.due = match empty {
                true => age::due(self.spec.max_age, now),
                false => now.checked_add(again).ok(),
            };
            return;
        }
        if !self.rotate(|_| ()) {
            self.due = now.checked_add(jiff::SignedDuration::from_secs(1)).ok();
        }
    }

    fn append(&mut self, records: &[u8], way: &Way) {
        match self.try_append(records) {
            Ok(()) => self.recovered(),
            Err((written, error)) => {
                let lost = &records[written..];
                self.losing(lost.len(), lines_in(lost, way), &error);
            }
        }
    }

    /// Appends; on failure tells how much was written, which may end in the middle of a record.
    fn try_append(&mut self, records: &[u8]) -> Result<(), (usize, io::Error)> {
        if self.file.is_none() {
            self.open().map_err(|error| (0, error))?;
        }
        let Some(mut file) = self.file.as_ref() else {
            return Err((0, io::ErrorKind::NotFound.into()));
        };
        if self.spec.format == Format::Raw {
            file.seek(io::SeekFrom::Start(self.size))
                .map_err(|error| (0, error))?;
        } else if self.torn {
            file.write_all(b"\n").map_err(|error| (0, error))?;
            self.size += 1;
            self.torn = false;
        }
        let mut written = 0;
        while written < records.len() {
            let outcome = match file.write(&records[written..]) {
                Ok(0) => Err(io::ErrorKind::WriteZero.into()),
                other => other,
            };
            match outcome {
                Ok(count) => {
                    written += count;
                    self.size += count as u64;
                    self.grown += count as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    self.torn = written > 0 && records[written - 1] != b'\n';
                    return Err((written, error));
                }
            }
        }
        Ok(())
    }

    /// Bytes that were moved into the file by other means than `write`.
    pub(super) fn moved(&mut self, bytes: usize) {
        self.size += bytes as u64;
        self.grown += bytes as u64;
        self.recovered();
    }

    /// The limits that it is kept under.
    pub(super) fn spec(&self) -> &LogSpec {
        &self.spec
    }

    /// Learns which lines a supervisor before this one left open. `alone`: the stream of a file of its own.
    pub(super) fn see_unended(&mut self, alone: Stream) {
        if self.regular {
            self.mid = unended(&self.path, self.spec.format, alone);
        }
    }

    /// What is written next belongs directly behind the last byte.
    pub(super) fn goes_on(&mut self) {
        self.torn = false;
    }

    /// How many more bytes fit before it is to be rotated; none while that is not possible.
    pub(super) fn room(&self) -> Option<u64> {
        self.may_rotate().then(|| self.max_size.saturating_sub(self.size))
    }

    fn losing(&mut self, bytes: usize, lines: u64, error: &io::Error) {
        if !std::mem::replace(&mut self.loses, true) {
            tracing::error!(log = %self.path.display(), %error, "output is being lost");
        }
        self.shared.count(|tally| {
            tally.lost_bytes += bytes as u64;
            tally.lost_lines += lines;
            tally.losing = Some(error.to_string());
        });
    }

    fn recovered(&mut self) {
        if !std::mem::replace(&mut self.loses, false) {
            return;
        }
        self.shared.count(|tally| {
            tally.losing = None;
            let (bytes, lines) = (tally.lost_bytes, tally.lost_lines);
            tracing::warn!(log = %self.path.display(), bytes, lines, "output was lost, and is kept again");
        });
    }
}

/// The file that a rotation begins, before it has its name.
pub(super) fn new_name(log: &Path) -> PathBuf {
    let mut name = log.as_os_str().to_owned();
    name.push(".new");
    PathBuf::from(name)
}

/// Appending by the kernel, save for raw logs: splice(2) takes no such file.
fn create(path: &Path, format: Format) -> io::Result<File> {
    let mut options = File::options();
    options.read(true).create(true).mode(0o640);
    if format == Format::Raw {
        options.write(true);
    } else {
        options.append(true);
    }
    options.open(path).or_else(|error| {
        // /dev/full and the like may not be readable.
        if error.kind() == io::ErrorKind::PermissionDenied {
            options.read(false).open(path)
        } else {
            Err(error)
        }
    })
}

fn begun_at(found: &Metadata) -> Timestamp {
    let begun = found.created().or_else(|_| found.modified()).ok();
    begun
        .and_then(|begun| Timestamp::try_from(begun).ok())
        .unwrap_or_else(Timestamp::now)
}

/// Whether a log ends with a whole record, as all do but those of a disk that was full.
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
