//! Collects ended children: ours, and the orphans that the kernel gave us as their sub-reaper.

use rustix::process::{WaitOptions, wait};

use crate::service::Exit;

/// Every child that has ended since the last call, with its exit.
#[must_use]
pub fn reap() -> Vec<(i32, Exit)> {
    let mut ended = Vec::new();
    while let Ok(Some((pid, status))) = wait(WaitOptions::NOHANG) {
        let exit = match (status.exit_status(), status.terminating_signal()) {
            (Some(code), _) => Exit::Code(code),
            (None, Some(signal)) => Exit::Signal(signal),
            (None, None) => continue,
        };
        ended.push((pid.as_raw_nonzero().get(), exit));
    }
    ended
}

/// Makes this process the one that orphans below it are given to, so that none of them can get lost.
///
/// # Errors
/// The kernel is older than 3.4.
pub fn adopt_orphans() -> nix::Result<()> {
    nix::sys::prctl::set_child_subreaper(true)
}
