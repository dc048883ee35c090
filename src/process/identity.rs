//! Which process: a pid that cannot be mistaken for its successor's.

use super::procfs::{read_into, read_whole, vanished};
use super::table::{Process, parse_stat};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::io;

/// Which process, for as long as this boot lasts: a recycled pid has another start time.
///
/// On disk it needs the [`boot_id`] beside it: both numbers begin again after a reboot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Identity {
    /// The process id, in our pid namespace.
    pub pid: i32,
    /// When it started, in clock ticks since boot: field 22 of /proc/PID/stat (proc_pid_stat(5)).
    pub start: u64,
}

impl Identity {
    /// The process that has this pid now (a zombie too); `None` when there is none.
    ///
    /// # Errors
    /// /proc could not be read, which says nothing about the process.
    pub fn of(pid: i32) -> io::Result<Option<Identity>> {
        let mut buffer = Vec::new();
        match read_whole(&format!("/proc/{pid}/stat"), &mut buffer) {
            Ok(()) => Ok(parse_stat(&buffer).map(|process| process.identity())),
            Err(error) if vanished(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

impl Process {
    /// This process, and no later one with its pid.
    #[must_use]
    pub fn identity(&self) -> Identity {
        Identity {
            pid: self.pid,
            start: self.start,
        }
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "pid {}", self.pid)
    }
}

/// This boot, as the kernel names it: a random UUID. Empty where the kernel does not tell.
#[must_use]
pub fn boot_id() -> String {
    let mut buffer = Vec::new();
    match read_into("/proc/sys/kernel/random/boot_id", &mut buffer) {
        Ok(()) => String::from_utf8_lossy(&buffer).trim().to_string(),
        Err(_) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::{Identity, boot_id};

    #[test]
    fn a_process_keeps_its_identity() {
        let me = i32::try_from(std::process::id()).unwrap();
        let first = Identity::of(me).unwrap().unwrap();
        assert_eq!(first.pid, me);
        assert!(first.start > 0);
        assert_eq!(Identity::of(me).unwrap(), Some(first));
    }

    #[test]
    fn a_pid_that_nobody_has_is_none_and_not_an_error() {
        assert_eq!(Identity::of(i32::MAX).unwrap(), None);
    }

    #[test]
    fn the_boot_has_a_name() {
        assert_eq!(boot_id().len(), 36);
        assert_eq!(boot_id(), boot_id());
    }
}
