//! Who has a lock, by what the kernel says: whatever its file says, and though its name may be gone.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::read_claim;
use crate::process::{Identity, command};

/// A process that has the lock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// Which.
    pub identity: Identity,
    /// Its command, for people.
    pub command: String,
    /// It took the lock itself as one of us: the file, as this process has it open, names it; or nothing
    /// could be written into the file (a full disk), and the process runs our very program.
    pub ours: bool,
}

/// Everybody who has this lock, or had it before its file was removed. A process of another user is not
/// seen, unless we are root.
///
/// # Errors
/// /proc could not be read.
pub fn holders(path: &Path) -> io::Result<Vec<Holder>> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc")?.flatten() {
        let pid = entry.file_name().to_str().and_then(|name| name.parse().ok());
        let Some(pid) = pid.filter(|pid| *pid != std::process::id().cast_signed()) else {
            continue;
        };
        found.extend(holder(pid, path));
    }
    Ok(found)
}

fn holder(pid: i32, path: &Path) -> Option<Holder> {
    let descriptors = fs::read_dir(format!("/proc/{pid}/fd")).ok()?.flatten();
    let named = |link: &Path| {
        let link = link.to_string_lossy();
        link.strip_suffix(" (deleted)").unwrap_or(&link) == path.to_string_lossy()
    };
    for descriptor in descriptors {
        if !fs::read_link(descriptor.path()).is_ok_and(|link| named(&link)) {
            continue;
        }
        let number = descriptor.file_name();
        let facts = fs::read_to_string(format!("/proc/{pid}/fdinfo/{}", number.to_string_lossy())).ok()?;
        // proc_pid_fdinfo(5): one `lock:` line for each lock that is held through this descriptor.
        let mut locks = facts.lines().filter_map(|line| line.strip_prefix("lock:"));
        let Some(taken_by) = locks.find_map(taken_by) else {
            continue;
        };
        let identity = Identity::of(pid).ok().flatten()?;
        let ours = match File::open(descriptor.path())
            .ok()
            .and_then(|mut file| read_claim(&mut file))
        {
            Some(claim) => (claim.pid, claim.start) == (identity.pid, identity.start),
            None => taken_by == pid && is_our_program(pid),
        };
        return Some(Holder {
            identity,
            command: command(pid),
            ours,
        });
    }
    None
}

/// The pid in `1: FLOCK  ADVISORY  WRITE 4242 fe:00:1078 0 EOF`: who took it; whoever inherited it has it too.
fn taken_by(lock: &str) -> Option<i32> {
    let mut fields = lock.split_whitespace().skip(1);
    let (kind, _, access, pid) = (fields.next()?, fields.next()?, fields.next()?, fields.next()?);
    (kind == "FLOCK" && access == "WRITE")
        .then(|| pid.parse().ok())
        .flatten()
}

fn is_our_program(pid: i32) -> bool {
    let program = |path: String| fs::metadata(path).map(|file| (file.dev(), file.ino())).ok();
    let ours = program("/proc/self/exe".into());
    ours.is_some() && program(format!("/proc/{pid}/exe")) == ours
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Command, Stdio};

    #[test]
    fn the_kernels_words_are_understood() {
        assert_eq!(
            taken_by("\t1: FLOCK  ADVISORY  WRITE 4242 fe:00:1078 0 EOF"),
            Some(4242)
        );
        assert_eq!(taken_by("\t1: FLOCK  ADVISORY  READ 4242 fe:00:1078 0 EOF"), None);
        assert_eq!(
            taken_by("\t1: POSIX  ADVISORY  WRITE 4242 fe:00:1078 0 EOF"),
            None
        );
        assert_eq!(taken_by(""), None);
    }

    #[test]
    fn a_stranger_who_has_the_lock_is_seen_and_is_not_ours() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().canonicalize().expect("it exists").join("lock");
        let mut stranger = Command::new("flock")
            .args([path.as_os_str(), "sleep".as_ref(), "60".as_ref()])
            .stdin(Stdio::null())
            .spawn()
            .expect("flock(1) is there");
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
        let seen = loop {
            let seen = holders(&path).expect("/proc");
            if !seen.is_empty() || std::time::Instant::now() > deadline {
                break seen;
            }
        };
        fs::remove_file(&path).expect("it was there");
        let still = holders(&path).expect("/proc");
        for holder in &still {
            let handle = crate::process::Handle::open(holder.identity).expect("held");
            let _ = handle.map(|handle| handle.signal(9));
        }
        stranger.wait().expect("a child");
        assert!(
            !seen.is_empty() && !still.is_empty(),
            "{seen:?} {still:?}: without a name too"
        );
        assert!(seen.iter().chain(&still).all(|holder| !holder.ours), "{seen:?}");
    }
}
