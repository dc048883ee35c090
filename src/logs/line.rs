//! One record of a service log, written and read: the format that the daemon and its clients share.
//!
//! It is the log format of Kubernetes' CRI (kubelet `pkg/kubelet/kuberuntime/logs`), which log
//! shippers read as it is: `2026-11-21T08:41:00.123456Z stdout F text\n`. The tag `F` ends a line, `P` says
//! that the line goes on in the next record of the same stream. `F:eof` is ours: the stream ended
//! without a last newline (CRI allows more tags after a colon, and readers ignore those they do not
//! know). The text is raw bytes, so what a service wrote is recovered exactly, stream by stream.

use std::fmt;
use std::io::BufRead;
use std::str::from_utf8;

use jiff::Timestamp;

/// The longest text of one record, in bytes; longer lines are cut into several.
pub const MAX_TEXT: usize = 16 << 10;

/// Which output of a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

impl Stream {
    /// `stdout` or `stderr`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Stream::Stdout => "stdout",
            Stream::Stderr => "stderr",
        }
    }
}

impl fmt::Display for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// How a record's text ends in the original.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// With a newline.
    Newline,
    /// Not here: the line goes on in the stream's next record.
    Continues,
    /// With the stream, which had no newline any more.
    Eof,
}

impl Ending {
    fn tag(self) -> &'static str {
        match self {
            Ending::Newline => "F",
            Ending::Continues => "P",
            Ending::Eof => "F:eof",
        }
    }

    fn of_tag(tag: &[u8]) -> Option<Self> {
        let mut tags = tag.split(|&byte| byte == b':');
        match tags.next()? {
            b"P" => Some(Ending::Continues),
            b"F" if tags.any(|tag| tag == b"eof") => Some(Ending::Eof),
            b"F" => Some(Ending::Newline),
            _ => None,
        }
    }
}

/// One record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// When the text was read from the service.
    pub at: Timestamp,
    /// Where it wrote it.
    pub stream: Stream,
    /// How the text ends.
    pub ending: Ending,
    /// What it wrote, without the newline.
    pub text: &'a [u8],
}

impl<'a> Record<'a> {
    /// Reads one line of a log, given without its newline; `None` when it is no record.
    #[must_use]
    pub fn parse(line: &'a [u8]) -> Option<Self> {
        let mut fields = line.splitn(4, |&byte| byte == b' ');
        let at = from_utf8(fields.next()?).ok()?.parse().ok()?;
        let stream = match fields.next()? {
            b"stdout" => Stream::Stdout,
            b"stderr" => Stream::Stderr,
            _ => return None,
        };
        let ending = Ending::of_tag(fields.next()?)?;
        let text = fields.next()?;
        Some(Self {
            at,
            stream,
            ending,
            text,
        })
    }
}

/// The time that a line begins with, and what follows: how `sentinel.log` and many others write.
#[must_use]
pub fn leading_time(line: &[u8]) -> Option<(Timestamp, &[u8])> {
    let length = line.iter().position(|&byte| byte == b' ')?;
    let at = from_utf8(&line[..length]).ok()?.parse().ok()?;
    Some((at, line[length..].trim_ascii_start()))
}

/// The time that a line of any of our formats holds.
pub(super) fn time_of(line: &[u8]) -> Option<Timestamp> {
    match leading_time(line) {
        Some((at, _)) => Some(at),
        None => JsonRecord::parse(line).map(|record| record.at),
    }
}

/// One record of a log in Docker's json-file format.
#[derive(Debug)]
pub(super) struct JsonRecord {
    pub(super) at: Timestamp,
    pub(super) stream: Stream,
    pub(super) ending: Ending,
    /// Without the newline.
    pub(super) text: String,
}

#[derive(serde::Deserialize)]
struct RawRecord {
    log: String,
    stream: String,
    time: String,
    #[serde(default)]
    eof: bool,
}

impl JsonRecord {
    /// Reads one line; `None` when it is no such record.
    pub(super) fn parse(line: &[u8]) -> Option<Self> {
        if !line.starts_with(b"{\"log\":") {
            return None;
        }
        let raw: RawRecord = serde_json::from_slice(line).ok()?;
        let (text, ending) = match raw.log.strip_suffix('\n') {
            Some(text) => (text.to_owned(), Ending::Newline),
            None if raw.eof => (raw.log, Ending::Eof),
            None => (raw.log, Ending::Continues),
        };
        Some(Self {
            at: raw.time.parse().ok()?,
            stream: match raw.stream.as_str() {
                "stdout" => Stream::Stdout,
                "stderr" => Stream::Stderr,
                _ => return None,
            },
            ending,
            text,
        })
    }
}

/// Appends one record; its text, at most [`MAX_TEXT`] without newlines, comes in two parts so that none need be copied first.
pub(super) fn encode(out: &mut Vec<u8>, stamp: &Stamp, stream: Stream, ending: Ending, text: [&[u8]; 2]) {
    out.extend_from_slice(&stamp.text);
    out.push(b' ');
    out.extend_from_slice(stream.as_str().as_bytes());
    out.push(b' ');
    out.extend_from_slice(ending.tag().as_bytes());
    out.push(b' ');
    out.extend_from_slice(text[0]);
    out.extend_from_slice(text[1]);
    out.push(b'\n');
}

