//! Lines of output that tell of an error, found at the speed of memory.
//!
//! A search for words of alarm runs over everything that a service writes and finds the few lines that may
//! tell of an error; only those are judged, by [`severity`](super::severity) or the service's own pattern.

use std::sync::OnceLock;

use aho_corasick::{AhoCorasick, MatchKind};
use regex::bytes::Regex;

use super::line::Stream;
use super::severity::is_error;
use crate::service::{ErrorLines, pattern};

/// How much of a line is judged, in bytes; a level stands near the front.
const JUDGED: usize = 4 << 10;

/// What `severity` takes for an error holds one of these. glog's `E1121` begins a line, in a month of 01 to 12.
const WORDS: [&str; 28] = [
    "err",
    "Err",
    "ERR",
    "fatal",
    "Fatal",
    "FATAL",
    "crit",
    "Crit",
    "CRIT",
    "panic",
    "Panic",
    "PANIC",
    "emerg",
    "Emerg",
    "EMERG",
    "severe",
    "Severe",
    "SEVERE",
    "Traceback",
    "Exception:",
    "Uncaught ",
    "Unhandled ",
    "Segmentation",
    "Aborted",
    "\nE0",
    "\nE1",
    "\nF0",
    "\nF1",
];

/// Looks for error lines in one stream.
#[derive(Debug)]
pub struct Alarm {
    search: Search,
    /// The beginning of the line that is not ended yet.
    head: Vec<u8>,
    /// A line is not ended yet.
    mid: bool,
}

#[derive(Debug)]
enum Search {
    Nothing,
    Levels,
    Pattern {
        /// The same, where every line begins anew.
        anywhere: Box<Regex>,
        line: Box<Regex>,
    },
}

impl Alarm {
    /// A watch for these lines. A pattern that does not compile, which services.toml cannot hold, finds nothing.
    #[must_use]
    pub fn of(lines: &ErrorLines) -> Self {
        let search = match lines {
            ErrorLines::None => Search::Nothing,
            ErrorLines::ByLevel => Search::Levels,
            ErrorLines::Matching(text) => match (pattern(&format!("(?m:{text})")), pattern(text)) {
                (Ok(anywhere), Ok(line)) => Search::Pattern {
                    anywhere: Box::new(anywhere),
                    line: Box::new(line),
                },
                (Err(_), _) | (_, Err(_)) => Search::Nothing,
            },
        };
        Self {
            search,
            head: Vec::new(),
            mid: false,
        }
    }

    /// Whether it looks at anything.
    #[must_use]
    pub fn is_on(&self) -> bool {
        !matches!(self.search, Search::Nothing)
    }

    /// Looks at the next bytes of the stream; `found` gets the beginning of each error line, once it is whole.
    pub fn look(&mut self, bytes: &[u8], found: &mut impl FnMut(&[u8])) {
        if !self.is_on() {
            return;
        }
        let mut rest = bytes;
        if self.mid {
            let Some(end) = memchr::memchr(b'\n', rest) else {
                return self.keep(rest);
            };
            self.keep(&rest[..end]);
            self.end(found);
            rest = &rest[end + 1..];
        }
        let whole = memchr::memrchr(b'\n', rest).map_or(0, |last| last + 1);
        self.look_at_lines(&rest[..whole], found);
        if whole < rest.len() {
            self.keep(&rest[whole..]);
        }
    }

    /// The line that is not ended will never be.
    pub fn end(&mut self, found: &mut impl FnMut(&[u8])) {
        let head = std::mem::take(&mut self.head);
        if std::mem::replace(&mut self.mid, false) {
            self.look_at_lines(&head, found);
        }
    }

    fn keep(&mut self, piece: &[u8]) {
        self.mid = true;
        let room = JUDGED.saturating_sub(self.head.len());
        self.head.extend_from_slice(&piece[..piece.len().min(room)]);
    }

    fn look_at_lines(&self, lines: &[u8], found: &mut impl FnMut(&[u8])) {
        let mut from = 0;
        // The words of glog begin with the newline before them; the first line has none.
        if matches!(self.search, Search::Levels) && lines.first().is_some_and(|first| b"EF".contains(first)) {
            from = self.after(self.judge_line(lines, 0, found));
        }
        while let Some(at) = self.next(lines, from) {
            // A newline that a word begins with belongs to the line before.
            let begins_with_newline = matches!(self.search, Search::Levels) && lines[at] == b'\n';
            let at = at + usize::from(begins_with_newline);
            if at >= lines.len() {
                return;
            }
            from = self.after(self.judge_line(lines, at, found));
        }
    }

