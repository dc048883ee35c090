//! The last step of a start with sockets or a watchdog: only the process itself knows its pid, and LISTEN_PID
//! and WATCHDOG_PID must name it.
//!
//! `sentinel activate` runs in the new process, puts the sockets that it inherited at 3, 4, …, sets the
//! variables of sd_listen_fds(3) and sd_watchdog_enabled(3), and becomes the service.
#![allow(unsafe_code)]

use std::ffi::OsString;
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd, RawFd};
use std::os::unix::process::CommandExt;
use std::process::Command;

use nix::fcntl::{FcntlArg, fcntl};

/// The descriptors, as numbers with commas between, in their order.
pub const FROM: &str = "SENTINEL_SOCKETS";
/// How often the service must be heard of, in microseconds.
pub const WATCHDOG: &str = "WATCHDOG_USEC";
/// SD_LISTEN_FDS_START.
const FIRST: RawFd = 3;

/// Becomes the program; returns only if that fails.
pub fn activate(program: &OsString, args: &[OsString]) -> io::Error {
    let from = std::env::var(FROM).unwrap_or_default();
    let from: Vec<RawFd> = from.split(',').filter_map(|number| number.parse().ok()).collect();
    if let Err(error) = place(&from) {
        return error;
    }
    let pid = std::process::id().to_string();
    let mut command = Command::new(program);
    command.args(args).env_remove(FROM);
    if !from.is_empty() {
        command
            .env("LISTEN_PID", &pid)
            .env("LISTEN_FDS", from.len().to_string());
    }
    if std::env::var_os(WATCHDOG).is_some() {
        command.env("WATCHDOG_PID", &pid);
    }
    command.exec()
}

/// Moves the descriptors to 3, 4, …, out of each other's way first.
fn place(from: &[RawFd]) -> io::Result<()> {
    let count = RawFd::try_from(from.len()).map_err(io::Error::other)?;
    let mut aside: Vec<OwnedFd> = Vec::new();
    for &number in from {
        // SAFETY: whoever started us left these descriptors open for us, and nothing else uses them yet.
        let inherited = unsafe { BorrowedFd::borrow_raw(number) };
        let copy = fcntl(inherited, FcntlArg::F_DUPFD_CLOEXEC(FIRST + count))?;
        // SAFETY: fcntl has just made this descriptor, for us alone.
        aside.push(unsafe { std::os::fd::FromRawFd::from_raw_fd(copy) });
    }
    for &number in from {
        let _ = nix::unistd::close(number);
    }
    for (socket, target) in aside.iter().zip(FIRST..) {
        // SAFETY: what was open at 3, 4, … has been copied and closed; this process has one thread and
        // has opened nothing else.
        let placed = unsafe { nix::unistd::dup2_raw(socket, target) }?;
        // It is the service's now, and stays open in it.
        std::mem::forget(placed);
    }
    Ok(())
}
