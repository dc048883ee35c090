//! Bytes as they come from a pipe, made into records. Pure: no clock, no file, nothing kept from call to call.

use super::line::{Ending, Stamp, Stream, encode};
use crate::service::Format;

/// How the bytes of one stream are written down.
///
/// All bytes that are given are written at once, an unfinished line too, as a record that goes on in
/// the next: what was read from a service is in the file before anything else is waited for. The same
/// bytes with the same stamp always become the same records, so that a successor can tell what is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Framing {
    /// Text, raw or JSON.
    pub format: Format,
    /// Which stream they come from.
    pub stream: Stream,
    /// The longest text of one record.
    pub max_line: usize,
}

impl Framing {
    /// Appends records until `out` holds `room` bytes or more; gives how many bytes of the input they hold.
    /// The input is a whole line, or a piece of one, at its end.
    pub fn frame(&self, stamp: &Stamp, input: &[u8], out: &mut Vec<u8>, room: usize) -> usize {
        if self.format == Format::Raw {
            let taken = input.len().min(room.saturating_sub(out.len()).max(1));
            out.extend_from_slice(&input[..taken]);
            return taken;
        }
        let start = self.start(stamp);
        let mut taken = 0;
        while taken < input.len() && out.len() < room {
            let rest = &input[taken..];
            let line = memchr::memchr(b'\n', rest);
            let (text, ending) = match line {
                Some(end) if end <= self.max_line => (&rest[..end], Ending::Newline),
                Some(_) => (&rest[..self.max_line], Ending::Continues),
                None => (&rest[..rest.len().min(self.max_line)], Ending::Continues),
            };
            match (self.format, ending) {
                (Format::Text, Ending::Newline) => {
                    out.reserve(start.len() + text.len() + 1);
                    out.extend_from_slice(&start);
                    out.extend_from_slice(text);
                    out.push(b'\n');
                }
                (Format::Json, _) => self.json(stamp, text, ending, out),
                (Format::Text | Format::Raw, _) => encode(out, stamp, self.stream, ending, [text, b""]),
            }
            taken += text.len() + usize::from(ending == Ending::Newline);
        }
        taken
    }

    /// Appends what ends a line that will never go on: the stream has ended in the middle of it.
    pub fn end(&self, stamp: &Stamp, out: &mut Vec<u8>) {
        match self.format {
            Format::Raw => out.push(b'\n'),
            Format::Text => encode(out, stamp, self.stream, Ending::Eof, [b"", b""]),
            Format::Json => self.json(stamp, b"", Ending::Eof, out),
        }
    }

    /// Whether this record, given without its newline, ends a line.
    #[must_use]
    pub fn ends_line(&self, record: &[u8]) -> bool {
        match self.format {
            Format::Raw => true,
            Format::Text => record.get(Self::TAG) != Some(&b'P'),
            Format::Json => {
                let (text, tail) = record.split_at(record.len().saturating_sub(Self::JSON_TAIL));
                // After an even number of backslashes, the next one begins the newline's escape.
                let escapes = text.iter().rev().take_while(|byte| **byte == b'\\').count();
                let newline = tail.starts_with(b"\\n\",\"stream\"") && escapes.is_multiple_of(2);
                newline || record.ends_with(b"\"eof\":true}")
            }
        }
    }

    /// Where a text record's tag stands: after a time of 27 bytes and a stream of 6.
    const TAG: usize = 27 + 1 + 6 + 1;
    /// `\n","stream":"stdout","time":"2026-11-21T08:41:00.123456Z"}`.
    const JSON_TAIL: usize = 59;

    /// What every record of a text log begins with, up to its tag.
    fn start(&self, stamp: &Stamp) -> Vec<u8> {
        let mut start = Vec::with_capacity(Self::TAG + 2);
        start.extend_from_slice(stamp.as_bytes());
        start.push(b' ');
        start.extend_from_slice(self.stream.as_str().as_bytes());
        start.extend_from_slice(b" F ");
        start
    }

    fn json(&self, stamp: &Stamp, text: &[u8], ending: Ending, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"log\":\"");
        escape(text, out);
        if ending == Ending::Newline {
            out.extend_from_slice(b"\\n");
        }
        out.extend_from_slice(b"\",\"stream\":\"");
        out.extend_from_slice(self.stream.as_str().as_bytes());
        out.extend_from_slice(b"\",\"time\":\"");
        out.extend_from_slice(stamp.as_bytes());
        out.extend_from_slice(match ending {
            Ending::Newline | Ending::Continues => b"\"}\n".as_slice(),
            Ending::Eof => b"\",\"eof\":true}\n",
        });
    }
}

