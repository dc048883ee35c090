//! A copy of a socket that another process has open: the same socket, queue and all.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;

use super::{Handle, Identity};

/// Copies the socket of that inode from this process (pidfd_getfd(2), Linux 5.6).
///
/// # Errors
/// It is gone, or we may not: the process is not ours to trace (ptrace(2): another user's, or Yama's
/// `ptrace_scope` forbids it to all but its ancestors).
pub fn fetch_socket(process: Identity, inode: u64) -> io::Result<OwnedFd> {
    let gone = || io::Error::new(io::ErrorKind::NotFound, "it has no such socket");
    let handle = Handle::open(process)?.ok_or_else(gone)?;
    let wanted = format!("socket:[{inode}]");
    for entry in fs::read_dir(format!("/proc/{}/fd", process.pid))?.flatten() {
        let number = entry.file_name().to_str().and_then(|name| name.parse().ok());
        if let Some(number) = number
            && fs::read_link(entry.path()).is_ok_and(|link| link.to_string_lossy() == wanted)
        {
            return handle.descriptor(number);
        }
    }
    Err(gone())
}
