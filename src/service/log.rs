//! How a service's output is kept.

use std::time::Duration;

use regex::bytes::{Regex, RegexBuilder};

/// How one service's output is kept: what stands in its `log`, over `[logs]`, over the defaults.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogSpec {
    /// A file of this many bytes is rotated. Default 50 MiB.
    pub max_size: u64,
    /// A file is rotated when it is that old, however small.
    pub max_age: Option<MaxAge>,
    /// Rotated files of each stream that are kept; the oldest go first. Default: as many as `max_total` holds.
    pub keep: Option<u32>,
    /// Rotated files older than this go.
    pub keep_for: Option<Duration>,
    /// What all files of the service may take together, in bytes. Default: only the folder's limit.
    pub max_total: Option<u64>,
    /// What becomes of rotated files. Default gzip.
    pub compress: Compress,
    /// How a line is written. Default text.
    pub format: Format,
    /// Standard error has a file of its own. Always so in raw format, which has no label to tell them apart.
    pub separate: bool,
    /// No more than this many bytes a second are read; the service waits. Default: as fast as it writes.
    pub max_rate: Option<u64>,
    /// The longest text of one record, in bytes; longer lines are cut into several. Default 16 KiB.
    pub max_line: usize,
    /// Which lines tell of an error.
    pub errors: ErrorLines,
}

/// When a file is too old.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MaxAge {
    /// So long after it was begun.
    After(Duration),
    /// At the next full hour, local time.
    Hourly,
    /// At midnight, local time.
    Daily,
    /// At midnight before Monday, local time.
    Weekly,
}

/// What becomes of a rotated file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compress {
    /// `.gz`, which zcat and zgrep read.
    Gzip,
    /// Nothing.
    None,
}

/// How a line is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// `TIME STREAM F text`, Kubernetes' CRI format.
    Text,
    /// The bytes as they came.
    Raw,
    /// `{"log":"text\n","stream":"stdout","time":"…"}`, Docker's json-file format.
    Json,
}

/// Which lines tell of an error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ErrorLines {
    /// Those that name such a level where levels stand, and the beginnings of panics, tracebacks and exceptions.
    ByLevel,
    /// Those that this regular expression matches.
    Matching(String),
    /// None; nothing is looked at.
    None,
}

impl LogSpec {
    /// The default of `max_line`.
    pub const MAX_LINE: usize = 16 << 10;

    /// Whether standard error has a file of its own.
    #[must_use]
    pub fn is_separate(&self) -> bool {
        self.separate || self.format == Format::Raw
    }
}

impl Default for LogSpec {
    fn default() -> Self {
        Self {
            max_size: 50 << 20,
            max_age: None,
            keep: None,
            keep_for: None,
            max_total: None,
            compress: Compress::Gzip,
            format: Format::Text,
            separate: false,
            max_rate: None,
            max_line: Self::MAX_LINE,
            errors: ErrorLines::ByLevel,
        }
    }
}

/// What all logs of a folder may take together unless services.toml says otherwise, in bytes.
pub const MAX_TOTAL: u64 = 1 << 30;

/// A regular expression over bytes, in the syntax of the regex crate; `\w`, `\d` and `\b` know ASCII.
///
/// # Errors
/// What is wrong with it.
pub fn pattern(text: &str) -> Result<Regex, String> {
    RegexBuilder::new(text)
        .unicode(false)
        .build()
        .map_err(|error| match error {
            regex::Error::CompiledTooBig(limit) => format!("it compiles to more than {limit} bytes"),
            other => {
                let text = other.to_string();
                let last = text.lines().last().unwrap_or(&text);
                last.trim_start_matches("error: ").to_owned()
            }
        })
}
