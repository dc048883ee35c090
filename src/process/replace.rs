//! One program takes another's place in this process: same pid, same children, the descriptors that are named.

use std::ffi::CString;
use std::io;
use std::os::fd::BorrowedFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

use nix::sys::signal::{SigSet, Signal};
use rustix::io::{FdFlags, fcntl_setfd};

/// Signals whose handlers exec removes: between one program's and the other's they would kill us or get lost.
const HEARD: [Signal; 7] = [
    Signal::SIGCHLD,
    Signal::SIGTERM,
    Signal::SIGINT,
    Signal::SIGQUIT,
    Signal::SIGHUP,
    Signal::SIGUSR1,
    Signal::SIGUSR2,
];

fn heard() -> SigSet {
    HEARD.into_iter().collect()
}

/// From now on they wait, exec or not, until [`hear_again`].
///
/// # Errors
/// Never on Linux.
pub fn hold_signals() -> nix::Result<()> {
    heard().thread_block()
}

/// They are delivered again: to be called by the new program once it listens, or by the old one that stays.
///
/// # Errors
/// Never on Linux.
pub fn hear_again() -> nix::Result<()> {
    heard().thread_unblock()
}

/// Becomes that program, with these descriptors open in it; returns only if that fails, with all as it was.
///
/// Not by `std`'s exec, which lets waiting signals through first.
pub fn become_program(program: &Path, arguments: &[&str], keep: &[BorrowedFd<'_>]) -> io::Error {
    let words =
        std::iter::once(program.as_os_str().as_bytes()).chain(arguments.iter().map(|word| word.as_bytes()));
    let words: Result<Vec<CString>, _> = words.map(CString::new).collect();
    let environment = std::env::vars_os().filter_map(|(name, value)| {
        let mut entry = name.into_vec();
        entry.push(b'=');
        entry.extend(value.into_vec());
        CString::new(entry).ok()
    });
    let environment: Vec<CString> = environment.collect();
    let Ok(words) = words else {
        return io::Error::other("its path or an argument holds a zero byte");
    };
    for descriptor in keep {
        if let Err(error) = fcntl_setfd(descriptor, FdFlags::empty()) {
            return error.into();
        }
    }
    super::descriptors::restore();
    let Err(error) = nix::unistd::execve(&words[0], &words, &environment);
    super::descriptors::raise();
    for descriptor in keep {
        let _ = fcntl_setfd(descriptor, FdFlags::CLOEXEC);
    }
    error.into()
}
