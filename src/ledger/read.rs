//! Reads the ledger, newest first inside and oldest first outside: what is asked for is mostly at the end.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use jiff::Timestamp;
use rustix::fs::{Mode, OFlags};

use super::{EARLIER, FILE};
use crate::api::Record;

/// Which facts are wanted; by default all.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Only about these services; all without a name. Those about the house have none.
    pub services: Vec<String>,
    /// Only at or after this time.
    pub since: Option<Timestamp>,
    /// Only the last so many of those.
    pub last: Option<usize>,
}

impl Filter {
    /// Whether this one is wanted.
    #[must_use]
    pub fn wants(&self, record: &Record) -> bool {
        let named = self.services.is_empty()
            || record
                .fact
                .service
                .as_ref()
                .is_some_and(|name| self.services.contains(name));
        let late = self.since.is_none_or(|since| {
            let at = record.at.parse::<Timestamp>();
            at.is_ok_and(|at| at >= since)
        });
        named && late
    }
}

/// The wanted facts, oldest first. No ledger: none.
///
/// # Errors
/// A file is there and cannot be read.
pub fn read(folder: &Path, filter: &Filter) -> io::Result<Vec<Record>> {
    // The present generation first: should it become the earlier one meanwhile, nothing is missed.
    let present = bytes(&folder.join(FILE))?;
    let wanted = filter.last.unwrap_or(usize::MAX);
    let mut found: Vec<Record> = newest_first(&present)
        .filter(|record| filter.wants(record))
        .take(wanted)
        .collect();
    if found.len() < wanted {
        let first = first_number(&present);
        let earlier = bytes(&folder.join(EARLIER))?;
        let before = newest_first(&earlier)
            .filter(|record| first.is_none_or(|first| record.seq < first))
            .filter(|record| filter.wants(record));
        found.extend(before.take(wanted - found.len()));
    }
    found.reverse();
    Ok(found)
}

/// A line that is no record is passed over.
fn newest_first(bytes: &[u8]) -> impl Iterator<Item = Record> {
    bytes.rsplit(|&byte| byte == b'\n').filter_map(parse)
}

fn first_number(bytes: &[u8]) -> Option<u64> {
    bytes
        .split(|&byte| byte == b'\n')
        .find_map(parse)
        .map(|record| record.seq)
}

/// One line, if it is a record.
pub(super) fn parse(line: &[u8]) -> Option<Record> {
    serde_json::from_slice(line).ok()
}

fn bytes(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    match open(path) {
        Ok(mut file) => file.read_to_end(&mut bytes).map(|_| bytes),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(bytes),
        Err(error) => Err(error),
    }
}

/// Opens it for reading; links are not followed.
pub(super) fn open(path: &Path) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(File::from(rustix::fs::open(path, flags, Mode::empty())?))
}
