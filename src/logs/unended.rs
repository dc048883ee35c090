//! Which streams of a log stopped in the middle of a line.

use std::fs::File;
use std::path::Path;

use super::blocks::read_at;
use super::frame::Framing;
use super::line::Stream;
use crate::service::Format;

/// How much of the end is looked at, in bytes: a stream that wrote nothing in it has no line open that matters.
const LOOKED_AT: u64 = 256 << 10;

/// For standard output and standard error: whether the last record does not end a line. `alone`: the one
/// stream of a raw log.
#[must_use]
pub fn unended(log: &Path, format: Format, alone: Stream) -> [bool; 2] {
    let Some(tail) = tail(log) else { return [false; 2] };
    let mut unended = [false; 2];
    if format == Format::Raw {
        unended[usize::from(alone == Stream::Stderr)] = tail.last().is_some_and(|last| *last != b'\n');
        return unended;
    }
    for record in tail
        .split(|&byte| byte == b'\n')
        .filter(|record| !record.is_empty())
    {
        for stream in [Stream::Stdout, Stream::Stderr] {
            let framing = Framing {
                format,
                stream,
                max_line: 1,
            };
            if is_of(record, stream, format) {
                unended[usize::from(stream == Stream::Stderr)] = !framing.ends_line(record);
            }
        }
    }
    unended
}

fn is_of(record: &[u8], stream: Stream, format: Format) -> bool {
    let name = stream.as_str().as_bytes();
    match format {
        Format::Raw => false,
        Format::Text => record.get(28..34) == Some(name),
        Format::Json => {
            let label = [b"\",\"stream\":\"", name, b"\",\"time\":\""].concat();
            memchr::memmem::rfind(record, &label).is_some()
        }
    }
}

fn tail(log: &Path) -> Option<Vec<u8>> {
    let file = File::open(log).ok()?;
    let found = file.metadata().ok()?;
    let from = found.len().saturating_sub(LOOKED_AT);
    let mut tail = vec![0; usize::try_from(found.len() - from).ok()?];
    let read = if found.is_file() {
        read_at(&file, &mut tail, from).ok()?
    } else {
        0
    };
    tail.truncate(read);
    Some(tail)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::logs::line::Stamp;

    #[test]
    fn what_was_framed_without_its_end_is_seen() {
        let folder = tempfile::tempdir().expect("a folder");
        let log = folder.path().join("a.log");
        let stamp = Stamp::new(jiff::Timestamp::UNIX_EPOCH);
        for format in [Format::Text, Format::Json] {
            let framing = |stream| Framing {
                format,
                stream,
                max_line: 100,
            };
            let mut out = Vec::new();
            framing(Stream::Stderr).frame(&stamp, b"half", &mut out, 1 << 10);
            framing(Stream::Stdout).frame(&stamp, b"whole\nhalf", &mut out, 1 << 10);
            framing(Stream::Stdout).frame(&stamp, b" and half\n", &mut out, 1 << 10);
            std::fs::write(&log, &out).expect("written");
            assert_eq!(unended(&log, format, Stream::Stdout), [false, true], "{format:?}");
            framing(Stream::Stderr).end(&stamp, &mut out);
            std::fs::write(&log, &out).expect("written");
            assert_eq!(
                unended(&log, format, Stream::Stdout),
                [false, false],
                "{format:?}"
            );
        }
        std::fs::write(&log, "one\ntw").expect("written");
        assert_eq!(unended(&log, Format::Raw, Stream::Stderr), [false, true]);
        assert_eq!(
            unended(&folder.path().join("none"), Format::Raw, Stream::Stdout),
            [false; 2]
        );
    }
}
