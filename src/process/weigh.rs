//! How much memory a run's processes use together.

use std::collections::HashSet;
use std::io;

use nix::unistd::{SysconfVar, sysconf};

use super::procfs::{read_into, vanished};
use super::{Mark, Table, mark, own_children};

/// Bytes that the run's processes use. Resident memory, if that sums up to no more than `enough`; else the
/// proportional share of each (PSS: what several share is counted once, in parts), which costs more to
/// look up and is never more. Who may not be asked counts with its resident memory.
///
/// # Errors
/// /proc could not be read.
pub fn weigh(leader: i32, of: &Mark, enough: u64) -> io::Result<u64> {
    let members = members(leader, of)?;
    let resident: Vec<u64> = members.iter().map(|&pid| resident(pid)).collect();
    let sum: u64 = resident.iter().sum();
    if sum <= enough {
        return Ok(sum);
    }
    let shares = members.iter().zip(resident);
    Ok(shares
        .map(|(&pid, resident)| share(pid).unwrap_or(resident))
        .sum())
}

/// Below the leader, in its session, or below one of our children that carries the mark.
fn members(leader: i32, of: &Mark) -> io::Result<HashSet<i32>> {
    let table = Table::read()?;
    let mut roots: Vec<i32> = table.session(leader).map(|process| process.pid).collect();
    roots.push(leader);
    for child in own_children()? {
        if mark(child)?.is_some_and(|found| found == *of) {
            roots.push(child);
        }
    }
    let mut found: HashSet<i32> = roots.iter().copied().collect();
    for root in roots {
        found.extend(table.descendants(root).iter().map(|process| process.pid));
    }
    Ok(found)
}

/// The second number of /proc/PID/statm, in pages; nothing for one that is gone.
fn resident(pid: i32) -> u64 {
    let page = sysconf(SysconfVar::PAGE_SIZE).ok().flatten().unwrap_or(4096);
    let mut text = Vec::new();
    if read_into(&format!("/proc/{pid}/statm"), &mut text).is_err() {
        return 0;
    }
    let text = String::from_utf8_lossy(&text);
    let pages: u64 = text
        .split(' ')
        .nth(1)
        .and_then(|pages| pages.parse().ok())
        .unwrap_or(0);
    pages.saturating_mul(u64::try_from(page).unwrap_or(4096))
}

/// `Pss:` of /proc/PID/smaps_rollup (Linux 4.14), in KiB there; none if it cannot be asked.
fn share(pid: i32) -> Option<u64> {
    let mut text = Vec::new();
    match read_into(&format!("/proc/{pid}/smaps_rollup"), &mut text) {
        Ok(()) => {}
        Err(error) if vanished(&error) => return Some(0),
        Err(_) => return None,
    }
    let text = String::from_utf8_lossy(&text);
    let line = text.lines().find_map(|line| line.strip_prefix("Pss:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::weigh;
    use crate::process::Mark;

    #[test]
    fn what_is_shared_is_not_counted_twice() {
        let own = std::process::id().cast_signed();
        let nobody = Mark {
            number: 1,
            service: "nobody".into(),
            state_dir: "/nowhere".into(),
        };
        let resident = weigh(own, &nobody, u64::MAX).unwrap();
        let shared = weigh(own, &nobody, 0).unwrap();
        assert!(resident > 1 << 20, "{resident}");
        assert!(
            shared > 1 << 20 && shared <= resident + (16 << 20),
            "{shared} of {resident}"
        );
        assert_eq!(weigh(i32::MAX, &nobody, 0).unwrap(), 0);
    }
}
