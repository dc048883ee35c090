//! One service's log, read on through growth, truncation and rotation.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::blocks::Blocks;
use super::chapters::{Book, Chapter};
use super::joiner::{Joiner, Line};
use super::line::Record;
use super::seek::{self, Start};
use super::{Selection, Source};

/// The selected lines of one log, one after the other.
#[derive(Debug)]
pub(super) struct Reader {
    source: Source,
    selection: Selection,
    follow: bool,
    file: Option<File>,
    /// Rotated files that come before the one that is written.
    chapters: VecDeque<Chapter>,
    /// The file that bears the log's name; read as soon as all before it are exhausted.
    successor: Option<File>,
    /// The stamp of the youngest rotated file that is taken care of.
    youngest: String,
    blocks: Blocks,
    joiner: Joiner,
    skip: usize,
    ready: VecDeque<Line>,
    ended: bool,
}

impl Reader {
    /// Begins where the selection begins; a log that does not exist yet is empty.
    pub(super) fn open(source: Source, selection: Selection, follow: bool) -> io::Result<Self> {
        let selection = Selection {
            error_pattern: source.error_pattern.clone(),
            ..selection
        };
        let begin = |error| named(&source.path, &error);
        let book = Book::open(&source.path).map_err(begin)?;
        let opening = opening(book, &selection).map_err(begin)?;
        Ok(Self {
            joiner: Joiner::new(source.stream),
            source,
            selection,
            follow,
            file: opening.file,
            chapters: opening.chapters,
            successor: opening.successor,
            youngest: opening.youngest,
            blocks: Blocks::from(opening.start.offset),
            skip: opening.start.skip,
            ready: VecDeque::new(),
            ended: false,
        })
    }

    /// Whose log.
    pub(super) fn source(&self) -> &Source {
        &self.source
    }

    /// The next line of the selection. `None`: no more, or when following, no more for now.
    pub(super) fn next_line(&mut self) -> io::Result<Option<Line>> {
        self.next_selected()
            .map_err(|error| named(&self.source.path, &error))
    }

    fn next_selected(&mut self) -> io::Result<Option<Line>> {
        loop {
            while let Some(line) = self.next_joined()? {
                if !self.selection.wants(&line) {
                    continue;
                }
                if self.skip == 0 {
                    return Ok(Some(line));
                }
                self.skip -= 1;
            }
            let goes_on = if self.next_chapter()? {
                true
            } else if self.follow {
                self.turn_page()?
            } else {
                self.end()
            };
            if !goes_on {
                return Ok(None);
            }
        }
    }

    fn next_joined(&mut self) -> io::Result<Option<Line>> {
        if let Some(line) = self.ready.pop_front() {
            return Ok(Some(line));
        }
        if self.ended { Ok(None) } else { self.blocks_line() }
    }

    /// Once, at the end: what was begun and not ended is shown too.
    fn end(&mut self) -> bool {
        if self.ended {
            return false;
        }
        self.ended = true;
        self.leave();
        self.ready.extend(self.joiner.rest());
        !self.ready.is_empty()
    }

    /// A record at the file's end that its writer could not finish is shown; less than a record is not.
    fn leave(&mut self) {
        let torn = self.blocks.unfinished();
        if Record::parse(torn).is_some() {
            self.ready.extend(self.joiner.join(torn));
        }
    }

    /// At the end of a file that others follow: begins the next.
    fn next_chapter(&mut self) -> io::Result<bool> {
        if self.ended || self.file.is_some() && self.chapters.is_empty() && self.successor.is_none() {
            return Ok(false);
        }
        while let Some(chapter) = self.chapters.pop_front() {
            if let Some(file) = chapter.open()? {
                self.begin(Some(file));
                return Ok(true);
            }
        }
        let successor = self.successor.take();
        let found = successor.is_some();
        if found {
            self.begin(successor);
        }
        Ok(found)
    }

