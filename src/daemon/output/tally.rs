//! What became of a service's output, counted by the thread that writes it and read by the loop.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{PoisonError, RwLock};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::logs::Stream;

/// What the two threads share of one service.
#[derive(Debug, Default)]
pub(super) struct Shared {
    /// For each stream: bytes are on their way from the pipe to the file, or a line is not ended.
    unsettled: [AtomicBool; 2],
    /// Held for as long as it takes to count or to copy: no thread waits in there.
    tally: RwLock<Tally>,
}

/// The counts.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tally {
    /// Bytes that were written to its logs by this supervisor.
    pub written: u64,
    /// Bytes of its logs' text that could not be written.
    pub lost_bytes: u64,
    /// Lines among them.
    pub lost_lines: u64,
    /// Why output is being lost now.
    pub losing: Option<String>,
    /// The error lines of the present run.
    pub errors: Errors,
}

/// The error lines of one run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Errors {
    /// Which run.
    pub run: u64,
    /// How many.
    pub count: u64,
    /// The last of them, and when it was read, in microseconds since 1970.
    pub last: Option<(String, i64)>,
}

impl Shared {
    /// The counts as they are now.
    pub(super) fn tally(&self) -> Tally {
        self.tally.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Counts; only the thread that writes does.
    pub(super) fn count(&self, change: impl FnOnce(&mut Tally)) {
        change(&mut self.tally.write().unwrap_or_else(PoisonError::into_inner));
    }

    /// To be said before the first byte is taken from the pipe, and taken back after the last is written.
    pub(super) fn unsettled(&self, stream: Stream, is: bool) {
        self.unsettled[index(stream)].store(is, Ordering::SeqCst);
    }

    pub(super) fn is_unsettled(&self, stream: Stream) -> bool {
        self.unsettled[index(stream)].load(Ordering::SeqCst)
    }
}

pub(super) fn index(stream: Stream) -> usize {
    usize::from(stream == Stream::Stderr)
}

/// The longest last line that is kept, in bytes.
const LONGEST: usize = 300;

impl Errors {
    /// Counts so many more.
    pub(super) fn add(&mut self, count: u64, line: &[u8], at: Timestamp) {
        self.count += count;
        let line = line.trim_ascii();
        let text = String::from_utf8_lossy(&line[..line.len().min(LONGEST)]);
        self.last = Some((text.into_owned(), at.as_microsecond()));
    }

    /// What a supervisor before this one counted of the same run.
    pub(super) fn load(path: &Path, run: u64) -> Self {
        let kept = std::fs::read(path).ok();
        kept.and_then(|kept| serde_json::from_slice::<Self>(kept.trim_ascii_end()).ok())
            .filter(|errors| errors.run == run)
            .unwrap_or(Self {
                run,
                ..Self::default()
            })
    }

    /// Keeps the count for whoever comes after this supervisor: one write, always of the same length.
    pub(super) fn save(&self, file: &File) -> io::Result<()> {
        const WIDTH: usize = 4096;
        let mut kept = serde_json::to_vec(self)?;
        kept.resize(WIDTH.max(kept.len()), b' ');
        file.write_all_at(&kept, 0)
    }
}
