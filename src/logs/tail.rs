//! The logs of many services as one: tail and follow, merged by time.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io;
use std::ops::ControlFlow;

use jiff::Timestamp;

use super::joiner::Line;
use super::reader::Reader;
use super::watch::Watch;
use super::{Entry, Selection, Source};

/// How many lines are shown before others on this thread get a turn.
const TURN: usize = 1024;

/// Shows what the logs hold now. A log that does not exist is empty.
///
/// # Errors
/// A log cannot be read; the sentence names it.
pub fn tail(
    sources: Vec<Source>,
    selection: &Selection,
    mut sink: impl FnMut(Entry) -> ControlFlow<()>,
) -> io::Result<()> {
    let mut merge = Merge::open(sources, selection, false)?;
    while merge.turn(&mut sink)? == Turn::Over {}
    Ok(())
}

/// Shows what the logs hold, and then what comes, until the sink breaks. Loses no line when a log is rotated
/// (renamed, and a new file begun), truncated, removed or not there yet. Safe to drop.
///
/// # Errors
/// A log cannot be read, or the kernel's limit of watches is reached; the sentence names it and the way out.
pub async fn follow(
    sources: Vec<Source>,
    selection: &Selection,
    mut sink: impl FnMut(Entry) -> ControlFlow<()>,
) -> io::Result<()> {
    // Watching begins before reading: what is written in between is seen twice rather than never.
    let mut watch = Watch::over(&sources)?;
    let mut merge = Merge::open(sources, selection, true)?;
    loop {
        match merge.turn(&mut sink)? {
            Turn::Over => tokio::task::yield_now().await,
            Turn::Broken => return Ok(()),
            Turn::Dry => merge.wake(&watch.changed().await?)?,
        }
    }
}

/// How a turn ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Turn {
    /// There may be more.
    Over,
    /// All is shown.
    Dry,
    /// The sink wants no more.
    Broken,
}

/// Several readers, the earliest line first.
struct Merge {
    readers: Vec<Reader>,
    /// The next line of each reader, if it has one.
    heads: Vec<Option<Line>>,
    earliest: BinaryHeap<Reverse<(Timestamp, usize)>>,
}

impl Merge {
    fn open(sources: Vec<Source>, selection: &Selection, follow: bool) -> io::Result<Self> {
        let open = |source| Reader::open(source, selection.clone(), follow);
        let readers: Vec<Reader> = sources.into_iter().map(open).collect::<io::Result<_>>()?;
        let all: Vec<usize> = (0..readers.len()).collect();
        let heads = all.iter().map(|_| None).collect();
        let mut merge = Self {
            readers,
            heads,
            earliest: BinaryHeap::new(),
        };
        merge.wake(&all)?;
        Ok(merge)
    }

    /// Looks again at these readers.
    fn wake(&mut self, readers: &[usize]) -> io::Result<()> {
        for &index in readers {
            if self.heads[index].is_none() {
                self.refill(index)?;
            }
        }
        Ok(())
    }

    fn refill(&mut self, index: usize) -> io::Result<()> {
        self.heads[index] = self.readers[index].next_line()?;
        if let Some(line) = &self.heads[index] {
            self.earliest.push(Reverse((line.order, index)));
        }
        Ok(())
    }

    fn turn(&mut self, sink: &mut impl FnMut(Entry) -> ControlFlow<()>) -> io::Result<Turn> {
        for _ in 0..TURN {
            let Some(Reverse((_, index))) = self.earliest.pop() else {
                return Ok(Turn::Dry);
            };
            let Some(line) = self.heads[index].take() else {
                continue;
            };
            let Line { at, stream, text, .. } = line;
            let service = self.readers[index].source().service.clone();
            if sink(Entry {
                service,
                at,
                stream,
                text,
            })
            .is_break()
            {
                return Ok(Turn::Broken);
            }
            self.refill(index)?;
        }
        Ok(Turn::Over)
    }
}
