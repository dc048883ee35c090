//! Raw reads from /proc: one reused buffer, no allocation per file, a vanished process told from a failed read.

use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{CWD, Mode, OFlags, RawDir, openat};
use rustix::io::{Errno, read, retry_on_intr};
use rustix::path::Arg;
use std::io;
use std::mem::MaybeUninit;
use std::ops::ControlFlow;

/// How much is asked for at once, in bytes.
const ROOM: usize = 4096;

/// Whether the error says that the process (or its thread, or its descriptor) is gone.
///
/// ENOENT: gone before the open. ESRCH: gone between open and read (proc(5)).
pub(crate) fn vanished(error: &io::Error) -> bool {
    [Errno::NOENT, Errno::SRCH]
        .iter()
        .any(|errno| error.raw_os_error() == Some(errno.raw_os_error()))
}

/// Opens a folder for walking and for opens relative to it.
pub(crate) fn folder(at: impl AsFd, path: &str) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    Ok(retry_on_intr(|| openat(&at, path, flags, Mode::empty()))?)
}

/// Reads a whole file below `at` into `buffer`, replacing what it held.
pub(crate) fn read_at(at: impl AsFd, path: &str, buffer: &mut Vec<u8>) -> io::Result<()> {
    read_until(at, path, buffer, |count, _| count == 0)
}

/// The same of one that the kernel hands out whole if there is room: stat and environ of a process. What fills
/// less than the room was all of it, and need not be asked for its end.
pub(crate) fn read_whole_at(at: impl AsFd, path: &str, buffer: &mut Vec<u8>) -> io::Result<()> {
    read_until(at, path, buffer, |count, room| count < room)
}

fn read_until<P: Arg + Copy>(
    at: impl AsFd,
    path: P,
    buffer: &mut Vec<u8>,
    is_end: impl Fn(usize, usize) -> bool,
) -> io::Result<()> {
    let file = retry_on_intr(|| openat(&at, path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()))?;
    buffer.clear();
    loop {
        let filled = buffer.len();
        // seq_file hands out a page at a time; a stat line is well below one.
        buffer.resize(filled + ROOM, 0);
        let count = retry_on_intr(|| read(&file, &mut buffer[filled..]))?;
        buffer.truncate(filled + count);
        if is_end(count, ROOM) {
            return Ok(());
        }
    }
}

/// The same of a list of numbers.
pub(crate) fn read_list_at(at: impl AsFd, path: &str, buffer: &mut Vec<u8>) -> io::Result<()> {
    // What fills less than half of the room has ended: such lists are cut between two numbers only.
    read_until(at, path, buffer, |count, room| count < room / 2)
}

/// Reads a whole file by its absolute path into `buffer`.
pub(crate) fn read_into(path: &str, buffer: &mut Vec<u8>) -> io::Result<()> {
    read_at(CWD, path, buffer)
}

/// The same for [`read_whole_at`].
pub(crate) fn read_whole(path: &str, buffer: &mut Vec<u8>) -> io::Result<()> {
    read_whole_at(CWD, path, buffer)
}

/// Calls `each` with every line of a file until it breaks off. The file is read as far as needed only.
pub(crate) fn read_lines(path: &str, mut each: impl FnMut(&[u8]) -> ControlFlow<()>) -> io::Result<()> {
    let file = retry_on_intr(|| openat(CWD, path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()))?;
    let mut buffer = vec![0; 8192];
    let mut kept = 0;
    loop {
        if kept == buffer.len() {
            buffer.resize(kept * 2, 0);
        }
        let count = retry_on_intr(|| read(&file, &mut buffer[kept..]))?;
        if count == 0 {
            return Ok(());
        }
        let filled = kept + count;
        let mut start = 0;
        while let Some(length) = buffer[start..filled].iter().position(|&byte| byte == b'\n') {
            if each(&buffer[start..start + length]).is_break() {
                return Ok(());
            }
            start += length + 1;
        }
        buffer.copy_within(start..filled, 0);
        kept = filled - start;
    }
}

/// Calls `each` with every entry of the folder that is a number: pids in /proc, descriptors in fd/.
pub(crate) fn numbers(folder: impl AsFd, mut each: impl FnMut(i32) -> io::Result<()>) -> io::Result<()> {
    let mut space = [MaybeUninit::<u8>::uninit(); 16 * 1024];
    let mut entries = RawDir::new(folder, &mut space);
    while let Some(entry) = entries.next() {
        if let Some(number) = entry.map(|entry| decimal(entry.file_name().to_bytes()))? {
            each(number)?;
        }
    }
    Ok(())
}

/// Parses a positive decimal number, and nothing else.
fn decimal(text: &[u8]) -> Option<i32> {
    if !text.first()?.is_ascii_digit() {
        return None;
    }
    std::str::from_utf8(text).ok()?.parse().ok()
}
