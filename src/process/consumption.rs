//! What one process uses, by one read of one file: hundreds are asked for at each status.

use super::procfs::read_into;
use nix::unistd::{SysconfVar, sysconf};
use std::sync::OnceLock;

/// What a process has used, and uses.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Consumption {
    /// When it started, in clock ticks since boot, as in its identity.
    pub start: u64,
    /// CPU time of all its threads, in seconds.
    pub cpu_seconds: f64,
    /// Resident memory, in bytes.
    pub memory_bytes: u64,
}

/// Of the process that has this pid now, a zombie too; none when there is none or it may not be seen.
#[must_use]
pub fn consumption(pid: i32) -> Option<Consumption> {
    let mut stat = Vec::with_capacity(4096);
    read_into(&format!("/proc/{pid}/stat"), &mut stat).ok()?;
    parse(
        &stat,
        of_system(SysconfVar::CLK_TCK, 100),
        of_system(SysconfVar::PAGE_SIZE, 4096),
    )
}

/// Fields 14, 15 (ticks in user mode and in the kernel), 22 and 24 (pages) of /proc/PID/stat (proc_pid_stat(5)).
fn parse(stat: &[u8], ticks_per_second: u64, page: u64) -> Option<Consumption> {
    // The name may hold anything, a parenthesis too.
    let end = stat.iter().rposition(|&byte| byte == b')')?;
    let rest = std::str::from_utf8(&stat[end + 1..]).ok()?;
    let mut fields = rest.split_ascii_whitespace().skip(11).map(str::parse::<u64>);
    let (user, kernel) = (fields.next()?.ok()?, fields.next()?.ok()?);
    let start = fields.nth(6)?.ok()?;
    let pages = fields.nth(1)?.ok()?;
    Some(Consumption {
        start,
        cpu_seconds: (user + kernel) as f64 / ticks_per_second as f64,
        memory_bytes: pages * page,
    })
}

/// A number that does not change while the system is up.
fn of_system(which: SysconfVar, usual: u64) -> u64 {
    static TICKS: OnceLock<u64> = OnceLock::new();
    static PAGE: OnceLock<u64> = OnceLock::new();
    let kept = if matches!(which, SysconfVar::CLK_TCK) {
        &TICKS
    } else {
        &PAGE
    };
    *kept.get_or_init(|| {
        let known = sysconf(which)
            .ok()
            .flatten()
            .and_then(|number| u64::try_from(number).ok());
        known.filter(|number| *number > 0).unwrap_or(usual)
    })
}

#[cfg(test)]
mod tests {
    use super::{Consumption, consumption, parse};

    #[test]
    fn the_fields_are_counted_from_the_last_parenthesis() {
        let stat =
            b"7 (a) b) S 1 7 7 0 -1 4194304 34 0 0 0 250 50 0 0 20 0 1 0 4242 1 3 18446744073709551615 0\n";
        let expected = Consumption {
            start: 4242,
            cpu_seconds: 3.0,
            memory_bytes: 3 * 4096,
        };
        assert_eq!(parse(stat, 100, 4096), Some(expected));
        assert_eq!(parse(b"7 (torn", 100, 4096), None);
        assert_eq!(parse(b"", 100, 4096), None);
    }

    #[test]
    fn we_use_something_and_nobody_uses_nothing() {
        let own = consumption(std::process::id().cast_signed()).expect("we live");
        assert!(own.memory_bytes > 100_000 && own.start > 0);
        assert_eq!(consumption(i32::MAX), None);
    }
}