    fn begin(&mut self, file: Option<File>) {
        self.leave();
        (self.file, self.blocks) = (file, Blocks::default());
    }

    /// At the end of a followed file: whether there is more to read, here or in the files that took its name.
    ///
    /// The old file is left only when its successor has been written to, and after one more look
    /// at it: its writer may have added to it between our last look and the rename.
    fn turn_page(&mut self) -> io::Result<bool> {
        let Some(file) = &self.file else {
            self.file = super::chapters::open(&self.source.path)?;
            return Ok(self.file.is_some());
        };
        let known = file.metadata()?;
        if known.len() < self.blocks.end() {
            self.leave();
            self.blocks = Blocks::default();
            return Ok(true);
        }
        let Some(now) = super::chapters::open(&self.source.path)? else {
            return Ok(false);
        };
        let found = now.metadata()?;
        if (found.dev(), found.ino()) == (known.dev(), known.ino()) || found.len() == 0 {
            return Ok(false);
        }
        self.take_new_chapters()?;
        // One more look at the old file comes first: its last bytes may have been written since.
        while let Some(line) = self.blocks_line()? {
            self.ready.push_back(line);
        }
        Ok(true)
    }

    /// What was rotated since the last look comes before the file that is written now.
    fn take_new_chapters(&mut self) -> io::Result<()> {
        let book = Book::open(&self.source.path)?;
        let youngest = book.youngest();
        let newer = book.chapters.into_iter();
        let mut newer: VecDeque<Chapter> = newer
            .filter(|chapter| chapter.rotated.at > self.youngest)
            .collect();
        // The first of them is the file that is open, unless somebody else moved that away.
        let ours = match (newer.front(), &self.file) {
            (Some(first), Some(file)) => first.rotated.compressed || first.is(file)?,
            (Some(_), None) | (None, _) => false,
        };
        if ours {
            newer.pop_front();
        }
        self.chapters = newer;
        self.successor = book.current;
        self.youngest = youngest.max(std::mem::take(&mut self.youngest));
        Ok(())
    }

    fn blocks_line(&mut self) -> io::Result<Option<Line>> {
        let Some(file) = &self.file else { return Ok(None) };
        while let Some(line) = self.blocks.next_line(file)? {
            if let Some(line) = self.joiner.join(line) {
                return Ok(Some(line));
            }
        }
        Ok(None)
    }
}

/// Where reading begins, and what follows.
struct Opening {
    file: Option<File>,
    start: Start,
    chapters: VecDeque<Chapter>,
    successor: Option<File>,
    youngest: String,
}

/// Looks from the youngest file back to the oldest for where the selection begins.
fn opening(book: Book, selection: &Selection) -> io::Result<Opening> {
    let youngest = book.youngest();
    let mut earlier: Vec<Chapter> = book.chapters;
    earlier.retain(|chapter| selection.since.is_none_or(|since| !chapter.is_before(since)));
    let mut opening = Opening {
        start: Start::default(),
        chapters: VecDeque::new(),
        successor: None,
        youngest,
        file: book.current,
    };
    if let Some(file) = &opening.file {
        opening.start = seek::start(file, selection)?;
    }
    let mut found = opening.start.found;
    let mut current: Option<Chapter> = None;
    while let Some(chapter) = earlier.pop() {
        let missing = match selection.lines {
            Some(wanted) if found >= wanted => break,
            Some(wanted) => Some(wanted - found),
            None => None,
        };
        let Some(file) = chapter.open()? else { continue };
        let selection = Selection {
            lines: missing,
            ..selection.clone()
        };
        opening.start = seek::start(&file, &selection)?;
        found += opening.start.found;
        match current.replace(chapter) {
            Some(later) => opening.chapters.push_front(later),
            None => opening.successor = opening.file.take(),
        }
        opening.file = Some(file);
    }
    Ok(opening)
}

/// The same error, with the file's name.
pub(super) fn named(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}
