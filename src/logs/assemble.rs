//! Bytes as they come from a pipe, made into whole records. Pure: no clock, no file.

use super::line::{Ending, MAX_TEXT, Stamp, Stream, encode, line_length};

/// Gathers the bytes of one stream of one run and writes them down as records, in order, losing none.
///
/// A record is written when its line is complete, so the lines of two streams never mix. Only an
/// unfinished line is kept, at most [`MAX_TEXT`] bytes of it, and no memory at all between lines.
#[derive(Debug)]
pub struct Assembler {
    stream: Stream,
    held: Vec<u8>,
}

impl Assembler {
    /// For one stream.
    #[must_use]
    pub fn new(stream: Stream) -> Self {
        Self {
            stream,
            held: Vec::new(),
        }
    }

    /// Takes what was read at this time, and appends the records that it completes.
    pub fn push(&mut self, stamp: &Stamp, bytes: &[u8], out: &mut Vec<u8>) {
        let mut rest = bytes;
        while let Some(length) = line_length(rest) {
            let (line, after) = rest.split_at(length);
            self.end_line(stamp, &line[..length - 1], out);
            rest = after;
        }
        let tail = self.cut(stamp, rest, out);
        self.held.extend_from_slice(tail);
    }

    /// The stream has ended: appends the last line if it had no newline.
    pub fn finish(&mut self, stamp: &Stamp, out: &mut Vec<u8>) {
        if !self.held.is_empty() {
            self.write(stamp, Ending::Eof, b"", out);
        }
    }

    /// Appends what there is of an unfinished line; the rest of it goes on in the next record, whoever
    /// writes that.
    pub fn flush(&mut self, stamp: &Stamp, out: &mut Vec<u8>) {
        if !self.held.is_empty() {
            self.write(stamp, Ending::Continues, b"", out);
        }
    }

    /// Whether an unfinished line is being kept.
    #[must_use]
    pub fn holds_text(&self) -> bool {
        !self.held.is_empty()
    }

    fn end_line(&mut self, stamp: &Stamp, text: &[u8], out: &mut Vec<u8>) {
        let tail = self.cut(stamp, text, out);
        self.write(stamp, Ending::Newline, tail, out);
    }

