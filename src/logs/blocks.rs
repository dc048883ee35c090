//! The lines of a growing file, read forward in blocks.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use super::line::line_length;

/// How much is read at once.
pub(super) const BLOCK: usize = 64 << 10;

/// The longest line that is kept together; what is longer is no log of ours and comes in pieces.
pub(super) const LONGEST: usize = 1 << 20;

/// A place in a file, and what was read beyond it.
#[derive(Debug, Default)]
pub(super) struct Blocks {
    buffer: Vec<u8>,
    taken: usize,
    end: u64,
}

impl Blocks {
    /// From this byte of the file.
    pub(super) fn from(offset: u64) -> Self {
        Self {
            buffer: Vec::new(),
            taken: 0,
            end: offset,
        }
    }

    /// Where the next line begins.
    pub(super) fn offset(&self) -> u64 {
        self.end - (self.buffer.len() - self.taken) as u64
    }

    /// How far the file has been read.
    pub(super) fn end(&self) -> u64 {
        self.end
    }

    /// The next complete line, without its newline; `None` when the file holds no more for now.
    pub(super) fn next_line(&mut self, file: &File) -> io::Result<Option<&[u8]>> {
        let length = loop {
            let unread = &self.buffer[self.taken..];
            match line_length(unread) {
                Some(length) => break length,
                None if unread.len() >= LONGEST => break unread.len(),
                None if self.fill(file)? => {}
                None => return Ok(None),
            }
        };
        let begin = self.taken;
        self.taken += length;
        let line = &self.buffer[begin..self.taken];
        Ok(Some(line.strip_suffix(b"\n").unwrap_or(line)))
    }

    /// The line that was begun and not ended.
    pub(super) fn unfinished(&self) -> &[u8] {
        &self.buffer[self.taken..]
    }

    /// Reads one more block; false at the end of the file.
    fn fill(&mut self, file: &File) -> io::Result<bool> {
        self.buffer.drain(..self.taken);
        self.taken = 0;
        let have = self.buffer.len();
        self.buffer.resize(have + BLOCK, 0);
        let read = read_at(file, &mut self.buffer[have..], self.end);
        self.buffer.truncate(have + read.as_ref().copied().unwrap_or(0));
        let read = read?;
        self.end += read as u64;
        Ok(read > 0)
    }
}

/// Reads what is there, up to the buffer's length.
pub(super) fn read_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    loop {
        match file.read_at(buffer, offset) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}
