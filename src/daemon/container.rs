//! No restart ends the supervisor that a container lives by: the container would end with it, and with the
//! container the restart itself, before anything was started again.

use std::io;

use crate::api::{Failure, FailureKind, Mode};
use crate::lock::{Lock, holders};
use crate::paths::Paths;
use crate::process::carries_container;

/// Refuses, before anything is touched, what would end the container.
///
/// # Errors
/// The supervisor is PID 1, or the program that this container's init runs.
pub fn spare(mode: Mode, paths: &Paths) -> Result<(), Failure> {
    let pid = match mode {
        Mode::Start => return Ok(()),
        Mode::Master | Mode::Quick | Mode::Emergency => find(paths),
    };
    let failed = |message: String, help: Option<&str>| Failure {
        kind: FailureKind::Failed,
        message,
        help: help.map(str::to_owned),
    };
    match pid {
        Ok(None) => Ok(()),
        Ok(Some(pid)) => Err(failed(
            format!(
                "the supervisor (pid {pid}) is what this container runs: ending it would end the container; \
                 nothing was stopped"
            ),
            Some(
                "every service: sentinel restart '*'; ports: sentinel flush --strays; \
                 a new binary: sentinel upgrade; all of it: restart the container from outside",
            ),
        )),
        Err(error) => Err(failed(
            format!("cannot see what the supervisor is: {error}"),
            None,
        )),
    }
}

/// Who has the house and carries the container. A lock may hold no name (full disk), or that of one who
/// only inherited it: those who really have it are looked at, too.
fn find(paths: &Paths) -> io::Result<Option<i32>> {
    for path in [paths.supervisor_lock(), paths.operation_lock()] {
        let named = Lock::holder(&path).and_then(|held| held.pid);
        let real = holders(&path)?.into_iter().filter(|holder| holder.ours);
        for pid in named.into_iter().chain(real.map(|holder| holder.identity.pid)) {
            if carries_container(pid)? {
                return Ok(Some(pid));
            }
        }
    }
    Ok(None)
}
