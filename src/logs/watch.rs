//! Waiting for logs to grow, be replaced or appear: inotify, no polling.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify, InotifyEvent, WatchDescriptor};
use tokio::io::unix::AsyncFd;

use super::Source;
use super::reader::named;

/// What can happen to a log, seen from its folder, and to a folder, seen from the one above it.
const WATCHED: AddWatchFlags = AddWatchFlags::IN_MODIFY
    .union(AddWatchFlags::IN_CREATE)
    .union(AddWatchFlags::IN_DELETE)
    .union(AddWatchFlags::IN_MOVE)
    .union(AddWatchFlags::IN_DELETE_SELF)
    .union(AddWatchFlags::IN_MOVE_SELF)
    .union(AddWatchFlags::IN_ONLYDIR);

/// Events after which a path may lead to another folder than before, or to none.
const PATHS: AddWatchFlags = AddWatchFlags::IN_ISDIR
    .union(AddWatchFlags::IN_DELETE_SELF)
    .union(AddWatchFlags::IN_MOVE_SELF)
    .union(AddWatchFlags::IN_IGNORED)
    .union(AddWatchFlags::IN_Q_OVERFLOW);

/// The folders of some logs, watched. Folders and not files: a name outlives the files that bear it.
pub struct Watch {
    inotify: AsyncFd<Descriptor>,
    folders: BTreeMap<PathBuf, Folder>,
}

/// One folder with logs in it.
#[derive(Default)]
struct Folder {
    /// Unset while it does not exist.
    watched: Option<WatchDescriptor>,
    /// File names, and which source each is.
    logs: Vec<(OsString, usize)>,
}

/// `AsyncFd` wants a raw descriptor's number, which nix's type does not give.
struct Descriptor(Inotify);

impl AsRawFd for Descriptor {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_fd().as_raw_fd()
    }
}

impl Watch {
    /// Watches from now on; what happens after this returns is not missed.
    pub fn over(sources: &[Source]) -> io::Result<Self> {
        let inotify = Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK).map_err(limit)?;
        let mut folders: BTreeMap<PathBuf, Folder> = BTreeMap::new();
        for (index, source) in sources.iter().enumerate() {
            let folder = source
                .path
                .parent()
                .filter(|folder| !folder.as_os_str().is_empty());
            let folder = folders
                .entry(folder.unwrap_or(Path::new(".")).into())
                .or_default();
            folder
                .logs
                .push((source.path.file_name().unwrap_or_default().into(), index));
        }
        let mut watch = Self {
            inotify: register(inotify)?,
            folders,
        };
        watch.cover()?;
        Ok(watch)
    }

    /// Waits; gives the sources that may have more to read. Safe to drop.
    pub async fn changed(&mut self) -> io::Result<Vec<usize>> {
        loop {
            let events = self.events().await?;
            let mut changed = Vec::new();
            for event in &events {
                self.touched(event, &mut changed);
            }
            if events.iter().any(|event| event.mask.intersects(PATHS)) {
                changed.extend(self.cover()?);
            }
            changed.sort_unstable();
            changed.dedup();
            if !changed.is_empty() {
                return Ok(changed);
            }
        }
    }

    async fn events(&self) -> io::Result<Vec<InotifyEvent>> {
        loop {
            let mut ready = self.inotify.readable().await?;
            let read = ready.try_io(|inotify| match inotify.get_ref().0.read_events() {
                Err(Errno::EINTR) => Ok(Vec::new()),
                other => other.map_err(io::Error::from),
            });
            if let Ok(events) = read {
                return events;
            }
        }
    }

    /// Adds the sources that an event touches.
    fn touched(&self, event: &InotifyEvent, changed: &mut Vec<usize>) {
        let overflow = event.mask.contains(AddWatchFlags::IN_Q_OVERFLOW);
        let concerned = |folder: &&Folder| overflow || folder.watched == Some(event.wd);
        for folder in self.folders.values().filter(concerned) {
            let touched = folder.logs.iter().filter(|(log, _)| {
                // `x.log.1` too: a writer may still hold the file that was renamed.
                event.name.as_deref().is_none_or(|name| begins_with(name, log))
            });
            changed.extend(touched.map(|(_, index)| *index));
        }
    }

    /// Watches every folder where it is now; gives the sources in those that are new.
    ///
    /// A removed folder says nothing itself as long as we hold a file of it open, hence the one above it.
    fn cover(&mut self) -> io::Result<Vec<usize>> {
        let inotify = &self.inotify.get_ref().0;
        let mut new = Vec::new();
        for (path, folder) in &mut self.folders {
            watch_above(path, inotify)?;
            let watched = watch(path, inotify)?;
            if watched.is_some() && watched != folder.watched {
                new.extend(folder.logs.iter().map(|(_, index)| *index));
            }
            folder.watched = watched;
        }
        Ok(new)
    }
}

/// Watches the nearest folder above that exists.
fn watch_above(path: &Path, inotify: &Inotify) -> io::Result<()> {
    let mut nearest = None;
    loop {
        let mut above = path.ancestors().skip(1).map(|above| match watch(above, inotify) {
            // Not ours to read, so not ours to see replaced.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(None),
            other => other,
        });
        let found = above.find_map(Result::transpose).transpose()?;
        // Found twice: what appears below it from now on is an event, and nothing had appeared before.
        if found == nearest {
            return Ok(());
        }
        nearest = found;
    }
}

/// Watches a folder, if it exists. Watching it again changes nothing.
fn watch(folder: &Path, inotify: &Inotify) -> io::Result<Option<WatchDescriptor>> {
    let folder = if folder.as_os_str().is_empty() {
        Path::new(".")
    } else {
        folder
    };
    match inotify.add_watch(folder, WATCHED) {
        Ok(watch) => Ok(Some(watch)),
        Err(Errno::ENOENT) => Ok(None),
        Err(error) => Err(named(folder, &limit(error))),
    }
}

#[expect(
    deprecated,
    reason = "its successor is unsafe for types that might swap their descriptor; Descriptor owns one and keeps it"
)]
fn register(inotify: Inotify) -> io::Result<AsyncFd<Descriptor>> {
    AsyncFd::new(Descriptor(inotify))
}

fn begins_with(name: &OsStr, log: &OsStr) -> bool {
    name.as_bytes().starts_with(log.as_bytes())
}

/// The two limits that stop inotify have names that no error mentions.
fn limit(errno: Errno) -> io::Error {
    let setting = match errno {
        Errno::EMFILE => "fs.inotify.max_user_instances",
        Errno::ENOSPC => "fs.inotify.max_user_watches",
        other => return other.into(),
    };
    let error = io::Error::from(errno);
    io::Error::new(
        error.kind(),
        format!("cannot watch logs: {error} (raise {setting} with sysctl)"),
    )
}
