//! Our own children, straight from the kernel's list of them.

use super::Table;
use super::procfs::{folder, numbers, read_at, vanished};
use rustix::fs::CWD;
use std::io;

/// How often our threads may change while they are asked before the whole table is read instead.
const ATTEMPTS: usize = 8;

/// The pids of our children (zombies too), ascending.
///
/// A child leaves the kernel's list when it is reaped, which is this thread's work and not done meanwhile, so that
/// none is skipped (proc_tid_children(5)); but a thread of ours that ends hands its children to another, so it is
/// read until our threads are the same before and after. Where the kernel keeps no such list, parent links tell.
///
/// # Errors
/// /proc could not be read: the answer would miss children that live.
pub fn own_children() -> io::Result<Vec<i32>> {
    let mut before = threads()?;
    for _ in 0..ATTEMPTS {
        let Some(children) = listed()? else { break };
        let after = threads()?;
        if before == after {
            return Ok(children);
        }
        before = after;
    }
    by_parent()
}

fn threads() -> io::Result<Vec<i32>> {
    let mut threads = Vec::new();
    numbers(&folder(CWD, "/proc/self/task")?, |task| {
        threads.push(task);
        Ok(())
    })?;
    Ok(threads)
}

/// One reading of /proc/self/task/*/children; `None` where the kernel does not keep them.
fn listed() -> io::Result<Option<Vec<i32>>> {
    let tasks = folder(CWD, "/proc/self/task")?;
    let (mut text, mut found, mut kept) = (Vec::new(), Vec::new(), false);
    numbers(&tasks, |task| {
        match read_at(&tasks, &format!("{task}/children"), &mut text) {
            Ok(()) => kept = true,
            // This thread ended meanwhile, or no thread has the file.
            Err(error) if vanished(&error) => return Ok(()),
            Err(error) => return Err(error),
        }
        let words = text.split(u8::is_ascii_whitespace);
        found.extend(words.filter_map(|word| std::str::from_utf8(word).ok()?.parse::<i32>().ok()));
        Ok(())
    })?;
    found.sort_unstable();
    Ok(kept.then_some(found))
}

/// The same from parent links.
fn by_parent() -> io::Result<Vec<i32>> {
    let me = rustix::process::getpid().as_raw_nonzero().get();
    Ok(Table::read()?.children(me).map(|child| child.pid).collect())
}

#[cfg(test)]
mod tests {
    use super::{by_parent, own_children};
    use std::process::Command;

    #[test]
    fn a_child_of_any_thread_is_ours_until_reaped() {
        let mut child = std::thread::spawn(|| Command::new("sleep").arg("60").spawn().unwrap())
            .join()
            .unwrap();
        let pid = i32::try_from(child.id()).unwrap();
        assert!(own_children().unwrap().contains(&pid));
        assert!(by_parent().unwrap().contains(&pid));
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(!own_children().unwrap().contains(&pid));
    }
}
