//! Reading logs from real files.

mod following;
mod rotated;
mod tailing;

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use tempfile::TempDir;

use super::frame::Framing;
use super::line::{Stamp, Stream};
use super::{Entry, Selection, Source};
use crate::service::{Format, LogSpec, ServiceName};

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).expect("in range")
}

/// A whole line as the daemon records it.
fn record(second: i64, stream: Stream, text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let framing = Framing {
        format: Format::Text,
        stream,
        max_line: LogSpec::MAX_LINE,
    };
    let line = format!("{text}\n");
    framing.frame(&Stamp::new(at(second)), line.as_bytes(), &mut out, usize::MAX);
    out
}

fn out(second: i64, text: &str) -> Vec<u8> {
    record(second, Stream::Stdout, text)
}

fn source(path: &Path) -> Source {
    let name = path.file_stem().expect("a name").to_str().expect("text");
    Source::new(ServiceName::parse(name).expect("valid"), path.into())
}

fn text(entry: &Entry) -> String {
    String::from_utf8_lossy(&entry.text).into()
}

fn last(lines: usize) -> Selection {
    Selection {
        lines: Some(lines),
        ..Selection::default()
    }
}

/// A folder with one log, `x.log`, of these bytes.
fn log_of(bytes: &[u8]) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("x.log");
    fs::write(&path, bytes).expect("written");
    (folder, path)
}

fn append(path: &Path, bytes: &[u8]) {
    let mut file = OpenOptions::new()
        .create(true)
        .append(true)
        .open(path)
        .expect("open");
    file.write_all(bytes).expect("written");
}
