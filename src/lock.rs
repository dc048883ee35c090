//! Locks that say who holds them: one flock per file, released by the kernel when the holder dies.

mod holders;

use std::fmt;
use std::fs::{DirBuilder, File};
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use jiff::tz::TimeZone;
use rustix::fs::{FlockOperation, Mode, OFlags};
use serde::{Deserialize, Serialize};

use crate::process::{Handle, Identity};
pub use holders::{Holder, holders};

/// A held lock. Dropping it removes the file and frees the lock.
#[derive(Debug)]
pub struct Lock {
    /// Keeps the flock; close-on-exec, so that no child can inherit it.
    file: File,
    path: PathBuf,
}

/// Who holds a lock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// The holder; none in the instant before it has written its name.
    pub pid: Option<i32>,
    /// The holder, as a process that can be held to it.
    pub identity: Option<Identity>,
    /// What it is doing, such as `sentinel restart`.
    pub command: String,
    /// Since when, RFC 3339.
    pub since: String,
}

/// Why a lock was not taken.
#[derive(Debug)]
pub enum Refused {
    /// Somebody else has it.
    Held(Held),
    /// The file system says no.
    Io(io::Error),
}

/// What a lock file holds. `start` tells a process from a later one with the same pid.
#[derive(Serialize, Deserialize)]
struct Claim {
    pid: i32,
    start: u64,
    command: String,
    at: String,
}

impl Lock {
    /// Takes the lock without waiting. Creates the folder (0700) and the file (0600) if need be.
    ///
    /// # Errors
    /// [`Refused::Held`] when another process has it.
    pub fn take(path: &Path, command: &str) -> Result<Self, Refused> {
        let folder = path.parent().unwrap_or(Path::new("/"));
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .and_then(|()| own_folder(folder).map(drop))
            .map_err(Refused::Io)?;
        loop {
            let mut file = open(path, OFlags::RDWR | OFlags::CREATE).map_err(Refused::Io)?;
            match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => {}
                Err(rustix::io::Errno::WOULDBLOCK) => return Err(Refused::Held(read_holder(&mut file))),
                Err(error) => return Err(Refused::Io(error.into())),
            }
            // The last holder removes the file: what we locked may have no name any more.
            if is_named(&file, path) {
                match write_claim(&mut file, command) {
                    // The lock is ours without a word in it; see [`holders`].
                    Err(error) if is_full(&error) => file.set_len(0).map_err(Refused::Io)?,
                    written => written.map_err(Refused::Io)?,
                }
                return Ok(Self {
                    file,
                    path: path.to_path_buf(),
                });
            }
        }
    }

    /// A lock that this very process took before exec replaced its program: the claim in it still holds.
    #[must_use]
    pub fn inherited(descriptor: OwnedFd, path: &Path) -> Self {
        Self {
            file: descriptor.into(),
            path: path.to_path_buf(),
        }
    }

    /// Who holds the lock now. A file that a dead process left behind counts as free.
    #[must_use]
    pub fn holder(path: &Path) -> Option<Held> {
        let mut file = open(path, OFlags::RDONLY).ok()?;
        let Some(claim) = read_claim(&mut file) else {
            return unclaimed(&file, path);
        };
        // Only a claim of a living process is put to the test: trying the lock of a dead one
        // could make somebody's `take` fail in that very instant.
        let claimed = Identity {
            pid: claim.pid,
            start: claim.start,
        };
        if !lives(claimed) {
            return None;
        }
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockShared) {
            Ok(()) => None,
            Err(_) => Some(claim.into()),
        }
    }
}

impl AsFd for Lock {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Before the lock is released: only its holder may remove the name. If it fails, the
        // file stays behind without a lock, which counts as free.
        let _ = std::fs::remove_file(&self.path);
    }
}

impl Held {
    /// `` `sentinel restart` (pid 123, since 08:41:02) ``, by the local clock.
    #[must_use]
    pub fn holder(&self) -> String {
        let pid = self.pid.map(|pid| format!("pid {pid}, ")).unwrap_or_default();
        format!("`{}` ({pid}since {})", self.command, clock_time(&self.since))
    }
}

