//! One service's log, read on through growth, truncation and rotation.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::blocks::Blocks;
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
    /// The file that took the log's name; read as soon as the old one is exhausted.
    successor: Option<File>,
    blocks: Blocks,
    joiner: Joiner,
    skip: usize,
    ready: VecDeque<Line>,
    ended: bool,
}

impl Reader {
    /// Begins where the selection begins; a log that does not exist yet is empty.
    pub(super) fn open(source: Source, selection: Selection, follow: bool) -> io::Result<Self> {
        let file = open(&source.path)?;
        let start = match &file {
            Some(file) => seek::start(file, &selection).map_err(|error| named(&source.path, &error))?,
            None => Start { offset: 0, skip: 0 },
        };
        Ok(Self {
            source,
            selection,
            follow,
            file,
            successor: None,
            blocks: Blocks::from(start.offset),
            joiner: Joiner::default(),
            skip: start.skip,
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
            let goes_on = if self.follow {
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
        let Some(file) = self.file.as_ref().filter(|_| !self.ended) else {
            return Ok(None);
        };
        while let Some(line) = self.blocks.next_line(file)? {
            if let Some(line) = self.joiner.join(line) {
                return Ok(Some(line));
            }
        }
        Ok(None)
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

    /// At the end of a followed file: whether there is more to read, here or in the file that took its name.
    ///
    /// The old file is left only when its successor has been written to, and after one more look
    /// at it: its writer may have added to it between our last look and the rename.
    fn turn_page(&mut self) -> io::Result<bool> {
        if let Some(successor) = self.successor.take() {
            self.leave();
            (self.file, self.blocks) = (Some(successor), Blocks::default());
            return Ok(true);
        }
        let Some(file) = &self.file else {
            self.file = open(&self.source.path)?;
            return Ok(self.file.is_some());
        };
        let known = file.metadata()?;
        if known.len() < self.blocks.end() {
            self.leave();
            self.blocks = Blocks::default();
            return Ok(true);
        }
        self.successor = match open(&self.source.path)? {
            Some(file) => {
                let found = file.metadata()?;
                let other = (found.dev(), found.ino()) != (known.dev(), known.ino());
                (other && found.len() > 0).then_some(file)
            }
            None => None,
        };
        Ok(self.successor.is_some())
    }
}

fn open(path: &Path) -> io::Result<Option<File>> {
    match File::open(path) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(named(path, &error)),
    }
}

/// The same error, with the file's name.
pub(super) fn named(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}
