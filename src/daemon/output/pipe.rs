//! The named pipes that services write to.
//!
//! The service opens them for reading as well as writing: if this supervisor dies, the service is its own
//! reader, so it is never killed by SIGPIPE, and what it writes waits in the pipe.

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;
use std::sync::Arc;

use nix::fcntl::OFlag;
use nix::sys::stat::Mode;

/// What a pipe holds before its writer waits, in bytes: the most that Linux grants without privilege.
const LARGEST: usize = 1 << 20;
/// What it holds when there are many.
const SMALLEST: usize = 64 << 10;
/// Without privilege, all pipes of a user together hold 64 MiB (fs.pipe-user-pages-soft), and those that come
/// after hold next to nothing. So we take less.
const TOGETHER: usize = 24 << 20;

/// One of them.
#[derive(Debug)]
pub(super) struct Pipe {
    /// Our end. Never blocks.
    pub(super) reader: Arc<OwnedFd>,
}

impl Pipe {
    /// How large the next pipe should be, where there are so many.
    pub(super) fn size(others: usize) -> usize {
        (TOGETHER / (others + 1)).clamp(SMALLEST, LARGEST)
    }

    pub(super) fn open(path: &Path, size: usize) -> io::Result<Self> {
        make(path)?;
        // Read and write: with an end of our own open there is no end of file between runs.
        let file = File::options()
            .read(true)
            .write(true)
            .custom_flags((OFlag::O_NONBLOCK | OFlag::O_NOFOLLOW).bits())
            .open(path)?;
        // A smaller pipe only makes writers wait sooner.
        let _ = rustix::pipe::fcntl_setpipe_size(&file, size);
        Ok(Self::on(file.into()))
    }

    /// One that is open already.
    pub(super) fn on(reader: OwnedFd) -> Self {
        Self {
            reader: Arc::new(reader),
        }
    }

    /// An end for a service.
    pub(super) fn end(&self) -> io::Result<OwnedFd> {
        // The very pipe that we read, whatever has become of its name.
        let own = format!("/proc/self/fd/{}", self.reader.as_raw_fd());
        Ok(File::options().read(true).write(true).open(own)?.into())
    }

    /// Whether nothing waits in it.
    pub(super) fn is_empty(&self) -> bool {
        rustix::io::ioctl_fionread(&*self.reader).is_ok_and(|waiting| waiting == 0)
    }
}

fn make(path: &Path) -> io::Result<()> {
    match path.symlink_metadata() {
        Ok(found) if found.file_type().is_fifo() => return Ok(()),
        Ok(_) => std::fs::remove_file(path)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    Ok(nix::unistd::mkfifo(path, Mode::from_bits_truncate(0o600))?)
}
