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

/// What can happen to a log, seen from its folder.
const FOLDER: AddWatchFlags = AddWatchFlags::IN_MODIFY
    .union(AddWatchFlags::IN_CREATE)
    .union(AddWatchFlags::IN_MOVED_TO)
    .union(AddWatchFlags::IN_DELETE_SELF)
    .union(AddWatchFlags::IN_MOVE_SELF)
    .union(AddWatchFlags::IN_ONLYDIR);

/// The folders of some logs, watched. Folders and not files: a name outlives the files that bear it.
pub(super) struct Watch {
    inotify: AsyncFd<Descriptor>,
    folders: BTreeMap<PathBuf, Folder>,
}

/// One folder with logs in it.
#[derive(Default)]
struct Folder {
    /// Unset while it does not exist; then its nearest ancestor is watched.
    watched: Option<WatchDescriptor>,
    ancestor: Option<WatchDescriptor>,
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
    pub(super) fn over(sources: &[Source]) -> io::Result<Self> {
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
        let inotify = AsyncFd::new(Descriptor(inotify))?;
        let mut watch = Self { inotify, folders };
        watch.cover()?;
        Ok(watch)
    }

    /// Waits; gives the sources that may have more to read. Safe to drop.
    pub(super) async fn changed(&mut self) -> io::Result<Vec<usize>> {
        loop {
            let events = self.events().await?;
            let mut changed = Vec::new();
            for event in &events {
                self.apply(event, &mut changed);
            }
            changed.extend(self.cover()?);
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

    /// Notes which sources an event touches, and which folders need watching anew.
    fn apply(&mut self, event: &InotifyEvent, changed: &mut Vec<usize>) {
        let overflow = event.mask.contains(AddWatchFlags::IN_Q_OVERFLOW);
        let gone = AddWatchFlags::IN_IGNORED | AddWatchFlags::IN_DELETE_SELF | AddWatchFlags::IN_MOVE_SELF;
        for folder in self.folders.values_mut() {
            if folder.watched == Some(event.wd) && event.mask.intersects(gone) {
                folder.watched = None;
            }
            if folder.watched == Some(event.wd) || overflow {
                let touched = folder.logs.iter().filter(|(log, _)| {
                    // `x.log.1` too: a writer may still hold the file that was renamed.
                    event.name.as_deref().is_none_or(|name| begins_with(name, log))
                });
                changed.extend(touched.map(|(_, index)| *index));
            }
        }
    }

    /// Watches every folder that exists; gives the sources in those that are new.
    fn cover(&mut self) -> io::Result<Vec<usize>> {
        let inotify = &self.inotify.get_ref().0;
        let mut new = Vec::new();
        for (path, folder) in &mut self.folders {
            if folder.watched.is_none() && folder.attach(path, inotify)? {
                new.extend(folder.logs.iter().map(|(_, index)| *index));
            }
        }
        Ok(new)
    }
}

impl Folder {
    /// Watches the folder, or else its nearest ancestor until it appears; whether the folder is watched.
    fn attach(&mut self, path: &Path, inotify: &Inotify) -> io::Result<bool> {
        for ancestor in path
            .ancestors()
            .filter(|ancestor| !ancestor.as_os_str().is_empty())
        {
            match inotify.add_watch(ancestor, FOLDER) {
                Ok(watch) if ancestor == path => {
                    self.watched = Some(watch);
                    return Ok(true);
                }
                // The folder may have appeared while this ancestor was being added.
                Ok(watch) => {
                    let known = self.ancestor.replace(watch) == Some(watch);
                    return if known {
                        Ok(false)
                    } else {
                        self.attach(path, inotify)
                    };
                }
                Err(Errno::ENOENT) => {}
                Err(error) => return Err(named(ancestor, &limit(error))),
            }
        }
        Ok(false)
    }
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
