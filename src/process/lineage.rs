//! One process and its ancestors: a few reads, where the whole table would be hundreds.

use std::io;

use super::procfs::{read_whole, vanished};
use super::table::{Process, parse_stat};

/// More generations than any real process has; links read at different moments can form a ring.
const GENERATIONS: usize = 256;

/// The process with this pid and its ancestors, nearest first, as far as they can be followed. Their
/// users are not looked up. Empty when it is gone; a zombie is still there.
///
/// # Errors
/// /proc could not be read.
pub fn lineage(pid: i32) -> io::Result<Vec<Process>> {
    let (mut found, mut next, mut text) = (Vec::new(), pid, Vec::new());
    while next > 0 && found.len() < GENERATIONS {
        match read_whole(&format!("/proc/{next}/stat"), &mut text) {
            Ok(()) => {}
            Err(error) if vanished(&error) => break,
            Err(error) => return Err(error),
        }
        let Some(process) = parse_stat(&text) else { break };
        next = process.ppid;
        found.push(process);
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::lineage;

    #[test]
    fn it_leads_from_a_child_to_us_and_on_to_the_first() {
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let found = lineage(child.id().cast_signed()).unwrap();
        child.kill().unwrap();
        let zombie = lineage(child.id().cast_signed()).unwrap();
        child.wait().unwrap();
        let own = std::process::id().cast_signed();
        assert_eq!(
            (found[0].pid, found[0].ppid, found[1].pid),
            (child.id().cast_signed(), own, own)
        );
        assert_eq!(
            zombie[1].pid, own,
            "who has ended and is not reaped is still ours"
        );
        assert_eq!(found.last().unwrap().pid, 1);
        assert!(lineage(i32::MAX).unwrap().is_empty());
    }
}
