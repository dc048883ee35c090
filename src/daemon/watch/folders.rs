//! The folders that the kernel watches for us, and what it tells of them.

use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nix::errno::Errno;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify, InotifyEvent, WatchDescriptor};
use tokio::io::unix::AsyncFd;

/// A file is complete when its writer closes it; names come, go and move.
const WATCHED: AddWatchFlags = AddWatchFlags::IN_CLOSE_WRITE
    .union(AddWatchFlags::IN_CREATE)
    .union(AddWatchFlags::IN_DELETE)
    .union(AddWatchFlags::IN_MOVE)
    .union(AddWatchFlags::IN_ONLYDIR)
    .union(AddWatchFlags::IN_DONT_FOLLOW);

/// One thing that happened to a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Happened {
    /// Empty when the kernel has lost count.
    pub path: PathBuf,
    /// What.
    pub mask: AddWatchFlags,
}

/// All watched folders.
pub struct Folders {
    inotify: AsyncFd<Descriptor>,
    paths: HashMap<WatchDescriptor, PathBuf>,
}

/// `AsyncFd` wants a raw descriptor's number, which nix's type does not give.
#[derive(Clone)]
struct Descriptor(Arc<Inotify>);

impl AsRawFd for Descriptor {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_fd().as_raw_fd()
    }
}

impl Folders {
    /// None yet.
    ///
    /// # Errors
    /// The kernel's limit of watchers is reached.
    pub fn new() -> io::Result<Self> {
        let inotify = Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK).map_err(limit)?;
        Ok(Self {
            inotify: register(inotify)?,
            paths: HashMap::new(),
        })
    }

    /// How many.
    #[must_use]
    pub fn count(&self) -> usize {
        self.paths.len()
    }

    /// Waits for the next events. Safe to drop.
    ///
    /// # Errors
    /// The kernel does not give them.
    pub async fn events(&self) -> io::Result<Vec<Happened>> {
        loop {
            let mut ready = self.inotify.readable().await?;
            let read = ready.try_io(|inotify| match inotify.get_ref().0.read_events() {
                Err(Errno::EINTR) => Ok(Vec::new()),
                other => other.map_err(io::Error::from),
            });
            if let Ok(events) = read {
                return Ok(events?
                    .into_iter()
                    .filter_map(|event| self.happened(event))
                    .collect());
            }
        }
    }

    fn happened(&self, event: InotifyEvent) -> Option<Happened> {
        let mask = event.mask;
        if mask.contains(AddWatchFlags::IN_Q_OVERFLOW) {
            let path = PathBuf::new();
            return Some(Happened { path, mask });
        }
        // A file that is merely created is told of again when its writer closes it; a link is not.
        let path = self.paths.get(&event.wd)?.join(event.name?);
        let created = mask.contains(AddWatchFlags::IN_CREATE) && !mask.contains(AddWatchFlags::IN_ISDIR);
        (!created || path.is_symlink()).then_some(Happened { path, mask })
    }

    /// Watches these folders and all below them that are wanted; gives the files in those that are new.
    ///
    /// # Errors
    /// The kernel's limit of watched folders is reached.
    pub fn cover(&mut self, tops: Vec<PathBuf>, wanted: impl Fn(&Path) -> bool) -> io::Result<Vec<PathBuf>> {
        let (mut open, mut found) = (tops, Vec::new());
        while let Some(folder) = open.pop() {
            if !wanted(&folder) || !self.add(&folder)? {
                continue;
            }
            for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
                match entry.file_type() {
                    Ok(kind) if kind.is_dir() => open.push(entry.path()),
                    Ok(_) => found.push(entry.path()),
                    // It is gone already.
                    Err(_) => {}
                }
            }
        }
        Ok(found)
    }

    /// Whether the folder is there.
    fn add(&mut self, folder: &Path) -> io::Result<bool> {
        match self.inotify.get_ref().0.add_watch(folder, WATCHED) {
            Ok(watch) => {
                self.paths.insert(watch, folder.to_path_buf());
                Ok(true)
            }
            Err(errno @ (Errno::ENOSPC | Errno::ENOMEM)) => Err(limit(errno)),
            // Gone again, a file, or not ours to read.
            Err(_) => Ok(false),
        }
    }

    /// A folder went elsewhere: it and all below it are watched no more.
    pub fn leave(&mut self, folder: &Path) {
        let inotify = &self.inotify.get_ref().0;
        self.paths.retain(|watch, path| {
            let stays = !path.starts_with(folder);
            if !stays {
                let _ = inotify.rm_watch(*watch);
            }
            stays
        });
    }
}

// `register` came after the oldest tokio that Cargo.toml allows; the descriptor is owned by what is registered.
#[allow(deprecated)]
fn register(inotify: Inotify) -> io::Result<AsyncFd<Descriptor>> {
    AsyncFd::new(Descriptor(Arc::new(inotify)))
}

fn limit(errno: Errno) -> io::Error {
    let key = match errno {
        Errno::EMFILE => "fs.inotify.max_user_instances",
        Errno::ENOSPC => "fs.inotify.max_user_watches",
        _ => return errno.into(),
    };
    io::Error::other(format!(
        "the kernel's limit is reached; raise it with `sysctl {key}=…`, or watch less"
    ))
}
