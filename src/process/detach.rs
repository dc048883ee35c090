//! Turns this process into a daemon: own session, none of the caller's descriptors, folder or mask.

use std::fs::File;
use std::io;
use std::os::fd::RawFd;
use std::path::Path;
use std::process::{Command, Stdio};

use nix::sys::stat::{Mode, umask};

use super::MARK;

/// Leaves the caller's session, closes every descriptor but the standard three, and goes to `/`.
/// To be called before anything else opens a descriptor.
pub fn leave_caller() {
    // Fails only for a group leader, which then has a group of its own already.
    let _ = nix::unistd::setsid();
    for descriptor in inherited() {
        let _ = nix::unistd::close(descriptor);
    }
    let _ = std::env::set_current_dir("/");
    umask(Mode::from_bits_truncate(0o022));
}

/// A restart that one of our own services asks for must outlive that service: starts this program again,
/// without the service's mark and, once we exit, without it as an ancestor.
///
/// # Errors
/// No process can be made.
pub fn step_outside() -> io::Result<()> {
    super::cgroup::leave_run();
    let mut again = Command::new("/proc/self/exe");
    again
        .args(std::env::args_os().skip(1))
        .env_remove(MARK)
        .stdin(Stdio::null())
        .spawn()
        .map(drop)
}

fn inherited() -> Vec<RawFd> {
    let Ok(folder) = std::fs::read_dir("/proc/self/fd") else {
        return Vec::new();
    };
    let numbers = folder
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    numbers.filter(|&number: &RawFd| number > 2).collect()
}

/// Sends what is written to standard error from now on (panics too) to the end of this file.
///
/// # Errors
/// The file cannot be opened for appending.
pub fn errors_to(file: &Path) -> io::Result<()> {
    let log = File::options().create(true).append(true).open(file)?;
    Ok(nix::unistd::dup2_stderr(&log)?)
}

/// Lets go of the pipe to the caller, who may be waiting for its end.
pub fn release_output() {
    if let Ok(null) = File::options().write(true).open("/dev/null") {
        let _ = nix::unistd::dup2_stdout(&null);
    }
}