/// The length of the first line, newline included; `None` when there is no newline.
pub(super) fn line_length(bytes: &[u8]) -> Option<usize> {
    let mut rest = bytes;
    // std has memchr here and nowhere else on stable; reading from a slice cannot fail.
    let length = rest.skip_until(b'\n').ok()?;
    (length > 0 && bytes[length - 1] == b'\n').then_some(length)
}

/// A time as a record shows it, `2026-11-21T08:41:00.123456Z`: written once, used for many records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stamp {
    text: [u8; Self::LEN],
    second: i64,
}

impl Stamp {
    /// Its length, in bytes.
    pub const LEN: usize = 27;

    /// Where the six digits after the point begin.
    const FRACTION: usize = 20;

    /// The stamp of a time.
    #[must_use]
    pub fn new(at: Timestamp) -> Self {
        let mut stamp = Self {
            text: *b"1970-01-01T00:00:00.000000Z",
            second: 0,
        };
        stamp.renew(at);
        stamp
    }

    /// As it stands in a record.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.text
    }

    /// A stamp as it stood in a record, for writing the same again.
    #[must_use]
    pub fn from_bytes(text: [u8; Self::LEN]) -> Self {
        // No second: the first renewal writes all of it.
        Self {
            text,
            second: i64::MIN,
        }
    }

    /// Another time; cheap within the same second.
    pub fn renew(&mut self, at: Timestamp) {
        let second = at.as_nanosecond().div_euclid(1_000_000_000);
        let second = i64::try_from(second).unwrap_or_default();
        if second != self.second {
            let whole = Timestamp::from_second(second).unwrap_or(Timestamp::UNIX_EPOCH);
            // Years before 0 have another length; no clock shows them.
            if let Ok(text) = format!("{whole:.6}").as_bytes().try_into() {
                self.text = text;
            }
            self.second = second;
        }
        let mut micros = at.as_nanosecond().rem_euclid(1_000_000_000) as u32 / 1000;
        for place in (Self::FRACTION..Self::FRACTION + 6).rev() {
            self.text[place] = b'0' + (micros % 10) as u8;
            micros /= 10;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn encoded(stream: Stream, ending: Ending, text: &[u8]) -> Vec<u8> {
        let at = "2026-11-21T08:41:00.123456Z".parse().expect("a time");
        let mut out = Vec::new();
        encode(&mut out, &Stamp::new(at), stream, ending, [text, b""]);
        out
    }

    #[test]
    fn the_format_is_that_of_cri() {
        let whole = encoded(Stream::Stdout, Ending::Newline, b"hello  world ");
        assert_eq!(whole, b"2026-11-21T08:41:00.123456Z stdout F hello  world \n");
        let part = encoded(Stream::Stderr, Ending::Continues, b"\xff");
        assert_eq!(part, b"2026-11-21T08:41:00.123456Z stderr P \xff\n");
        let last = encoded(Stream::Stdout, Ending::Eof, b"");
        assert_eq!(last, b"2026-11-21T08:41:00.123456Z stdout F:eof \n");
    }

    #[test]
    fn records_of_others_are_read_too() {
        // containerd writes nanoseconds and offsets, and may write tags that we do not know.
        let line = b"2026-11-21T09:41:00.123456789+01:00 stderr F:new:eof text";
        let record = Record::parse(line).expect("a record");
        assert_eq!(record.at.to_string(), "2026-11-21T08:41:00.123456789Z");
        assert_eq!(
            (record.stream, record.ending, record.text),
            (Stream::Stderr, Ending::Eof, &b"text"[..])
        );
    }

    #[test]
    fn what_is_no_record_is_told_apart() {
        for line in [
            "",
            "plain text",
            "2026-11-21T08:41:00.123456Z",
            "2026-11-21T08:41:00.123456Z stdout",
            "2026-11-21T08:41:00.123456Z stdout F",
            "2026-11-21T08:41:00.123456Z stdin F x",
            "2026-11-21T08:41:00.123456Z stdout X x",
            "2026-11-21 stdout F x",
            "2026-11-21T08:41:00.123456Z  INFO daemon: started",
        ] {
            assert_eq!(Record::parse(line.as_bytes()), None, "{line}");
        }
    }

    #[test]
    fn lines_are_measured_with_their_newline() {
        assert_eq!(line_length(b""), None);
        assert_eq!(line_length(b"abc"), None);
        assert_eq!(line_length(b"\n"), Some(1));
        assert_eq!(line_length(b"ab\ncd\n"), Some(3));
    }

    proptest! {
        #[test]
        fn a_stamp_is_its_time_to_the_microsecond(
            start in 0_i64..4_000_000_000_000_000, step in -3_000_000_i64..3_000_000
        ) {
            let later = (start + step).max(0);
            let mut stamp = Stamp::new(Timestamp::from_microsecond(start).expect("in range"));
            let at = Timestamp::from_microsecond(later).expect("in range");
            stamp.renew(at);
            let text = String::from_utf8(stamp.text.to_vec()).expect("ASCII");
            prop_assert_eq!(&text, &format!("{at:.6}"));
            prop_assert_eq!(text.parse::<Timestamp>().expect("RFC 3339"), at);
        }

        #[test]
        fn parse_takes_any_bytes(line in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Record::parse(&line);
        }
    }
}
