//! Rotated files made small, one at a time, on a thread that only gets what nobody else wants.

use std::fs::{self, File};
use std::io::{self, BufWriter, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;

use flate2::Compression;
use flate2::write::GzEncoder;

/// How hard to try: logs shrink tenfold at any level, and this one keeps up with a loud service.
const LEVEL: u32 = 3;
/// The lowest priority that Linux knows.
const NICE: i32 = 19;
const BLOCK: usize = 64 << 10;

/// Begins to compress a file; `done` is called at the end, whatever came of it.
pub(super) fn begin(file: PathBuf, done: impl FnOnce(bool) + Send + 'static) -> io::Result<JoinHandle<()>> {
    std::thread::Builder::new()
        .name("gzip".into())
        .stack_size(256 << 10)
        .spawn(move || {
            // On Linux this is the priority of the thread alone.
            let own = rustix::process::Pid::from_raw(nix::unistd::gettid().as_raw());
            let _ = rustix::process::setpriority_process(own, NICE);
            let outcome = compress(&file);
            if let Err(error) = &outcome
                && error.kind() != io::ErrorKind::NotFound
            {
                tracing::warn!(log = %file.display(), %error, "a rotated log could not be compressed");
            }
            done(outcome.is_ok());
        })
}

/// Where the copy is made.
fn part(file: &Path) -> PathBuf {
    with_suffix(file, ".gz.part")
}

fn with_suffix(file: &Path, suffix: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// Replaces a file by its compressed copy. A crash leaves the file, or both, or the copy, never neither.
fn compress(file: &Path) -> io::Result<()> {
    let part = part(file);
    let copied = copy(file, &part).and_then(|()| {
        // Removed meanwhile, to make room: then its copy is not wanted either.
        file.symlink_metadata()?;
        fs::rename(&part, with_suffix(file, ".gz"))
    });
    if copied.is_err() {
        let _ = fs::remove_file(&part);
    }
    copied?;
    fs::remove_file(file)
}

fn copy(from: &Path, to: &Path) -> io::Result<()> {
    let mut from = File::open(from)?;
    let target = File::options()
        .create(true)
        .truncate(true)
        .write(true)
        .mode(0o640)
        .open(to)?;
    let mut gzip = GzEncoder::new(BufWriter::with_capacity(BLOCK, target), Compression::new(LEVEL));
    let mut block = vec![0; BLOCK];
    loop {
        match from.read(&mut block) {
            Ok(0) => break,
            Ok(read) => gzip.write_all(&block[..read])?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    // Else a loss of power could leave an empty copy and no original.
    gzip.finish()?
        .into_inner()
        .map_err(io::IntoInnerError::into_error)?
        .sync_data()
}

/// Removes copies that a crash left half made.
pub(super) fn remove_parts(folder: &Path) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let ours = name
            .to_str()
            .and_then(|name| name.strip_suffix(".gz.part"))
            .is_some_and(|name| crate::logs::rotated::Rotated::parse(name).is_some());
        if ours {
            let _ = fs::remove_file(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::read::GzDecoder;

    #[test]
    fn the_copy_holds_the_same_and_replaces_the_file() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("a.log.20261121T080000.000000Z");
        let text: Vec<u8> = (0..100_000)
            .flat_map(|n: u32| format!("line {n}\n").into_bytes())
            .collect();
        fs::write(&file, &text).expect("written");
        let (sender, done) = std::sync::mpsc::channel();
        let thread = begin(file.clone(), move |ok| sender.send(ok).expect("sent")).expect("begun");
        assert!(done.recv().expect("done"));
        thread.join().expect("ended");
        let mut back = Vec::new();
        let copy = File::open(with_suffix(&file, ".gz")).expect("a copy");
        assert!(copy.metadata().expect("its size").len() < text.len() as u64 / 3);
        GzDecoder::new(copy).read_to_end(&mut back).expect("gzip");
        assert!(back == text && !file.exists() && !part(&file).exists());
        fs::write(part(&file), "half").expect("written");
        remove_parts(folder.path());
        assert!(!part(&file).exists());
    }
}
