//! Logs of services: the format they are kept in, and reading them with no supervisor needed.
//!
//! ```text
//! written by the daemon                        read by the client
//!   pipe ─> Assembler ─> records ─> x.log ─┬─> Blocks ─> Joiner ─> Reader ─┐
//!                                          ├─> … one per service           ├─> Merge ─> Entry
//!                                          └─> Watch (inotify) ── wakes ───┘
//! ```
//! - [`mod@line`] is the format, both ways; [`assemble`] cuts bytes into records, and neither reads a clock.
//! - A reader begins near the end of a large file (`seek`) and never reads what lies before.
//! - Rendering (colours, names, JSON) is the caller's.

pub mod assemble;
mod blocks;
mod joiner;
pub mod line;
mod reader;
mod seek;
pub mod severity;
pub mod since;
mod tail;
mod watch;

#[cfg(test)]
mod tests;

use std::path::PathBuf;

use jiff::Timestamp;

use crate::service::ServiceName;
pub use line::Stream;
pub use tail::{follow, tail};
pub use watch::Watch;

/// A log to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Whose it is.
    pub service: ServiceName,
    /// The file; it may not exist yet, nor its folder.
    pub path: PathBuf,
}

/// Which lines to show; by default all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// Only the last so many, of each service; those that come while following are not counted.
    pub lines: Option<usize>,
    /// Only those recorded at or after this time.
    pub since: Option<Timestamp>,
    /// Only errors, as [`severity::is_error`] judges.
    pub errors: bool,
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