impl fmt::Display for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "another operation is under way: {}", self.holder())
    }
}

/// `08:41:02` from RFC 3339; the text itself when it is something else.
fn clock_time(at: &str) -> String {
    match at.parse::<Timestamp>() {
        Ok(time) => time.to_zoned(TimeZone::system()).strftime("%H:%M:%S").to_string(),
        Err(_) => at.to_owned(),
    }
}

impl From<Claim> for Held {
    fn from(claim: Claim) -> Self {
        let identity = Some(Identity {
            pid: claim.pid,
            start: claim.start,
        });
        Self {
            pid: Some(claim.pid),
            identity,
            command: claim.command,
            since: claim.at,
        }
    }
}

/// Opens what has this name in its folder; neither may be a link.
fn open(path: &Path, flags: OFlags) -> io::Result<File> {
    let folder = folder(path.parent().unwrap_or(Path::new("/")))?;
    let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
    let flags = flags | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    Ok(File::from(rustix::fs::openat(
        &folder,
        name,
        flags,
        Mode::RUSR | Mode::WUSR,
    )?))
}

/// A folder itself, not what a link of its name leads to.
fn folder(path: &Path) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    rustix::fs::open(path, flags, Mode::empty())
        .map(File::from)
        .map_err(|error| match error {
            rustix::io::Errno::LOOP | rustix::io::Errno::NOTDIR if path.is_symlink() => {
                io::Error::other("its folder is a symbolic link, which is not followed")
            }
            error => error.into(),
        })
}

/// The state folder, proven ours; nobody else may look into it from now on.
///
/// # Errors
/// It is a link, or belongs to somebody who is neither us nor, if we are root, whoever runs here.
pub fn own_folder(path: &Path) -> io::Result<File> {
    let folder = folder(path)?;
    let metadata = folder.metadata()?;
    let me = rustix::process::geteuid().as_raw();
    if metadata.uid() != me && me != 0 {
        let message = format!("its folder belongs to user {}", metadata.uid());
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, message));
    }
    // Where others could write, they may have; the check before a start tells that to a person.
    if metadata.mode() & 0o022 == 0 && metadata.mode() & 0o055 != 0 {
        rustix::fs::fchmod(&folder, Mode::RWXU)?;
    }
    Ok(folder)
}

fn is_named(file: &File, path: &Path) -> bool {
    let ours = file.metadata().map(|m| (m.dev(), m.ino()));
    let named = path.symlink_metadata().map(|m| (m.dev(), m.ino()));
    matches!((ours, named), (Ok(a), Ok(b)) if a == b)
}

/// Whoever has a lock that says nothing: its disk was full, or it was taken this very moment.
fn unclaimed(file: &File, path: &Path) -> Option<Held> {
    if rustix::fs::flock(file, FlockOperation::NonBlockingLockShared).is_ok() {
        return None;
    }
    let holder = holders(path).ok()?.into_iter().find(|holder| holder.ours)?;
    let since = file.metadata().and_then(|file| file.modified()).ok()?;
    Some(Held {
        pid: Some(holder.identity.pid),
        identity: Some(holder.identity),
        command: holder.command,
        since: Timestamp::try_from(since).ok()?.to_string(),
    })
}

/// Whether it can still hold anything: one that nobody has reaped cannot.
#[must_use]
pub fn lives(process: Identity) -> bool {
    let handle = Handle::open(process);
    handle.is_ok_and(|handle| handle.is_some_and(|handle| handle.is_alive()))
}

fn is_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge
    )
}

fn write_claim(file: &mut File, command: &str) -> io::Result<()> {
    let pid = std::process::id().cast_signed();
    let claim = Claim {
        pid,
        start: Identity::of(pid)?.map_or(0, |identity| identity.start),
        command: command.to_owned(),
        at: Timestamp::now().to_string(),
    };
    file.set_len(0)?;
    file.write_all(&serde_json::to_vec(&claim)?)
}

