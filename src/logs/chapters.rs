//! The files of one log: those that were rotated, oldest first, and the one that is written.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;
use jiff::Timestamp;
use rustix::fs::{MemfdFlags, Mode, OFlags};

use super::reader::named;
use super::rotated::Rotated;

/// How often files may be rotated under our eyes before we take what we have.
const TRIES: usize = 8;

/// A rotated file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Chapter {
    path: PathBuf,
    /// When it was rotated, as its name says.
    pub(super) rotated: Rotated,
}

/// A log as it is at one moment.
#[derive(Debug)]
pub(super) struct Book {
    /// Rotated files, oldest first.
    pub(super) chapters: Vec<Chapter>,
    /// The one that is written, if there is one.
    pub(super) current: Option<File>,
}

impl Book {
    /// Opens a log; no file is missing from it or in it twice, though it be rotated meanwhile.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        for _ in 0..TRIES {
            let current = open(path)?;
            let chapters = chapters(path)?;
            if identity(current.as_ref())? == identity(open(path)?.as_ref())? {
                return Ok(Self { chapters, current });
            }
        }
        Ok(Self {
            current: open(path)?,
            chapters: chapters(path)?,
        })
    }

    /// The stamp of the youngest rotated file.
    pub(super) fn youngest(&self) -> String {
        let last = self.chapters.last();
        last.map(|chapter| chapter.rotated.at.clone()).unwrap_or_default()
    }
}

impl Chapter {
    /// Whether all of it was written before then.
    pub(super) fn is_before(&self, since: Timestamp) -> bool {
        self.rotated.time().is_some_and(|rotated| rotated < since)
    }

    /// The file, uncompressed; `None` if it was removed meanwhile.
    pub(super) fn open(&self) -> io::Result<Option<File>> {
        let plain = self.rotated.log.as_str();
        let plain = self.path.with_file_name(format!("{plain}.{}", self.rotated.at));
        if let Some(file) = open(&plain)? {
            return Ok(Some(file));
        }
        // Compressed since we looked, or always.
        let mut gzip = plain.clone().into_os_string();
        gzip.push(".gz");
        match open(Path::new(&gzip))? {
            Some(file) => inflate(file)
                .map(Some)
                .map_err(|error| named(Path::new(&gzip), &error)),
            None => Ok(None),
        }
    }

    /// Whether this is the same file as one that is open.
    pub(super) fn is(&self, file: &File) -> io::Result<bool> {
        if self.rotated.compressed {
            return Ok(false);
        }
        Ok(identity(open(&self.path)?.as_ref())? == identity(Some(file))?)
    }
}

/// The rotated files of a log, each once.
fn chapters(path: &Path) -> io::Result<Vec<Chapter>> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let entries = match std::fs::read_dir(folder.unwrap_or(Path::new("."))) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let chapter = |entry: std::fs::DirEntry| {
        let rotated = Rotated::parse(entry.file_name().to_str()?)?;
        (rotated.log == name).then(|| Chapter {
            path: entry.path(),
            rotated,
        })
    };
    let mut all: Vec<Chapter> = entries.flatten().filter_map(chapter).collect();
    all.sort_by(|a, b| a.rotated.cmp(&b.rotated));
    all.dedup_by(|later, earlier| later.rotated.at == earlier.rotated.at);
    Ok(all)
}

/// A file that may not exist.
pub(super) fn open(path: &Path) -> io::Result<Option<File>> {
    match File::open(path) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(named(path, &error)),
    }
}

fn identity(file: Option<&File>) -> io::Result<Option<(u64, u64)>> {
    let Some(file) = file else { return Ok(None) };
    let found = file.metadata()?;
    Ok(Some((found.dev(), found.ino())))
}

/// The same uncompressed, in a file without a name. What a crash cut off is left out.
fn inflate(gzip: File) -> io::Result<File> {
    let mut plain = File::from(nameless()?);
    let mut decoder = MultiGzDecoder::new(io::BufReader::with_capacity(64 << 10, gzip));
    match io::copy(&mut decoder, &mut plain) {
        Err(error) if error.kind() != io::ErrorKind::UnexpectedEof => Err(error),
        Ok(_) | Err(_) => Ok(plain),
    }
}

fn nameless() -> io::Result<OwnedFd> {
    let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
    let on_disk = rustix::fs::open(std::env::temp_dir(), flags, Mode::RUSR | Mode::WUSR);
    Ok(on_disk.or_else(|_| rustix::fs::memfd_create("log", MemfdFlags::CLOEXEC))?)
}