    /// Writes what is too much for one record, and gives back what is not; there is always a rest.
    fn cut<'a>(&mut self, stamp: &Stamp, mut text: &'a [u8], out: &mut Vec<u8>) -> &'a [u8] {
        while self.held.len() + text.len() > MAX_TEXT {
            let (piece, rest) = text.split_at(MAX_TEXT - self.held.len());
            self.write(stamp, Ending::Continues, piece, out);
            text = rest;
        }
        text
    }

    fn write(&mut self, stamp: &Stamp, ending: Ending, tail: &[u8], out: &mut Vec<u8>) {
        encode(out, stamp, self.stream, ending, [&self.held, tail]);
        if !self.held.is_empty() {
            self.held = Vec::new();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::logs::line::Record;
    use jiff::Timestamp;
    use proptest::prelude::*;

    fn stamp() -> Stamp {
        Stamp::new(Timestamp::UNIX_EPOCH)
    }

    /// What these chunks become, as (tag, text).
    fn records(chunks: &[&[u8]]) -> Vec<(Ending, Vec<u8>)> {
        let mut assembler = Assembler::new(Stream::Stdout);
        let mut out = Vec::new();
        for chunk in chunks {
            assembler.push(&stamp(), chunk, &mut out);
        }
        assembler.finish(&stamp(), &mut out);
        assert!(!assembler.holds_text());
        parsed(&out)
            .iter()
            .map(|record| (record.ending, record.text.to_vec()))
            .collect()
    }

    fn parsed(log: &[u8]) -> Vec<Record<'_>> {
        let lines = log.split_inclusive(|&byte| byte == b'\n');
        lines
            .map(|line| Record::parse(&line[..line.len() - 1]).expect("a record"))
            .collect()
    }

    fn original<'a>(records: impl Iterator<Item = &'a Record<'a>>) -> Vec<u8> {
        let mut bytes = Vec::new();
        for record in records {
            bytes.extend_from_slice(record.text);
            if record.ending == Ending::Newline {
                bytes.push(b'\n');
            }
        }
        bytes
    }

    #[test]
    fn a_record_is_a_line_however_it_came() {
        let line = |text: &str| (Ending::Newline, text.as_bytes().to_vec());
        assert_eq!(records(&[b"one\ntwo\n"]), [line("one"), line("two")]);
        assert_eq!(
            records(&[b"o", b"ne", b"\n\n", b"two\n"]),
            [line("one"), line(""), line("two")]
        );
        assert_eq!(
            records(&[b"one\ntw", b"o"]),
            [line("one"), (Ending::Eof, b"two".to_vec())]
        );
        assert_eq!(records(&[b""]), []);
    }

    #[test]
    fn nothing_is_written_before_the_line_is_whole() {
        let mut assembler = Assembler::new(Stream::Stderr);
        let mut out = Vec::new();
        assembler.push(&stamp(), b"half", &mut out);
        assert!(out.is_empty() && assembler.holds_text());
        assembler.push(&stamp(), b" and half\nnext", &mut out);
        assert_eq!(out, b"1970-01-01T00:00:00.000000Z stderr F half and half\n");
    }

    #[test]
    fn only_longer_lines_are_cut() {
        let longest = vec![b'x'; MAX_TEXT];
        let whole = [&longest[..], b"\n"].concat();
        assert_eq!(records(&[&whole]), [(Ending::Newline, longest.clone())]);
        assert_eq!(records(&[&longest, b"\n"]), [(Ending::Newline, longest.clone())]);
        assert_eq!(records(&[&longest]), [(Ending::Eof, longest.clone())]);
        let cut = [
            (Ending::Continues, longest.clone()),
            (Ending::Newline, b"y".to_vec()),
        ];
        assert_eq!(records(&[&longest, b"y\n"]), cut);
        let long = [&longest[..], b"y\n"].concat();
        assert_eq!(records(&[&long]), cut);
    }

    /// Bytes with many newlines, some runs longer than a record, in chunks of any size.
    fn output() -> impl Strategy<Value = Vec<(Stream, Vec<u8>)>> {
        let stream = prop_oneof![Just(Stream::Stdout), Just(Stream::Stderr)];
        let bytes = prop_oneof![
            8 => proptest::collection::vec(prop_oneof![1 => Just(b'\n'), 4 => any::<u8>()], 0..60),
            1 => (any::<u8>(), 0..3 * MAX_TEXT).prop_map(|(byte, length)| vec![byte; length]),
            1 => (MAX_TEXT - 2..MAX_TEXT + 2).prop_map(|length| vec![b'.'; length]),
        ];
        proptest::collection::vec((stream, bytes), 0..12)
    }

    proptest! {
        #[test]
        fn both_streams_are_recovered_from_one_log(chunks in output()) {
            let streams = [Stream::Stdout, Stream::Stderr];
            let mut assemblers = streams.map(Assembler::new);
            let mut log = Vec::new();
            for (stream, bytes) in &chunks {
                assemblers[usize::from(*stream == Stream::Stderr)].push(&stamp(), bytes, &mut log);
            }
            for assembler in &mut assemblers {
                assembler.finish(&stamp(), &mut log);
            }
            let records = parsed(&log);
            prop_assert!(records.iter().all(|record| record.text.len() <= MAX_TEXT));
            for stream in streams {
                let wrote = chunks.iter().filter(|(of, _)| *of == stream).flat_map(|(_, bytes)| bytes);
                let wrote: Vec<u8> = wrote.copied().collect();
                prop_assert!(original(records.iter().filter(|record| record.stream == stream)) == wrote);
            }
        }
    }
}
