//! Whether a process carries the container that it is in: when it ends, so does everything else in there.

use std::io;
use std::os::unix::fs::MetadataExt;

use super::Table;

/// The inode of the host's own pid namespace (`PROC_PID_INIT_INO`, include/linux/proc_ns.h).
const HOST: u64 = 0xEFFF_FFFC;
/// Its end is the end of a pid namespace (`pid_namespaces(7)`).
const INIT: i32 = 1;

/// Whether this process is PID 1, or the one program that a container's small init (tini, dumb-init,
/// catatonit) was given to run: its child still, and in its session, which no daemon is.
///
/// # Errors
/// /proc could not be read.
pub fn carries_container(pid: i32) -> io::Result<bool> {
    if pid == INIT {
        return Ok(true);
    }
    if std::fs::metadata("/proc/self/ns/pid")?.ino() == HOST {
        return Ok(false);
    }
    let table = Table::read()?;
    let (Some(init), Some(process)) = (table.get(INIT), table.get(pid)) else {
        return Ok(false);
    };
    Ok(process.ppid == INIT && process.session == init.session)
}

#[cfg(test)]
mod tests {
    use super::carries_container;

    #[test]
    fn the_first_process_does_and_one_of_many_does_not() {
        assert!(carries_container(1).unwrap());
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        assert!(!carries_container(child.id().cast_signed()).unwrap());
        child.kill().unwrap();
        child.wait().unwrap();
    }
}