    /// Where to go on after the line that ends here: words may begin with its newline.
    fn after(&self, end: usize) -> usize {
        match self.search {
            Search::Nothing | Search::Levels => end,
            Search::Pattern { .. } => end + 1,
        }
    }

    /// Judges the line around this place; gives where it ends.
    fn judge_line(&self, lines: &[u8], at: usize, found: &mut impl FnMut(&[u8])) -> usize {
        let begin = memchr::memrchr(b'\n', &lines[..at]).map_or(0, |newline| newline + 1);
        let end = memchr::memchr(b'\n', &lines[at..]).map_or(lines.len(), |length| at + length);
        let line = &lines[begin..end.min(begin + JUDGED)];
        if self.judge(line) {
            found(line);
        }
        end
    }

    fn next(&self, lines: &[u8], from: usize) -> Option<usize> {
        if from >= lines.len() {
            return None;
        }
        match &self.search {
            Search::Nothing => None,
            Search::Levels => {
                let found = words()?.find(aho_corasick::Input::new(lines).range(from..))?;
                Some(found.start())
            }
            Search::Pattern { anywhere, .. } => anywhere.find_at(lines, from).map(|found| found.start()),
        }
    }

    fn judge(&self, line: &[u8]) -> bool {
        match &self.search {
            Search::Nothing => false,
            // Standard error alone is no error here: many write all their news there.
            Search::Levels => is_error(Stream::Stdout, line),
            Search::Pattern { line: pattern, .. } => pattern.is_match(line),
        }
    }
}

fn words() -> Option<&'static AhoCorasick> {
    static SEARCH: OnceLock<Option<AhoCorasick>> = OnceLock::new();
    // Only a search for the leftmost is done sixteen bytes and more at a time.
    let build = || {
        AhoCorasick::builder()
            .match_kind(MatchKind::LeftmostFirst)
            .build(WORDS)
    };
    SEARCH.get_or_init(|| build().ok()).as_ref()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(lines: &ErrorLines, chunks: &[&str]) -> Vec<String> {
        let mut alarm = Alarm::of(lines);
        let mut all = Vec::new();
        let mut add = |line: &[u8]| all.push(String::from_utf8_lossy(line).into_owned());
        for chunk in chunks {
            alarm.look(chunk.as_bytes(), &mut add);
        }
        alarm.end(&mut add);
        all
    }

    const TEXT: &str = "INFO fine\nERROR one\n0 errors\nE1121 08:41:00 two\nValueError: three\nerror: four";

    #[test]
    fn errors_are_found_wherever_the_pipe_was_cut() {
        let whole = found(&ErrorLines::ByLevel, &[TEXT]);
        assert_eq!(whole.len(), 4, "{whole:?}");
        for cut in 0..TEXT.len() {
            let (one, two) = TEXT.split_at(cut);
            assert_eq!(found(&ErrorLines::ByLevel, &[one, two]), whole, "cut at {cut}");
        }
        let bytes: Vec<&str> = TEXT.split_inclusive(|_| true).collect();
        assert_eq!(found(&ErrorLines::ByLevel, &bytes), whole);
    }

    #[test]
    fn a_pattern_is_asked_line_by_line() {
        let pattern = |text: &str| ErrorLines::Matching(text.into());
        assert_eq!(found(&pattern("^E"), &["E1\nxE\nE2\n"]), ["E1", "E2"]);
        assert_eq!(found(&pattern("x$"), &["x\nxy\nyx"]), ["x", "yx"]);
        assert_eq!(found(&pattern(r"a\s+b"), &["a\nb\na b\n"]), ["a b"]);
        assert_eq!(found(&pattern("^$"), &["a\n\nb\n"]), [""]);
        assert!(found(&ErrorLines::None, &[TEXT]).is_empty());
    }

    #[test]
    fn a_long_line_counts_once() {
        let long = format!("ERROR {}\n", "error ".repeat(10_000));
        assert_eq!(found(&ErrorLines::ByLevel, &[&long, &long]).len(), 2);
        let halves = long.split_at(6000);
        assert_eq!(found(&ErrorLines::ByLevel, &[halves.0, halves.1]).len(), 1);
    }
}
