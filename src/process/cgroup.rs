//! A cgroup (v2) for each run, where the kernel has them and we may make them: never required.
//!
//! Only in a cgroup that is ours: on a host that systemd manages, one that it delegates (`Delegate=yes`, of
//! which it tells by the attribute `user.delegate` or `trusted.delegate`, or when asked), elsewhere one that we may write to.
//! We make `sentinel.<house>.<service>.<run>` in it and turn on no controllers, so that our own process may
//! stay beside them.

use std::fs;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::io::Errno;

use super::procfs::read_list_at;

/// A user's systemd before version 254 leaves no attribute: it was asked, and delegates our cgroup to us.
static TOLD: AtomicBool = AtomicBool::new(false);

/// systemd says that it delegates our own cgroup to us.
pub fn is_told_to_divide() {
    TOLD.store(true, Ordering::Relaxed);
}

/// How the names of our cgroups begin.
const OURS: &str = "sentinel.";

/// The cgroup of one run.
#[derive(Clone, Debug)]
pub struct Cgroup {
    /// Whoever begins at this finds its files without walking down the whole path, which the kernel can tell.
    folder: Arc<OwnedFd>,
}

/// Where cgroups of runs can be made.
#[derive(Clone, Debug)]
pub struct Nursery {
    own: PathBuf,
    /// Tells the cgroups of this house from those of another.
    house: String,
}

impl Nursery {
    /// Our own cgroup, if we may make others in it; none otherwise, which is nothing to worry about.
    #[must_use]
    pub fn find(house: u64) -> Option<Self> {
        let own = of(std::process::id().cast_signed())?;
        let nursery = Self {
            own,
            house: format!("{OURS}{house:016x}"),
        };
        (is_delegated(&nursery.own) && nursery.try_out().is_ok()).then_some(nursery)
    }

    /// Makes one and looks whether it can do what we need of it, then removes it.
    fn try_out(&self) -> io::Result<()> {
        let trial = self
            .own
            .join(format!("{}.trial.{}", self.house, std::process::id()));
        fs::create_dir(&trial)?;
        // Since Linux 5.14.
        let able = fs::metadata(trial.join("cgroup.kill"));
        let writable = procs(&trial);
        fs::remove_dir(&trial)?;
        able.and(writable).map(drop)
    }

    /// Makes the cgroup of a run.
    ///
    /// # Errors
    /// It may not be made any more, or there are too many.
    pub fn make(&self, run: &str) -> io::Result<Cgroup> {
        let path = self.own.join(format!("{}.{}", self.house, run.replace('#', ".")));
        match fs::create_dir(&path) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
        Cgroup::at(&path)
    }

    /// Removes what earlier supervisors of this house left empty.
    pub fn tidy(&self) {
        let Ok(folder) = fs::read_dir(&self.own) else {
            return;
        };
        for entry in folder.flatten() {
            if entry.file_name().to_string_lossy().starts_with(&self.house) {
                remove(&entry.path());
            }
        }
    }

    /// The cgroup of a run that an earlier supervisor made for this process.
    #[must_use]
    pub fn adopt(house: u64, leader: i32) -> Option<Cgroup> {
        let path = of(leader)?;
        let begins = format!("{OURS}{house:016x}.");
        // The process may have made cgroups of its own below.
        let ours = |path: &&Path| {
            path.file_name()
                .is_some_and(|name| name.to_string_lossy().starts_with(&begins))
        };
        Cgroup::at(path.ancestors().find(ours)?).ok()
    }
}

