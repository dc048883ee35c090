//! Records made into the lines that a service wrote.

use jiff::Timestamp;

use super::blocks::LONGEST;
use super::line::{Ending, JsonRecord, Record, Stream, leading_time};

/// One line of a service's output, whole unless it is longer than a mebibyte.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    /// Its place among the lines of other services.
    pub(super) order: Timestamp,
    /// When its first byte was recorded; `None` for a line that is no record.
    pub(super) at: Option<Timestamp>,
    pub(super) stream: Stream,
    pub(super) text: Vec<u8>,
}

/// Joins what was cut; one for the two streams of a log.
#[derive(Debug)]
pub(super) struct Joiner {
    stdout: Option<Line>,
    stderr: Option<Line>,
    latest: Timestamp,
    /// Whose lines those are that are no records.
    alone: Stream,
}

impl Joiner {
    /// For a log whose lines, where they are no records, come from this stream.
    pub(super) fn new(alone: Stream) -> Self {
        Self {
            stdout: None,
            stderr: None,
            latest: Timestamp::UNIX_EPOCH,
            alone,
        }
    }

    /// Takes one line of the file; gives the line of output that it completes.
    ///
    /// What is no record is a line of its own, at the time that it begins with or that of the line before it.
    pub(super) fn join(&mut self, line: &[u8]) -> Option<Line> {
        if let Some(record) = Record::parse(line) {
            return self.join_record(record);
        }
        match JsonRecord::parse(line) {
            Some(record) => self.join_record(Record {
                at: record.at,
                stream: record.stream,
                ending: record.ending,
                text: record.text.as_bytes(),
            }),
            None => Some(self.foreign(line)),
        }
    }

    fn foreign(&mut self, line: &[u8]) -> Line {
        let timed = leading_time(line);
        let at = timed.map(|(at, _)| at);
        self.latest = at.unwrap_or(self.latest);
        Line {
            order: self.latest,
            at,
            stream: self.alone,
            text: timed.map_or(line, |(_, text)| text).to_vec(),
        }
    }

    fn join_record(&mut self, record: Record<'_>) -> Option<Line> {
        self.latest = record.at;
        let begun = self.begun(record.stream);
        let mut line = begun.take().unwrap_or(Line {
            order: record.at,
            at: Some(record.at),
            stream: record.stream,
            text: Vec::new(),
        });
        line.text.extend_from_slice(record.text);
        if record.ending == Ending::Continues && line.text.len() < LONGEST {
            *begun = Some(line);
            return None;
        }
        Some(line)
    }

    fn begun(&mut self, stream: Stream) -> &mut Option<Line> {
        match stream {
            Stream::Stdout => &mut self.stdout,
            Stream::Stderr => &mut self.stderr,
        }
    }

    /// The lines that were begun and never ended, in the order of their beginning.
    pub(super) fn rest(&mut self) -> Vec<Line> {
        let mut rest: Vec<Line> = self.stdout.take().into_iter().chain(self.stderr.take()).collect();
        rest.sort_by_key(|line| line.order);
        rest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: &str = "2026-11-21T08:41:00.000001Z";

    fn texts(lines: &[String]) -> Vec<(Stream, String)> {
        let mut joiner = Joiner::new(Stream::Stdout);
        let mut joined: Vec<Line> = lines
            .iter()
            .filter_map(|line| joiner.join(line.as_bytes()))
            .collect();
        joined.extend(joiner.rest());
        let text = |line: Line| (line.stream, String::from_utf8(line.text).expect("text"));
        joined.into_iter().map(text).collect()
    }

    #[test]
    fn pieces_join_within_their_stream() {
        let lines = [
            "stdout P one ",
            "stderr F err",
            "stdout P two ",
            "stdout F three",
            "stdout P open",
        ];
        let lines = lines.map(|line| format!("{AT} {line}"));
        assert_eq!(
            texts(&lines),
            [
                (Stream::Stderr, "err".into()),
                (Stream::Stdout, "one two three".into()),
                (Stream::Stdout, "open".into()),
            ]
        );
    }

    #[test]
    fn a_line_without_end_comes_in_pieces() {
        let piece = format!("{AT} stdout P {}", "x".repeat(LONGEST / 2));
        let sizes: Vec<usize> = texts(&vec![piece; 5])
            .iter()
            .map(|(_, text)| text.len())
            .collect();
        assert_eq!(sizes, [LONGEST, LONGEST, LONGEST / 2]);
    }

    #[test]
    fn foreign_lines_stand_as_they_are() {
        let mut joiner = Joiner::new(Stream::Stdout);
        let record = joiner
            .join(format!("{AT} stdout F x").as_bytes())
            .expect("a line");
        let foreign = joiner.join(b"disk full").expect("a line");
        assert_eq!((foreign.at, foreign.order), (None, record.order));
        assert_eq!(foreign.text, b"disk full");
        let own = joiner
            .join(b"2026-11-21T08:42:00Z  INFO started")
            .expect("a line");
        assert_eq!(
            own.at.map(|at| at.to_string()).as_deref(),
            Some("2026-11-21T08:42:00Z")
        );
        assert_eq!(
            (own.text, own.order),
            (b"INFO started".to_vec(), own.at.expect("timed"))
        );
    }
}
