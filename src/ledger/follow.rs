//! Follows the ledger as it grows, across generations and supervisors: inotify, no polling.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::FILE;
use super::read::{open, parse};
use crate::api::Record;
use crate::logs::{Source, Watch};
use crate::service::ServiceName;

/// One who follows.
pub struct Follow {
    path: PathBuf,
    watch: Watch,
    file: Option<File>,
    /// The beginning of a line whose end is not written yet.
    rest: Vec<u8>,
}

impl Follow {
    /// From the present end on: what is written after this returns is not missed. The ledger may not
    /// exist yet.
    ///
    /// # Errors
    /// inotify has reached a limit, or the ledger cannot be read.
    pub fn begin(folder: &Path) -> io::Result<Self> {
        let path = folder.join(FILE);
        let service = ServiceName::parse("sentinel").map_err(io::Error::other)?;
        let source = Source::new(service, path.clone());
        let watch = Watch::over(&[source])?;
        let mut file = present(&path)?;
        if let Some(file) = &mut file {
            file.seek(SeekFrom::End(0))?;
        }
        Ok(Self {
            path,
            watch,
            file,
            rest: Vec::new(),
        })
    }

    /// Waits for the next facts. Safe to drop.
    ///
    /// # Errors
    /// The ledger can no longer be read.
    pub async fn next(&mut self) -> io::Result<Vec<Record>> {
        loop {
            let records = self.read_on()?;
            if !records.is_empty() {
                return Ok(records);
            }
            self.watch.changed().await?;
        }
    }

    /// What is new: the rest of the generation that was read so far, then the new one from its start.
    fn read_on(&mut self) -> io::Result<Vec<Record>> {
        let mut records = self.read_rest()?;
        let present = present(&self.path)?;
        if identity(present.as_ref())? != identity(self.file.as_ref())? {
            records.extend(self.read_rest()?);
            (self.file, self.rest) = (present, Vec::new());
            records.extend(self.read_rest()?);
        }
        Ok(records)
    }

    fn read_rest(&mut self) -> io::Result<Vec<Record>> {
        let Some(file) = &mut self.file else {
            return Ok(Vec::new());
        };
        file.read_to_end(&mut self.rest)?;
        let Some(end) = self.rest.iter().rposition(|&byte| byte == b'\n') else {
            return Ok(Vec::new());
        };
        let whole: Vec<u8> = self.rest.drain(..=end).collect();
        Ok(whole.split(|&byte| byte == b'\n').filter_map(parse).collect())
    }
}

fn present(path: &Path) -> io::Result<Option<File>> {
    match open(path) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn identity(file: Option<&File>) -> io::Result<Option<(u64, u64)>> {
    let of = |file: &File| file.metadata().map(|meta| (meta.dev(), meta.ino()));
    file.map(of).transpose()
}
