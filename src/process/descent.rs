//! What descends from one process, from the kernel's lists of children: a few reads, where the whole table would be
//! thousands on a busy host.

use std::io;
use std::sync::OnceLock;

use rustix::fs::CWD;

use super::procfs::{folder, numbers, read_into, read_whole, vanished};
use super::table::{Process, parse_stat};

/// How often two readings of a list may differ.
const ATTEMPTS: usize = 8;
/// Two links of its own, and one for each thread.
const ALONE: u64 = 3;

/// One process, its user not looked up; none when it is gone. A zombie is still there.
///
/// # Errors
/// /proc could not be read.
pub fn process(pid: i32) -> io::Result<Option<Process>> {
    let mut text = Vec::new();
    match read_whole(&format!("/proc/{pid}/stat"), &mut text) {
        Ok(()) => Ok(parse_stat(&text)),
        Err(error) if vanished(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The children of this process, their children and so on, zombies left out; each was its parent's child when it was
/// looked at. None where the kernel keeps no lists, or they change too fast.
///
/// # Errors
/// /proc could not be read.
pub fn descendants(pid: i32) -> io::Result<Option<Vec<Process>>> {
    let (mut found, mut open): (Vec<Process>, Vec<i32>) = (Vec::new(), vec![pid]);
    while let Some(parent) = open.pop() {
        let Some(children) = steady_children(parent)? else {
            return Ok(None);
        };
        for child in children {
            // One that has another parent by now was given to somebody: to us, if to nobody below.
            let child = process(child)?.filter(|child| child.ppid == parent && child.state != 'Z');
            open.extend(child.iter().map(|child| child.pid));
            found.extend(child);
        }
    }
    Ok(Some(found))
}

/// The list may skip one while another exits (proc_tid_children(5)), so it is read until two readings agree; an
/// empty one skips nobody.
fn steady_children(pid: i32) -> io::Result<Option<Vec<i32>>> {
    if !are_kept() {
        return Ok(None);
    }
    let mut before = None;
    for _ in 0..ATTEMPTS {
        let now = children(pid)?;
        if now.is_empty() || before.as_ref() == Some(&now) {
            return Ok(Some(now));
        }
        before = Some(now);
    }
    Ok(None)
}

fn children(pid: i32) -> io::Result<Vec<i32>> {
    let tasks = format!("/proc/{pid}/task");
    let mut threads = vec![pid];
    match rustix::fs::stat(tasks.as_str()) {
        Ok(found) if found.st_nlink <= ALONE => {}
        Ok(_) => threads = listed(&tasks)?,
        Err(error) if vanished(&error.into()) => return Ok(Vec::new()),
        Err(error) => return Err(error.into()),
    }
    let (mut text, mut found) = (Vec::new(), Vec::new());
    for thread in threads {
        match read_into(&format!("{tasks}/{thread}/children"), &mut text) {
            Ok(()) => {}
            Err(error) if vanished(&error) => continue,
            Err(error) => return Err(error),
        }
        let words = text.split(u8::is_ascii_whitespace);
        found.extend(words.filter_map(|word| std::str::from_utf8(word).ok()?.parse::<i32>().ok()));
    }
    found.sort_unstable();
    Ok(found)
}

fn listed(tasks: &str) -> io::Result<Vec<i32>> {
    let mut found = Vec::new();
    let all = folder(CWD, tasks).and_then(|tasks| {
        numbers(&tasks, |thread| {
            found.push(thread);
            Ok(())
        })
    });
    match all {
        Err(error) if !vanished(&error) => Err(error),
        Ok(()) | Err(_) => Ok(found),
    }
}

/// Whether this kernel keeps lists of children (CONFIG_PROC_CHILDREN).
fn are_kept() -> bool {
    static KEPT: OnceLock<bool> = OnceLock::new();
    *KEPT.get_or_init(|| {
        let own = std::process::id();
        std::path::Path::new(&format!("/proc/{own}/task/{own}/children")).exists()
    })
}

#[cfg(test)]
mod tests {
    use super::{descendants, process};
    use std::io::{BufRead, BufReader};
    use std::process::{Command, Stdio};

    #[test]
    fn children_of_children_are_found_also_those_of_other_threads() {
        let mut shell = Command::new("sh")
            .args(["-c", "sh -c 'sleep 60 & echo $!; exec sleep 60'; exit"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(shell.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let grandchild: i32 = line.trim().parse().unwrap();
        let below = descendants(shell.id().cast_signed()).unwrap();
        let own = descendants(std::process::id().cast_signed()).unwrap();
        for pid in below
            .iter()
            .flatten()
            .map(|process| process.pid)
            .chain([grandchild])
        {
            let _ = Command::new("kill").arg(pid.to_string()).status();
        }
        shell.wait().unwrap();
        let Some(below) = below else {
            return eprintln!("SKIPPED: this kernel keeps no lists of children");
        };
        assert!(below.iter().any(|process| process.pid == grandchild), "{below:?}");
        let own = own.unwrap_or_default();
        assert!(
            own.iter().any(|process| process.pid == grandchild),
            "of this thread's child"
        );
    }

    #[test]
    fn who_is_gone_has_nobody() {
        assert_eq!(process(i32::MAX).unwrap(), None);
        assert!(descendants(i32::MAX).unwrap().unwrap_or_default().is_empty());
    }
}
