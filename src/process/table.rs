//! One reading of /proc: every process, its parent, group and session.

use super::procfs::{folder, numbers, read_whole_at, vanished};
use rustix::fd::OwnedFd;
use rustix::fs::{AtFlags, CWD, statat};
use std::collections::HashSet;
use std::fmt::Write as _;
use std::io;

/// One process as /proc/PID/stat shows it (proc_pid_stat(5)).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    /// Process id.
    pub pid: i32,
    /// Its parent; 0 for pid 1 and for one whose parent is in an outer pid namespace.
    pub ppid: i32,
    /// Process group.
    pub pgrp: i32,
    /// Session.
    pub session: i32,
    /// Start, in clock ticks since boot.
    pub start: u64,
    /// `R` running, `S` sleeping, `D` uninterruptible, `Z` zombie, `T` stopped, `t` traced, `X` dead, `I` idle.
    pub state: char,
    /// Effective user, who owns /proc/PID.
    pub uid: u32,
    /// The kernel's name of it (comm), at most 15 bytes for a user's process. Chosen by the process itself.
    pub comm: String,
}

/// One reading of /proc. Not a snapshot: processes came and went while it was taken.
#[derive(Clone, Debug, Default)]
pub struct Table {
    /// Ascending by pid.
    processes: Vec<Process>,
    /// Indices into `processes`, ascending by ppid.
    by_parent: Vec<usize>,
}

impl Table {
    /// Reads /proc. Processes hidden from us (hidepid) are missing.
    ///
    /// # Errors
    /// /proc could not be read: the table would miss processes that live.
    pub fn read() -> io::Result<Table> {
        Self::read_with(|proc, path| Some(statat(proc, path, AtFlags::empty()).ok()?.st_uid))
    }

    /// The same without users, who are 0: for those who only follow links.
    ///
    /// # Errors
    /// The same.
    pub fn links() -> io::Result<Table> {
        Self::read_with(|_, _| Some(0))
    }

    fn read_with(owner: impl Fn(&OwnedFd, &str) -> Option<u32>) -> io::Result<Table> {
        let proc = folder(CWD, "/proc")?;
        let mut processes = Vec::with_capacity(512);
        let (mut path, mut stat) = (String::new(), Vec::with_capacity(4096));
        numbers(&proc, |pid| {
            path.clear();
            let _ = write!(path, "{pid}/stat");
            match read_whole_at(&proc, &path, &mut stat) {
                Ok(()) => {}
                Err(error) if vanished(&error) || error.kind() == io::ErrorKind::PermissionDenied => {
                    return Ok(());
                }
                Err(error) => return Err(error),
            }
            path.truncate(path.len() - "/stat".len());
            if let (Some(process), Some(uid)) = (parse_stat(&stat), owner(&proc, &path)) {
                processes.push(Process { uid, ..process });
            }
            Ok(())
        })?;
        Ok(processes.into_iter().collect())
    }

    /// All of them, ascending by pid.
    pub fn iter(&self) -> impl Iterator<Item = &Process> {
        self.processes.iter()
    }

    /// The one with this pid.
    #[must_use]
    pub fn get(&self, pid: i32) -> Option<&Process> {
        let found = self.processes.binary_search_by_key(&pid, |process| process.pid);
        found.ok().map(|index| &self.processes[index])
    }

    /// Its children.
    pub fn children(&self, pid: i32) -> impl Iterator<Item = &Process> {
        let from = self
            .by_parent
            .partition_point(|&index| self.processes[index].ppid < pid);
        self.by_parent[from..]
            .iter()
            .map(|&index| &self.processes[index])
            .take_while(move |process| process.ppid == pid)
    }

    /// Its children, their children and so on, without itself; parents before their children.
    ///
    /// Who was orphaned meanwhile is not among them: its parent link leads elsewhere.
    #[must_use]
    pub fn descendants(&self, pid: i32) -> Vec<&Process> {
        let mut seen = HashSet::from([pid]);
        let mut found: Vec<&Process> = self
            .children(pid)
            .filter(|child| seen.insert(child.pid))
            .collect();
        let mut next = 0;
        while let Some(process) = found.get(next) {
            found.extend(self.children(process.pid).filter(|child| seen.insert(child.pid)));
            next += 1;
        }
        found
    }

    /// Its parent, its parent's parent and so on, without itself, nearest first.
    #[must_use]
    pub fn ancestors(&self, pid: i32) -> Vec<&Process> {
        let mut found: Vec<&Process> = Vec::new();
        let mut parent = self.get(pid).and_then(|process| self.get(process.ppid));
        // Links read at different moments can form a ring.
        while let Some(process) = parent
            .filter(|process| process.pid != pid && found.iter().all(|earlier| earlier.pid != process.pid))
        {
            found.push(process);
            parent = self.get(process.ppid);
        }
        found
    }

    /// The members of a process group.
    pub fn group(&self, pgrp: i32) -> impl Iterator<Item = &Process> {
        self.iter().filter(move |process| process.pgrp == pgrp)
    }

    /// The members of a session.
    pub fn session(&self, session: i32) -> impl Iterator<Item = &Process> {
        self.iter().filter(move |process| process.session == session)
    }
}

