//! Kernel look-ups: which processes have a socket open, by /proc/PID/fd.

use crate::process::{folder, numbers, vanished};
use rustix::fd::AsFd;
use rustix::fs::{CWD, readlinkat_raw};
use rustix::path::DecInt;
use std::collections::BTreeSet;
use std::io;
use std::mem::MaybeUninit;

/// Every (inode, pid) where the process has that socket open.
///
/// All processes are read, always: a socket can have been inherited by, or sent to, any of them, and
/// no process tells how many others share it. Those that we may not look into are left out.
pub(super) fn holders_of(inodes: &BTreeSet<u64>) -> io::Result<Vec<(u64, i32)>> {
    let proc = folder(CWD, "/proc")?;
    let mut found = Vec::new();
    numbers(&proc, |pid| {
        let held = held(&proc, &format!("{pid}/fd"), inodes)?;
        found.extend(held.into_iter().map(|inode| (inode, pid)));
        Ok(())
    })?;
    Ok(found)
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
