//! sentinel.log: what the supervisor itself has to say, rotated like any other log.

use std::ffi::OsString;
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use super::wake;
use crate::redact;

/// How much is written before somebody looks at the size, in bytes.
const STEP: u64 = 16 << 10;

static WRITTEN: AtomicU64 = AtomicU64::new(0);
/// How many steps of it had been told when something was last written together.
static TOLD: AtomicU64 = AtomicU64::new(0);
/// Its name, once standard error leads there; the thread that rotates it, once it runs.
static NAME: OnceLock<OsString> = OnceLock::new();
static WAKE: OnceLock<OwnedFd> = OnceLock::new();

/// Standard error, without secrets, counted.
#[derive(Debug, Default)]
pub(in crate::daemon) struct Counted(redact::Errors);

impl Write for Counted {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.0.write(bytes)?;
        let before = WRITTEN.fetch_add(written as u64, Ordering::Relaxed);
        if before / STEP != (before + written as u64) / STEP
            && let Some(fd) = WAKE.get()
        {
            wake::ring(fd);
        }
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// What was logged together is in the file now: whoever looked at its size before that is told again.
pub(in crate::daemon) fn released() {
    let step = WRITTEN.load(Ordering::Relaxed) / STEP;
    if TOLD.swap(step, Ordering::Relaxed) != step
        && let Some(fd) = WAKE.get()
    {
        wake::ring(fd);
    }
}

/// Standard error leads to this file from now on.
pub(in crate::daemon) fn is(file: &Path) {
    let _ = NAME.set(file.file_name().unwrap_or_default().to_owned());
}

/// Where sentinel.log is when this is `log_dir`; `None` in the foreground, where there is none.
pub(super) fn file(folder: &Path) -> Option<PathBuf> {
    Some(folder.join(NAME.get()?))
}

/// sentinel.log is in this folder from now on. Where it cannot be, what comes goes on being written to the old one.
pub(super) fn moves_to(folder: &Path) {
    let Some(new) = file(folder) else { return };
    tracing::info!(log = %new.display(), "sentinel.log goes on in another folder");
    let _ = std::fs::create_dir_all(folder);
    if let Err(error) = crate::process::detach::errors_to(&new) {
        tracing::error!(log = %new.display(), %error, "cannot be opened: sentinel.log goes on here");
    }
}

/// Wakes this when much was written.
pub(super) fn tell(fd: OwnedFd) {
    let _ = WAKE.set(fd);
}

/// Leads standard error to the file of that name, which may be another than before.
pub(super) fn reopen(folder: &Path) {
    if let Some(file) = file(folder) {
        let _ = crate::process::detach::errors_to(&file);
    }
}