impl Cgroup {
    fn at(path: &Path) -> io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let folder = Arc::new(openat(CWD, path, flags, Mode::empty())?);
        Ok(Self { folder })
    }

    /// Where it is; nowhere once it is gone.
    fn path(&self) -> PathBuf {
        let link = format!("/proc/self/fd/{}", self.folder.as_raw_fd());
        fs::read_link(link).unwrap_or_default()
    }

    /// Its folder, for a process that is to be born in it.
    #[must_use]
    pub fn folder(&self) -> Arc<OwnedFd> {
        self.folder.clone()
    }

    /// Whether this process is in it, or in one below.
    #[must_use]
    pub fn holds(&self, pid: i32) -> bool {
        of(pid).is_some_and(|path| path.starts_with(self.path()))
    }

    /// Whether a process is left in it or below; a zombie that nobody has reaped does not count.
    ///
    /// # Errors
    /// It could not be looked at. One that is gone is empty.
    pub fn is_populated(&self) -> io::Result<bool> {
        // The file is one that a stop has looked at before: the kernel makes each anew in each cgroup, when it is
        // first opened.
        match self.read("cgroup.procs") {
            Ok(procs) if procs.is_empty() && !self.is_parent() => Ok(false),
            Ok(procs) if procs.is_empty() => self.tells_of_some(),
            Ok(_) => Ok(true),
            Err(error) if is_gone(&error) => Ok(false),
            // A threaded cgroup (EOPNOTSUPP) shows no processes.
            Err(_) => self.tells_of_some(),
        }
    }

    fn tells_of_some(&self) -> io::Result<bool> {
        match self.read("cgroup.events") {
            Ok(events) => Ok(events
                .split(|&byte| byte == b'\n')
                .any(|line| line == b"populated 1")),
            Err(error) if is_gone(&error) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// One of its files, whole.
    fn read(&self, name: &str) -> io::Result<Vec<u8>> {
        let mut text = Vec::new();
        read_list_at(&self.folder, name, &mut text).map(|()| text)
    }

    /// The processes in it and below.
    #[must_use]
    pub fn members(&self) -> Vec<i32> {
        let mut found = numbers(&self.read("cgroup.procs").unwrap_or_default());
        let mut open = if self.is_parent() {
            below(&self.path())
        } else {
            Vec::new()
        };
        while let Some(path) = open.pop() {
            let text = fs::read(path.join("cgroup.procs")).unwrap_or_default();
            found.extend(numbers(&text));
            open.extend(below(&path));
        }
        found
    }

    /// Whether there may be cgroups below it: each is one more link to it, beside its own two.
    fn is_parent(&self) -> bool {
        rustix::fs::fstat(&self.folder).is_ok_and(|folder| folder.st_nlink > 2)
    }

    /// Sends SIGKILL to everything in it, at once: what forks meanwhile is not missed.
    ///
    /// # Errors
    /// The kernel is older than 5.14, or it is not ours.
    pub fn kill(&self) -> io::Result<()> {
        fs::write(self.path().join("cgroup.kill"), "1")
    }

    /// Removes it, and what its processes made below; nothing happens while it is populated.
    pub fn remove(&self) {
        remove(&self.path());
    }
}

fn remove(path: &Path) {
    if rustix::fs::rmdir(path) != Err(Errno::BUSY) {
        return;
    }
    for path in below(path) {
        remove(&path);
    }
    let _ = fs::remove_dir(path);
}

/// It was removed: before the file was opened (ENOENT), or after (ENODEV).
fn is_gone(error: &io::Error) -> bool {
    [Errno::NOENT, Errno::NODEV]
        .iter()
        .any(|errno| error.raw_os_error() == Some(errno.raw_os_error()))
}

/// The pids in a list; 0 is a process that is not of our pid namespace.
fn numbers(text: &[u8]) -> Vec<i32> {
    let lines = text.split(|&byte| byte == b'\n');
    let numbers = lines.filter_map(|line| std::str::from_utf8(line).ok()?.parse::<i32>().ok());
    numbers.filter(|&pid| pid > 0).collect()
}

/// A command of one of our services that becomes a supervisor must not go down with that service.
pub(super) fn leave_run() {
    let Some(own) = of(std::process::id().cast_signed()) else {
        return;
    };
    let is_run = |path: &&Path| {
        path.file_name()
            .is_some_and(|name| name.to_string_lossy().starts_with(OURS))
    };
    if let Some(above) = own.ancestors().filter(is_run).last().and_then(Path::parent) {
        let _ = fs::write(above.join("cgroup.procs"), "0");
    }
}

/// Whoever writes `0` into this joins the cgroup; none if it is gone, or not ours.
pub(super) fn door(folder: &OwnedFd) -> Option<OwnedFd> {
    openat(
        folder,
        "cgroup.procs",
        OFlags::WRONLY | OFlags::CLOEXEC,
        Mode::empty(),
    )
    .ok()
}

fn below(path: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(path).into_iter().flatten().flatten();
    entries
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .map(|entry| entry.path())
        .collect()
}

fn procs(path: &Path) -> io::Result<OwnedFd> {
    let file = path.join("cgroup.procs");
    Ok(openat(
        CWD,
        &file,
        OFlags::WRONLY | OFlags::CLOEXEC,
        Mode::empty(),
    )?)
}

/// The cgroup v2 of a process, as a folder: cgroup2's mount point and the `0::` line of /proc/PID/cgroup.
fn of(pid: i32) -> Option<PathBuf> {
    let text = fs::read_to_string(format!("/proc/{pid}/cgroup")).ok()?;
    let inside = text.lines().find_map(|line| line.strip_prefix("0::/"))?;
    // `..` leads out of our cgroup namespace.
    let reachable = !inside.split('/').any(|part| part == "..");
    let (root, mount) = mount()?;
    let inside = Path::new("/").join(inside.trim_end_matches(" (deleted)"));
    let inside = inside.strip_prefix(root).ok()?;
    reachable.then(|| mount.join(inside))
}

/// Which part of cgroup2 is mounted, and where.
fn mount() -> Option<(PathBuf, PathBuf)> {
    let text = fs::read_to_string("/proc/self/mountinfo").ok()?;
    text.lines().find_map(|line| {
        let (fields, kind) = line.split_once(" - ")?;
        let mut fields = fields.split(' ').skip(3);
        let (root, place) = (fields.next()?, fields.next()?);
        // A path with a blank is written with \040, which no real one has.
        kind.starts_with("cgroup2 ").then(|| (root.into(), place.into()))
    })
}

/// Where systemd rules, only what it delegated is ours to divide.
fn is_delegated(path: &Path) -> bool {
    if TOLD.load(Ordering::Relaxed) || !Path::new("/run/systemd/system").exists() {
        return true;
    }
    let marked = |name: &str| {
        let mut value = [0_u8; 8];
        rustix::fs::getxattr(path, name, &mut value).is_ok_and(|length| value[..length].starts_with(b"1"))
    };
    marked("user.delegate") || marked("trusted.delegate")
}

#[cfg(test)]
mod tests {
    use super::{Cgroup, Nursery, of};
    use std::process::Command;
    use std::time::{Duration, Instant};

    /// A nursery, or the reason why this machine has none.
    fn nursery(house: u64) -> Option<Nursery> {
        let found = Nursery::find(house);
        if found.is_none() {
            eprintln!("SKIPPED: no cgroup v2 here that we may write to");
        }
        found
    }

    #[test]
    fn what_is_inside_is_known_killed_and_cleaned_up() {
        let Some(nursery) = nursery(0xabcd) else { return };
        let cgroup = nursery.make("web#3").unwrap();
        assert!(!cgroup.is_populated().unwrap());
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        let pid = child.id().cast_signed();
        std::fs::write(cgroup.path().join("cgroup.procs"), pid.to_string()).unwrap();
        assert!(cgroup.holds(pid) && cgroup.is_populated().unwrap());
        assert_eq!(cgroup.members(), [pid]);
        let adopted = Nursery::adopt(0xabcd, pid).unwrap();
        assert_eq!(adopted.path(), cgroup.path());
        assert!(Nursery::adopt(0xabce, pid).is_none(), "another house's");
        nursery.tidy();
        assert!(cgroup.is_populated().unwrap(), "what is in use is not removed");
        cgroup.kill().unwrap();
        child.wait().unwrap();
        let deadline = Instant::now() + Duration::from_secs(5);
        while cgroup.is_populated().unwrap() {
            assert!(Instant::now() < deadline);
        }
        let path = cgroup.path();
        cgroup.remove();
        assert!(!path.exists());
        assert!(!cgroup.is_populated().unwrap(), "what is gone is empty");
    }

    #[test]
    fn a_process_that_is_gone_is_nowhere() {
        assert_eq!(of(i32::MAX), None);
        assert!(Cgroup::at("/nowhere".as_ref()).is_err());
    }
}