fn read_claim(file: &mut File) -> Option<Claim> {
    let mut text = String::new();
    file.take(4096).read_to_string(&mut text).ok()?;
    serde_json::from_str(&text).ok()
}

fn read_holder(file: &mut File) -> Held {
    match read_claim(file) {
        Some(claim) => claim.into(),
        None => Held {
            pid: None,
            identity: None,
            command: "sentinel".into(),
            since: Timestamp::now().to_string(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn house() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join(".sentinel/operation.lock");
        (folder, path)
    }

    #[test]
    fn the_second_is_told_who_was_first() {
        let (_folder, path) = house();
        let _first = Lock::take(&path, "sentinel restart").expect("free");
        let Err(Refused::Held(held)) = Lock::take(&path, "sentinel flush") else {
            panic!("taken twice")
        };
        assert_eq!(held.command, "sentinel restart");
        assert_eq!(held.pid, Some(std::process::id().cast_signed()));
        assert_eq!(Lock::holder(&path), Some(held));
    }

    #[test]
    fn dropping_frees_it_and_leaves_no_file() {
        let (_folder, path) = house();
        drop(Lock::take(&path, "one").expect("free"));
        assert!(!path.exists());
        assert_eq!(Lock::holder(&path), None);
        Lock::take(&path, "two").expect("free again");
    }

    #[test]
    fn what_a_dead_process_left_behind_is_free() {
        let (_folder, path) = house();
        drop(Lock::take(&path, "makes the folder").expect("free"));
        let claim = r#"{"pid": 1, "start": 18446744073709551615, "command": "dead", "at": "long ago"}"#;
        std::fs::write(&path, claim).expect("written");
        assert_eq!(Lock::holder(&path), None);
        Lock::take(&path, "next").expect("free");
    }

    #[test]
    fn a_claim_of_a_living_process_without_the_lock_is_free() {
        let (_folder, path) = house();
        let lock = Lock::take(&path, "kept").expect("free");
        let claim = std::fs::read(&path).expect("readable");
        drop(lock);
        std::fs::write(&path, claim).expect("written");
        assert_eq!(Lock::holder(&path), None);
    }

    #[test]
    fn nobody_else_may_read_it_and_links_are_not_followed() {
        let (folder, path) = house();
        let lock = Lock::take(&path, "private").expect("free");
        let mode = |p: &Path| p.metadata().expect("there").permissions().mode() & 0o777;
        assert_eq!(mode(&path), 0o600);
        assert_eq!(mode(path.parent().expect("a folder")), 0o700);
        drop(lock);
        std::os::unix::fs::symlink(folder.path().join("elsewhere"), &path).expect("linked");
        assert!(matches!(Lock::take(&path, "x"), Err(Refused::Io(_))));
        assert!(!folder.path().join("elsewhere").exists());
    }

    #[test]
    fn a_folder_that_is_a_link_is_not_followed_and_one_that_others_may_read_is_closed() {
        let (folder, path) = house();
        let elsewhere = folder.path().join("elsewhere");
        std::fs::create_dir(&elsewhere).expect("a new folder");
        let state = path.parent().expect("a folder");
        std::os::unix::fs::symlink(&elsewhere, state).expect("linked");
        let Err(Refused::Io(error)) = Lock::take(&path, "x") else {
            panic!("followed")
        };
        assert!(error.to_string().contains("symbolic link"), "{error}");
        assert_eq!(std::fs::read_dir(&elsewhere).expect("a folder").count(), 0);
        std::fs::remove_file(state).expect("removed");
        std::fs::create_dir(state).expect("a new folder");
        std::fs::set_permissions(state, std::fs::Permissions::from_mode(0o755)).expect("our own");
        let _lock = Lock::take(&path, "x").expect("free");
        assert_eq!(
            state.metadata().expect("there").permissions().mode() & 0o777,
            0o700
        );
    }
}
