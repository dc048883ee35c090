//! Where in a log to begin: the last lines, or the first since a time, without reading what lies before.

use std::collections::VecDeque;
use std::fs::File;
use std::io;

use jiff::Timestamp;

use super::Selection;
use super::blocks::{BLOCK, Blocks, read_at};
use super::joiner::{Joiner, Line};
use super::line::{Stream, time_of};
use super::severity::is_error;

/// A line that ends so far beyond the window's beginning is taken to have begun inside it. The pieces
/// of one line are that far apart only when the other stream wrote as much in between.
const REACH: u64 = 1 << 20;

/// Where reading begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Start {
    /// The first byte to read; a line begins there.
    pub(super) offset: u64,
    /// How many lines of the selection come before the first to show.
    pub(super) skip: usize,
    /// How many lines of the selection follow those, when a number of them is wanted.
    pub(super) found: usize,
}

impl Selection {
    /// Whether this line is wanted, its place from the end aside.
    pub(super) fn wants(&self, line: &Line) -> bool {
        self.since.is_none_or(|since| line.order >= since)
            && (!self.errors || self.is_error(line))
            && self.grep.as_ref().is_none_or(|grep| grep.matches(&line.text))
    }
}

impl Selection {
    fn is_error(&self, line: &Line) -> bool {
        match &self.error_pattern {
            Some(pattern) => pattern.matches(&line.text),
            None => is_error(line.stream, &line.text),
        }
    }
}

/// Where to begin so that exactly the selection is shown.
pub(super) fn start(file: &File, selection: &Selection) -> io::Result<Start> {
    let size = file.metadata()?.len();
    let floor = match selection.since {
        Some(since) => first_since(file, size, since)?,
        None => 0,
    };
    let Some(wanted) = selection.lines else {
        return Ok(Start {
            offset: floor,
            ..Start::default()
        });
    };
    let mut window = BLOCK as u64;
    loop {
        let offset = line_start(file, size.saturating_sub(window).max(floor))?.min(size);
        let count = count(file, offset, size, selection)?;
        if offset <= floor || count.enough(wanted) {
            return Ok(Start {
                offset,
                skip: count.lines.saturating_sub(wanted),
                found: count.lines.min(wanted),
            });
        }
        window = window.saturating_mul(4);
    }
}

/// What a window holds.
struct Count {
    /// Lines of the selection.
    lines: usize,
    /// Which of them may have begun before the window.
    doubtful: VecDeque<usize>,
}

impl Count {
    /// Whether the last so many lines are there, and whole.
    fn enough(&self, wanted: usize) -> bool {
        self.lines >= wanted && self.doubtful.iter().all(|index| *index < self.lines - wanted)
    }
}

fn count(file: &File, offset: u64, size: u64, selection: &Selection) -> io::Result<Count> {
    let mut blocks = Blocks::from(offset);
    let mut joiner = Joiner::new(Stream::Stdout);
    let mut seen = [false; 2];
    let mut count = Count {
        lines: 0,
        doubtful: VecDeque::new(),
    };
    while blocks.offset() < size {
        let Some(line) = blocks.next_line(file)?.map(|line| joiner.join(line)) else {
            break;
        };
        let Some(line) = line else { continue };
        let first = !std::mem::replace(&mut seen[usize::from(line.stream == Stream::Stderr)], true);
        if selection.wants(&line) {
            if first && blocks.offset() - offset < REACH {
                count.doubtful.push_back(count.lines);
            }
            count.lines += 1;
        }
    }
    Ok(count)
}

/// The start of a line at or before the first record since this time, found by halving.
fn first_since(file: &File, size: u64, since: Timestamp) -> io::Result<u64> {
    let (mut before, mut after) = (0, size);
    while after - before > BLOCK as u64 {
        let middle = before + (after - before) / 2;
        match first_record(file, middle)? {
            Some((offset, at)) if at < since && offset < after => before = offset,
            // Where no record is near, begin earlier: too much is read, nothing is missed.
            Some(_) | None => after = middle,
        }
    }
    // A line that ends after that time may have begun before it.
    line_start(file, before.saturating_sub(BLOCK as u64))
}

/// The first record that begins at or after this byte, if one is near.
fn first_record(file: &File, offset: u64) -> io::Result<Option<(u64, Timestamp)>> {
    const TRIES: usize = 64;
    let mut blocks = Blocks::from(line_start(file, offset)?);
    for _ in 0..TRIES {
        let begin = blocks.offset();
        match blocks.next_line(file)?.map(time_of) {
            Some(Some(at)) => return Ok(Some((begin, at))),
            Some(None) => {}
            None => return Ok(None),
        }
    }
    Ok(None)
}

/// The first byte at or after this one where a line begins; the end of the file, if none does.
fn line_start(file: &File, offset: u64) -> io::Result<u64> {
    let Some(mut at) = offset.checked_sub(1) else {
        return Ok(0);
    };
    let mut block = vec![0; BLOCK];
    loop {
        let read = read_at(file, &mut block, at)?;
        match super::line::line_length(&block[..read]) {
            Some(length) => return Ok(at + length as u64),
            None if read == 0 => return Ok(at),
            None => at += read as u64,
        }
    }
}
