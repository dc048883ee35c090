//! Kernel look-ups: which processes have a socket open, by /proc/PID/fd.

use crate::process::{folder, numbers, vanished};
use rustix::fd::AsFd;
use rustix::fs::{CWD, readlinkat_raw};
use rustix::path::DecInt;
use std::collections::BTreeSet;
use std::io;
use std::mem::MaybeUninit;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{available_parallelism, scope};

/// Each descriptor costs two system calls of a microsecond or two, and a host has tens of thousands:
/// more threads than these do not make the answer faster.
const MOST_THREADS: usize = 4;

/// Processes that a thread takes at a time.
const SHARE: usize = 16;

/// Every (inode, pid) where the process has that socket open, ascending by pid.
///
/// All processes are read, always: a socket can have been inherited by, or sent to, any of them, and
/// the kernel does not tell how many share it. Those that we may not look into are left out.
pub(super) fn holders_of(inodes: &BTreeSet<u64>) -> io::Result<Vec<(u64, i32)>> {
    let proc = folder(CWD, "/proc")?;
    let mut pids = Vec::with_capacity(512);
    numbers(&proc, |pid| {
        pids.push(pid);
        Ok(())
    })?;
    let next = AtomicUsize::new(0);
    let work = || {
        let mut found = Vec::new();
        while let Some(share) = pids.chunks(SHARE).nth(next.fetch_add(1, Ordering::Relaxed)) {
            for &pid in share {
                let held = held(&proc, &format!("{pid}/fd"), inodes)?;
                found.extend(held.into_iter().map(|inode| (inode, pid)));
            }
        }
        Ok(found)
    };
    let mut found = side_by_side(&work)?;
    found.sort_unstable_by_key(|&(inode, pid)| (pid, inode));
    Ok(found)
}

/// Does the work on this thread and, where there are more processors, on others too. Where the system
/// grants no thread (a limit on processes), this one does it all.
fn side_by_side<T: Send>(work: &(impl Fn() -> io::Result<Vec<T>> + Sync)) -> io::Result<Vec<T>> {
    let others = available_parallelism().map_or(1, usize::from).min(MOST_THREADS) - 1;
    scope(|scope| {
        let threads: Vec<_> = (0..others)
            .map_while(|_| std::thread::Builder::new().spawn_scoped(scope, work).ok())
            .collect();
        let mut found = work()?;
        for thread in threads {
            let theirs = thread
                .join()
                .map_err(|_| io::Error::other("a look-up thread panicked"))?;
            found.extend(theirs?);
        }
        Ok(found)
    })
}

/// Whether the process has one of these sockets open; false when it is gone or may not be looked into.
pub(super) fn holds_any(pid: i32, inodes: &BTreeSet<u64>) -> io::Result<bool> {
    Ok(!held(CWD, &format!("/proc/{pid}/fd"), inodes)?.is_empty())
}

/// Which of these sockets stand in a folder of descriptors.
fn held(at: impl AsFd, path: &str, inodes: &BTreeSet<u64>) -> io::Result<BTreeSet<u64>> {
    let mut found = BTreeSet::new();
    let walk = folder(at, path).and_then(|descriptors| {
        numbers(&descriptors, |descriptor| {
            match socket_inode(&descriptors, descriptor) {
                Ok(Some(inode)) if inodes.contains(&inode) => {
                    found.insert(inode);
                }
                Ok(_) => {}
                // Closed meanwhile.
                Err(error) if vanished(&error) => {}
                Err(error) => return Err(error),
            }
            Ok(())
        })
    });
    match walk {
        Err(error) if vanished(&error) || error.kind() == io::ErrorKind::PermissionDenied => Ok(found),
        other => other.map(|()| found),
    }
}

/// The inode of a descriptor that is a socket: its link reads `socket:[inode]`.
fn socket_inode(folder: impl AsFd, descriptor: i32) -> io::Result<Option<u64>> {
    let mut space = [MaybeUninit::<u8>::uninit(); 32];
    let (link, _) = readlinkat_raw(folder, DecInt::new(descriptor), &mut space)?;
    let digits = link
        .strip_prefix(b"socket:[")
        .and_then(|rest| rest.strip_suffix(b"]"));
    Ok(digits.and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok()))
}
