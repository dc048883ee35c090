//! Appends facts: one writer at a time, who holds the supervisor's lock or, without one, the operation's.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use rustix::fs::{Mode, OFlags};

use super::{EARLIER, FILE, LIMIT};
use crate::api::{Fact, Record, What};
use crate::redact;

/// The most that waits in memory for room on the disk, in lines; the oldest go first, and are counted.
const WAITING: usize = 1000;
/// How many lines are written at once, at most.
const TOGETHER: usize = 64;
/// How much of the end is read to find the last number, in bytes.
const TAIL: u64 = 64 << 10;

/// The end of the ledger.
#[derive(Debug)]
pub struct Writer {
    folder: PathBuf,
    limit: u64,
    file: Option<File>,
    size: u64,
    last: u64,
    waiting: VecDeque<Vec<u8>>,
    lost: u64,
    trouble: Option<String>,
}

impl Writer {
    /// Goes on where the last writer stopped. A folder that cannot be written is no error: facts wait.
    #[must_use]
    pub fn open(folder: &Path) -> Self {
        Self::with_limit(folder, LIMIT)
    }

    pub(super) fn with_limit(folder: &Path, limit: u64) -> Self {
        let last = [FILE, EARLIER]
            .iter()
            .find_map(|name| last_number(&folder.join(name)));
        let mut writer = Self {
            folder: folder.to_path_buf(),
            limit,
            file: None,
            size: 0,
            last: last.unwrap_or(0),
            waiting: VecDeque::new(),
            lost: 0,
            trouble: None,
        };
        writer.reopen();
        writer
    }

    /// Writes a fact down. Returns it with its number and time.
    pub fn append(&mut self, fact: Fact, at: Timestamp, boot_ms: u64) -> Record {
        let record = self.note(fact, at, boot_ms);
        self.flush();
        record
    }

    /// The same, with those that follow at once: whoever notes sees to it that [`Writer::flush`] comes soon.
    pub fn note(&mut self, fact: Fact, at: Timestamp, boot_ms: u64) -> Record {
        if self.waiting.is_empty() && self.lost > 0 {
            let lost = std::mem::take(&mut self.lost);
            let words = format!("{lost} facts before this one: there was no room to write them down");
            self.push(Fact::new(What::Lost).detail(words), at, boot_ms);
        }
        let record = self.push(fact, at, boot_ms);
        if self.trouble.is_none() && self.waiting.len() >= TOGETHER {
            self.flush();
        }
        record
    }

    /// Why facts wait to be written, if they do.
    #[must_use]
    pub fn trouble(&self) -> Option<&str> {
        self.trouble.as_deref()
    }

    /// A second descriptor, for whoever tells the disk to keep it.
    #[must_use]
    pub fn to_sync(&self) -> Option<File> {
        self.file.as_ref()?.try_clone().ok()
    }

    fn push(&mut self, fact: Fact, at: Timestamp, boot_ms: u64) -> Record {
        self.last += 1;
        let record = Record {
            v: Record::VERSION,
            seq: self.last,
            at: format!("{at:.3}"),
            boot_ms,
            fact,
        };
        let mut line = redact::json(&record);
        line.push(b'\n');
        self.waiting.push_back(line);
        while self.waiting.len() > WAITING {
            self.waiting.pop_front();
            self.lost += 1;
        }
        record
    }

    /// Writes what waits, as far as there is room.
    pub fn flush(&mut self) {
        while !self.waiting.is_empty() {
            let (lines, count) = self.next_lines();
            match write(&mut self.file, &lines) {
                Ok(()) => {
                    self.size += lines.len() as u64;
                    self.waiting.drain(..count);
                    self.trouble = None;
                }
                Err(error) => {
                    // Half a line would make the next one unreadable.
                    if let Some(file) = &self.file {
                        let _ = file.set_len(self.size);
                    }
                    self.trouble = Some(error.to_string());
                    return self.reopen();
                }
            }
            if self.size >= self.limit {
                self.turn();
            }
        }
    }

    /// What is written next, and how many lines that is: no more than this generation takes.
    fn next_lines(&self) -> (Vec<u8>, usize) {
        let (mut lines, mut count) = (Vec::new(), 0);
        for line in self.waiting.iter().take(TOGETHER) {
            lines.extend_from_slice(line);
            count += 1;
            if self.size + lines.len() as u64 >= self.limit {
                break;
            }
        }
        (lines, count)
    }

    /// Begins a new generation; the one before the last is gone.
    fn turn(&mut self) {
        match fs::rename(self.folder.join(FILE), self.folder.join(EARLIER)) {
            Ok(()) => self.reopen(),
            Err(error) => self.trouble = Some(error.to_string()),
        }
    }

    fn reopen(&mut self) {
        (self.file, self.size) = match open(&self.folder.join(FILE)) {
            Ok((file, size)) => (Some(file), size),
            Err(error) => {
                self.trouble = Some(error.to_string());
                (None, 0)
            }
        };
    }
}

/// Opens for appending, after a whole line: a torn last line is closed, so that it stays the only one.
fn open(path: &Path) -> io::Result<(File, u64)> {
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::APPEND | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut file = File::from(rustix::fs::open(path, flags, Mode::RUSR | Mode::WUSR)?);
    let size = file.seek(SeekFrom::End(0))?;
    if size == 0 {
        return Ok((file, 0));
    }
    let mut end = [0];
    file.seek(SeekFrom::End(-1))?;
    file.read_exact(&mut end)?;
    if end == *b"\n" {
        return Ok((file, size));
    }
    file.write_all(b"\n")?;
    Ok((file, size + 1))
}

fn write(file: &mut Option<File>, line: &[u8]) -> io::Result<()> {
    let none = || io::Error::other("the ledger cannot be opened");
    file.as_mut().ok_or_else(none)?.write_all(line)
}

/// The number of the last whole line.
fn last_number(path: &Path) -> Option<u64> {
    let mut file = File::open(path).ok()?;
    let size = file.seek(SeekFrom::End(0)).ok()?;
    file.seek(SeekFrom::Start(size.saturating_sub(TAIL))).ok()?;
    let mut text = Vec::new();
    file.read_to_end(&mut text).ok()?;
    let lines = text.rsplit(|&byte| byte == b'\n');
    lines
        .filter_map(|line| serde_json::from_slice::<Record>(line).ok())
        .map(|record| record.seq)
        .next()
}
