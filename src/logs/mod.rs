//! Logs of services: the format they are kept in, and reading them with no supervisor needed.
//!
//! ```text
//! written by the daemon                        read by the client
//!   pipe ─> Framing ──> records ──> x.log ─┬─> Blocks ─> Joiner ─> Reader ─┐
//!                                          ├─> … one per service           ├─> Merge ─> Entry
//!                                          └─> Watch (inotify) ── wakes ───┘
//! ```
//! - [`mod@line`] is the format, both ways; [`frame`] cuts bytes into records, and neither reads a clock.
//! - A reader begins near the end of a large file (`seek`) and never reads what lies before.
//! - Rendering (colours, names, JSON) is the caller's.

pub mod alarm;
mod blocks;
mod chapters;
pub mod frame;
mod joiner;
pub mod line;
mod reader;
pub mod rotated;
mod seek;
pub mod severity;
pub mod since;
mod tail;
pub mod unended;
mod watch;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use jiff::Timestamp;

use crate::service::{LogSpec, ServiceName};
pub use line::Stream;
pub use tail::{follow, tail};
pub use watch::Watch;

/// The file that a stream of a service is written to. `+` stands in no service's name.
#[must_use]
pub fn path(folder: &Path, service: &str, stream: Stream, spec: &LogSpec) -> PathBuf {
    match stream {
        Stream::Stderr if spec.is_separate() => folder.join(format!("{service}+stderr.log")),
        Stream::Stderr | Stream::Stdout => folder.join(format!("{service}.log")),
    }
}

/// A log to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Whose it is.
    pub service: ServiceName,
    /// The file; it may not exist yet, nor its folder. Those that were rotated beside it belong to it.
    pub path: PathBuf,
    /// Which stream its lines come from, where they do not say.
    pub stream: Stream,
    /// What makes a line an error, where the service says so.
    pub error_pattern: Option<Pattern>,
}

impl Source {
    /// A log of both streams.
    #[must_use]
    pub fn new(service: ServiceName, path: PathBuf) -> Self {
        Self {
            service,
            path,
            stream: Stream::Stdout,
            error_pattern: None,
        }
    }
}

/// A regular expression over the text of a line.
#[derive(Clone, Debug)]
pub struct Pattern(regex::bytes::Regex);

impl Pattern {
    /// # Errors
    /// What is wrong with it.
    pub fn new(text: &str) -> Result<Self, String> {
        crate::service::pattern(text).map(Self)
    }

    /// Whether it is found in the text.
    #[must_use]
    pub fn matches(&self, text: &[u8]) -> bool {
        self.0.is_match(text)
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_str() == other.0.as_str()
    }
}

impl Eq for Pattern {}

/// Which lines to show; by default all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// Only the last so many, of each service; those that come while following are not counted.
    pub lines: Option<usize>,
    /// Only those recorded at or after this time.
    pub since: Option<Timestamp>,
    /// Only errors, as [`severity::is_error`] judges.
    pub errors: bool,
    /// Only those that this matches.
    pub grep: Option<Pattern>,
    /// What makes a line an error; set from the source.
    pub error_pattern: Option<Pattern>,
}

/// One line of a service's output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Who wrote it.
    pub service: ServiceName,
    /// When; `None` for a line in the file that is no record.
    pub at: Option<Timestamp>,
    /// Where.
    pub stream: Stream,
    /// Its bytes without the newline, in pieces of about a mebibyte if it is longer than that.
    pub text: Vec<u8>,
}
