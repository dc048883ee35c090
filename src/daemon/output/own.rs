//! sentinel.log: what the supervisor itself has to say, rotated like any other log.

use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use super::wake;
use crate::redact;

/// How much is written before somebody looks at the size, in bytes.
const STEP: u64 = 16 << 10;

static WRITTEN: AtomicU64 = AtomicU64::new(0);
/// The file, once standard error leads there; the thread that rotates it, once it runs.
static FILE: OnceLock<PathBuf> = OnceLock::new();
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

/// Standard error leads to this file from now on.
pub(in crate::daemon) fn is(file: PathBuf) {
    let _ = FILE.set(file);
}

/// Where sentinel.log is; `None` in the foreground, where there is none.
pub(super) fn file() -> Option<&'static PathBuf> {
    FILE.get()
}

/// Wakes this when much was written.
pub(super) fn tell(fd: OwnedFd) {
    let _ = WAKE.set(fd);
}

/// Leads standard error to the file of that name, which may be another than before.
pub(super) fn reopen() {
    if let Some(file) = file() {
        let _ = crate::process::detach::errors_to(file);
    }
}