/// As the inside of a JSON string; bytes that are no UTF-8 become U+FFFD.
fn escape(text: &[u8], out: &mut Vec<u8>) {
    for chunk in text.utf8_chunks() {
        let valid = chunk.valid().as_bytes();
        let mut plain = 0;
        for (index, &byte) in valid.iter().enumerate() {
            if byte >= 0x20 && byte != b'"' && byte != b'\\' {
                continue;
            }
            out.extend_from_slice(&valid[plain..index]);
            plain = index + 1;
            match byte {
                b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
                b'\t' => out.extend_from_slice(b"\\t"),
                b'\r' => out.extend_from_slice(b"\\r"),
                control => out.extend_from_slice(format!("\\u{control:04x}").as_bytes()),
            }
        }
        out.extend_from_slice(&valid[plain..]);
        if !chunk.invalid().is_empty() {
            out.extend_from_slice("\u{fffd}".as_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::logs::line::Record;
    use jiff::Timestamp;
    use proptest::prelude::*;

    fn framing(format: Format) -> Framing {
        Framing {
            format,
            stream: Stream::Stdout,
            max_line: 16,
        }
    }

    fn framed(framing: Framing, input: &[u8], room: usize) -> Vec<u8> {
        let stamp = Stamp::new(Timestamp::UNIX_EPOCH);
        let (mut out, mut part, mut taken) = (Vec::new(), Vec::new(), 0);
        while taken < input.len() {
            taken += framing.frame(&stamp, &input[taken..], &mut part, room);
            out.append(&mut part);
        }
        out
    }

    fn records(input: &[u8]) -> Vec<(Ending, Vec<u8>)> {
        let out = framed(framing(Format::Text), input, 64);
        out.split_inclusive(|&byte| byte == b'\n')
            .map(|line| Record::parse(&line[..line.len() - 1]).expect("a record"))
            .map(|record| (record.ending, record.text.to_vec()))
            .collect()
    }

    #[test]
    fn a_record_is_a_line_or_what_there_is_of_it() {
        let line = |text: &str| (Ending::Newline, text.as_bytes().to_vec());
        let piece = |text: &str| (Ending::Continues, text.as_bytes().to_vec());
        assert_eq!(records(b"one\n\ntwo\n"), [line("one"), line(""), line("two")]);
        assert_eq!(records(b"one\ntw"), [line("one"), piece("tw")]);
        assert_eq!(records(b"0123456789abcdef\n"), [line("0123456789abcdef")]);
        assert_eq!(
            records(b"0123456789abcdefg\n"),
            [piece("0123456789abcdef"), line("g")]
        );
        assert_eq!(records(b""), []);
    }

    #[test]
    fn json_is_that_of_docker() {
        let out = framed(framing(Format::Json), b"a\"b\\\t\x01\xff\nrest", 1 << 10);
        let lines: Vec<serde_json::Value> = String::from_utf8(out)
            .expect("UTF-8")
            .lines()
            .map(|line| serde_json::from_str(line).expect("JSON"))
            .collect();
        assert_eq!(lines[0]["log"], "a\"b\\\t\u{1}\u{fffd}\n");
        assert_eq!(lines[0]["stream"], "stdout");
        assert_eq!(lines[0]["time"], "1970-01-01T00:00:00.000000Z");
        assert_eq!(lines[1]["log"], "rest");
    }

    #[test]
    fn it_is_known_which_record_ends_a_line() {
        for format in [Format::Text, Format::Json] {
            let framing = framing(format);
            let out = framed(framing, b"one\n0123456789abcdefg\nrest\\n", 1 << 10);
            let ends: Vec<bool> = out
                .split(|&byte| byte == b'\n')
                .filter(|line| !line.is_empty())
                .map(|line| framing.ends_line(line))
                .collect();
            assert_eq!(ends, [true, false, true, false], "{format:?}");
            let mut end = Vec::new();
            framing.end(&Stamp::new(Timestamp::UNIX_EPOCH), &mut end);
            assert!(framing.ends_line(end.trim_ascii_end()), "{format:?}");
        }
    }

    proptest! {
        #[test]
        fn no_byte_is_lost(input in proptest::collection::vec(prop_oneof![Just(b'\n'), any::<u8>()], 0..200), room in 1_usize..300) {
            let out = framed(framing(Format::Text), &input, room);
            let mut original = Vec::new();
            for line in out.split_inclusive(|&byte| byte == b'\n') {
                let record = Record::parse(&line[..line.len() - 1]).expect("a record");
                prop_assert!(record.text.len() <= 16);
                original.extend_from_slice(record.text);
                if record.ending == Ending::Newline {
                    original.push(b'\n');
                }
            }
            prop_assert_eq!(original, &input[..]);
            prop_assert_eq!(framed(framing(Format::Raw), &input, room), input);
        }
    }
}