impl FromIterator<Process> for Table {
    fn from_iter<I: IntoIterator<Item = Process>>(processes: I) -> Table {
        let mut processes: Vec<Process> = processes.into_iter().collect();
        processes.sort_by_key(|process| process.pid);
        let mut by_parent: Vec<usize> = (0..processes.len()).collect();
        by_parent.sort_by_key(|&index| processes[index].ppid);
        Table { processes, by_parent }
    }
}

/// Parses /proc/PID/stat, all but the uid, which it does not hold. `None` for a line that is not one.
///
/// The name stands in parentheses and may itself hold spaces, parentheses and newlines, so the fields
/// are counted from the *last* `)`: after it come only numbers and the state's letter.
pub(super) fn parse_stat(line: &[u8]) -> Option<Process> {
    let open = line.iter().position(|&byte| byte == b'(')?;
    let close = line.iter().rposition(|&byte| byte == b')')?;
    let pid = std::str::from_utf8(&line[..open]).ok()?.trim().parse().ok()?;
    let comm = String::from_utf8_lossy(line.get(open + 1..close)?).into_owned();
    let mut fields = std::str::from_utf8(&line[close + 1..])
        .ok()?
        .split_ascii_whitespace();
    let state = fields.next()?.chars().next()?;
    let ppid = fields.next()?.parse().ok()?;
    let pgrp = fields.next()?.parse().ok()?;
    let session = fields.next()?.parse().ok()?;
    // Field 22 of the line; the session was field 6.
    let start = fields.nth(22 - 7)?.parse().ok()?;
    Some(Process {
        pid,
        ppid,
        pgrp,
        session,
        start,
        state,
        uid: 0,
        comm,
    })
}

#[cfg(test)]
mod tests {
    use super::{Process, Table, parse_stat};
    use std::process::Command;

    const TAIL: &str = "S 7 42 40 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 98765 1 2 3";

    #[test]
    fn hostile_names_do_not_shift_the_fields() {
        for name in ["sleep", "a b", ") R 1 1 1", "((", "a\nb", "))))) Z", ""] {
            let process = parse_stat(format!("42 ({name}) {TAIL}\n").as_bytes()).unwrap();
            assert_eq!((process.pid, process.ppid, process.pgrp), (42, 7, 42), "{name:?}");
            assert_eq!(
                (process.session, process.start, process.state),
                (40, 98765, 'S'),
                "{name:?}"
            );
            assert_eq!(process.comm, name);
        }
        let mut binary = b"42 (\xff\xfe) ".to_vec();
        binary.extend(TAIL.as_bytes());
        assert_eq!(parse_stat(&binary).unwrap().start, 98765);
    }

    #[test]
    fn a_torn_line_is_none() {
        let whole = format!("42 (sleep) {TAIL}");
        let complete = whole.find("98765").unwrap() + 1;
        for end in 0..complete {
            assert_eq!(parse_stat(&whole.as_bytes()[..end]), None, "{}", &whole[..end]);
        }
    }

    fn process(pid: i32, ppid: i32, session: i32) -> Process {
        Process {
            pid,
            ppid,
            pgrp: session,
            session,
            start: 1,
            state: 'S',
            uid: 0,
            comm: String::new(),
        }
    }

    fn pids<'a>(processes: impl IntoIterator<Item = &'a Process>) -> Vec<i32> {
        processes.into_iter().map(|process| process.pid).collect()
    }

    #[test]
    fn links_are_followed_both_ways() {
        let table: Table = [(9, 3, 3), (1, 0, 1), (3, 1, 3), (5, 3, 5), (6, 5, 5), (4, 1, 4)]
            .map(|(pid, ppid, session)| process(pid, ppid, session))
            .into_iter()
            .collect();
        assert_eq!(pids(table.children(3)), [5, 9]);
        assert_eq!(pids(table.descendants(3)), [5, 9, 6]);
        assert!(pids(table.descendants(6)).is_empty());
        assert_eq!(pids(table.ancestors(6)), [5, 3, 1]);
        assert_eq!(pids(table.session(5)), [5, 6]);
        assert_eq!(pids(table.group(3)), [3, 9]);
        assert_eq!(table.get(7), None);
    }

    #[test]
    fn a_ring_of_links_ends() {
        let table: Table = [process(2, 3, 2), process(3, 2, 2), process(4, 4, 4)]
            .into_iter()
            .collect();
        assert_eq!(pids(table.descendants(2)), [3]);
        assert_eq!(pids(table.ancestors(2)), [3]);
        assert!(pids(table.descendants(4)).is_empty());
        assert!(pids(table.ancestors(4)).is_empty());
    }

    #[test]
    fn a_real_reading_shows_us_and_our_child() {
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        let (me, pid) = (
            i32::try_from(std::process::id()).unwrap(),
            i32::try_from(child.id()).unwrap(),
        );
        let table = Table::read().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        let found = table.get(pid).unwrap();
        assert_eq!(found.ppid, me);
        assert_eq!(found.uid, rustix::process::geteuid().as_raw());
        assert_eq!(found.session, table.get(me).unwrap().session);
        assert!(pids(table.descendants(me)).contains(&pid));
        assert!(table.get(1).is_some());
    }
}
