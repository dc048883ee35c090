//! When files last changed: whoever knows what they said then need not read them again.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// A file as it was: inode, size, and when it changed, its rights included, in seconds and nanoseconds.
pub type Stamp = (PathBuf, [i64; 4]);

/// The file as it is; none if there is none.
#[must_use]
pub fn stamp(path: &Path) -> Option<Stamp> {
    let found = std::fs::metadata(path).ok()?;
    let number = |number: u64| number.cast_signed();
    let numbers = [
        number(found.ino()),
        number(found.size()),
        found.ctime(),
        found.ctime_nsec(),
    ];
    Some((path.to_path_buf(), numbers))
}

/// Whether they are as they were.
#[must_use]
pub fn hold(stamps: &[Stamp]) -> bool {
    stamps
        .iter()
        .all(|earlier| stamp(&earlier.0).as_ref() == Some(earlier))
}
