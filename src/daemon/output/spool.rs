//! The way from a pipe to a log, over a file: so that a supervisor that is killed on it loses nothing.
//!
//! What is read from a pipe is in nobody's hands but the reader's until it is written. So it is not read:
//! it is looked at (tee(2)) and moved (splice(2), which a signal cannot cut in two) from the pipe into a file, behind
//! a header that says which log it is for and how long that log was. Only then is it framed and written to the log,
//! and the file emptied. A successor finds either an empty file, or what was moved, and sees by the log's
//! length how much of it was written. There is one such file, since one thread writes all logs.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::pipe::SpliceFlags;

use crate::logs::Stream;
use crate::logs::frame::Framing;
use crate::logs::line::Stamp;
use crate::service::Format;

const MAGIC: [u8; 8] = *b"sentspl1";
/// The header's length; what was moved follows.
const HEADER: usize = 1024;
/// Where the path begins in it.
const PATH_AT: usize = 96;

/// The file.
#[derive(Debug)]
pub(super) struct Spool {
    file: File,
    used: bool,
}

/// Where what is moved is to go, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Way {
    /// The log.
    pub(super) log: PathBuf,
    /// The log's inode, and its length before.
    pub(super) inode: u64,
    pub(super) length: u64,
    /// How many framed bytes are in earlier files: the log was rotated in the middle.
    pub(super) done: u64,
    pub(super) framing: Framing,
    pub(super) stamp: Stamp,
}

impl Spool {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let file = File::options()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .mode(0o600)
            .open(path)?;
        Ok(Self { file, used: true })
    }

    /// What a predecessor moved and may not have written.
    pub(super) fn left(&self) -> Option<(Way, Vec<u8>)> {
        let length = self.file.metadata().ok()?.len();
        let mut all = vec![0; usize::try_from(length).ok()?];
        self.file.read_exact_at(&mut all, 0).ok()?;
        if all.len() <= HEADER {
            return None;
        }
        let moved = all.split_off(HEADER);
        Some((Way::decode(&all)?, moved))
    }

    /// Moves up to so many bytes out of a pipe.
    pub(super) fn take(&mut self, pipe: &OwnedFd, way: &Way, length: usize) -> io::Result<usize> {
        if self.used {
            self.file.set_len(0)?;
        }
        self.used = true;
        self.file.write_all_at(&way.encode(), 0)?;
        let mut at = HEADER as u64;
        let flags = SpliceFlags::NONBLOCK;
        Ok(rustix::pipe::splice(
            pipe,
            None,
            &self.file,
            Some(&mut at),
            length,
            flags,
        )?)
    }

    /// The log was rotated while this was being written.
    pub(super) fn amend(&mut self, way: &Way) {
        if self.used {
            let _ = self.file.write_all_at(&way.encode(), 0);
        }
    }

    /// All is written.
    pub(super) fn clear(&mut self) {
        if std::mem::replace(&mut self.used, false) && self.file.set_len(0).is_err() {
            self.used = true;
        }
    }
}

impl Way {
    fn encode(&self) -> [u8; HEADER] {
        let mut header = [0; HEADER];
        let path = self.log.as_os_str().as_bytes();
        let length = path.len().min(HEADER - PATH_AT);
        let numbers = [
            self.inode,
            self.length,
            self.done,
            self.framing.max_line as u64,
            length as u64,
        ];
        header[..8].copy_from_slice(&MAGIC);
        for (place, number) in header[8..].chunks_exact_mut(8).zip(numbers) {
            place.copy_from_slice(&number.to_le_bytes());
        }
        header[48] = match self.framing.format {
            Format::Text => 0,
            Format::Raw => 1,
            Format::Json => 2,
        };
        header[49] = u8::from(self.framing.stream == Stream::Stderr);
        header[50..50 + Stamp::LEN].copy_from_slice(self.stamp.as_bytes());
        header[PATH_AT..PATH_AT + length].copy_from_slice(&path[..length]);
        header
    }

    fn decode(header: &[u8]) -> Option<Self> {
        if header[..8] != MAGIC {
            return None;
        }
        let number = |index: usize| -> Option<u64> {
            let at = 8 + index * 8;
            Some(u64::from_le_bytes(header[at..at + 8].try_into().ok()?))
        };
        let length = usize::try_from(number(4)?).ok()?;
        let path = header.get(PATH_AT..PATH_AT.checked_add(length)?)?;
        Some(Self {
            log: PathBuf::from(std::ffi::OsStr::from_bytes(path)),
            inode: number(0)?,
            length: number(1)?,
            done: number(2)?,
            framing: Framing {
                format: match header[48] {
                    0 => Format::Text,
                    1 => Format::Raw,
                    2 => Format::Json,
                    _ => return None,
                },
                stream: if header[49] == 0 {
                    Stream::Stdout
                } else {
                    Stream::Stderr
                },
                max_line: usize::try_from(number(3)?).ok()?.max(1),
            },
            stamp: Stamp::from_bytes(header[50..50 + Stamp::LEN].try_into().ok()?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn way() -> Way {
        Way {
            log: "/srv/logs/web.log".into(),
            inode: 7,
            length: 4096,
            done: 12,
            framing: Framing {
                format: Format::Json,
                stream: Stream::Stderr,
                max_line: 300,
            },
            stamp: Stamp::from_bytes(*b"2026-11-21T08:41:00.123456Z"),
        }
    }

    #[test]
    fn what_was_moved_is_there_for_a_successor() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("spool");
        let (reader, mut writer) = io::pipe().expect("a pipe");
        rustix::io::ioctl_fionbio(&reader, true).expect("set");
        let reader = OwnedFd::from(reader);
        let mut spool = Spool::open(&path).expect("opened");
        assert_eq!(spool.left(), None, "nothing yet");
        for text in ["0123456789", "abc"] {
            writer.write_all(text.as_bytes()).expect("written");
        }
        assert_eq!(spool.take(&reader, &way(), 8).expect("moved"), 8);
        let mut later = Spool::open(&path).expect("opened");
        assert_eq!(later.left(), Some((way(), b"01234567".to_vec())));
        later.clear();
        assert_eq!(later.left(), None, "once");

        let mut spool = Spool::open(&path).expect("opened");
        assert_eq!(spool.take(&reader, &way(), 8).expect("moved"), 5);
        spool.clear();
        assert_eq!(Spool::open(&path).expect("opened").left(), None, "it was written");
        let empty = spool.take(&reader, &way(), 8).expect_err("empty");
        assert_eq!(empty.kind(), io::ErrorKind::WouldBlock);
        assert_eq!(
            Spool::open(&path).expect("opened").left(),
            None,
            "a header alone is nothing"
        );
    }
}
