//! One connection per key and endpoint among all processes of a user: a locked file.
//!
//! The lock is flock(2)'s: it belongs to the open file, so it ends with the process however that
//! ends, and it excludes two managers of one process as well. The file stays; what it says is only
//! for people.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use ring::digest::{Context, SHA256};
use rustix::fs::{FlockOperation, flock};
use rustix::process::getuid;
use tokio::sync::oneshot;

use crate::Credentials;

/// The lease of one key and endpoint.
#[derive(Debug)]
pub(crate) struct Lease {
    path: PathBuf,
    place: Place,
}

#[derive(Debug)]
enum Place {
    NotAsked,
    /// A thread waits for the lock and sends it.
    Waiting(oneshot::Receiver<io::Result<File>>),
    Held(#[expect(dead_code, reason = "its drop is the release")] File),
}

/// Why the connection may not be made now.
#[derive(Debug)]
pub(crate) enum NotYet {
    /// Another process has it; this is what it says of itself.
    HeldBy(String),
    /// The file cannot be used; one sentence.
    Failed(String),
}

impl Lease {
    /// The lease of this key and endpoint among those who use the same folder. No key can be read
    /// from its name.
    pub(crate) fn new(folder: &Path, credentials: &Credentials, url: &str) -> Self {
        let mut digest = Context::new(&SHA256);
        digest.update(credentials.key().as_bytes());
        digest.update(b"\0");
        digest.update(url.as_bytes());
        let digest = digest.finish();
        let name: String = digest.as_ref()[..16]
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        Self {
            path: folder.join(format!("alpaca-{name}.lease")),
            place: Place::NotAsked,
        }
    }

    /// Takes the lease, or says who has it; then `granted` tells when it has become ours.
    pub(crate) fn take(&mut self) -> Result<(), NotYet> {
        let failed = |error: io::Error| {
            NotYet::Failed(format!("cannot use the lease {}: {error}", self.path.display()))
        };
        match &self.place {
            Place::Held(_) => return Ok(()),
            Place::Waiting(_) => return Err(NotYet::HeldBy(self.holder())),
            Place::NotAsked => {}
        }
        let file = open(&self.path).map_err(failed)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {
                sign(&file).map_err(failed)?;
                self.place = Place::Held(file);
                Ok(())
            }
            Err(rustix::io::Errno::WOULDBLOCK) => {
                self.place = Place::Waiting(wait(file));
                Err(NotYet::HeldBy(self.holder()))
            }
            Err(error) => Err(failed(error.into())),
        }
    }

    /// Gives it back, or waits no longer.
    pub(crate) fn give_back(&mut self) {
        self.place = Place::NotAsked;
    }

    /// Returns when the lease that was waited for is ours, or is to be asked for again; never when
    /// it is not waited for. Cancel-safe.
    pub(crate) async fn granted(&mut self) {
        let Place::Waiting(waiting) = &mut self.place else {
            return std::future::pending().await;
        };
        self.place = match waiting.await {
            Ok(Ok(file)) => Place::Held(file),
            Ok(Err(_)) | Err(_) => Place::NotAsked,
        };
    }

    /// What the holder says of itself.
    fn holder(&self) -> String {
        let mut text = String::new();
        let read = File::open(&self.path).and_then(|file| file.take(200).read_to_string(&mut text));
        match (read, text.trim()) {
            (Ok(_), said) if !said.is_empty() => said.to_owned(),
            _ => "another process".into(),
        }
    }
}

/// A thread of its own, since flock cannot be waited for otherwise; it ends with the lock, with
/// the process, or when nobody waits any more and the lock is its.
fn wait(file: File) -> oneshot::Receiver<io::Result<File>> {
    let (sender, receiver) = oneshot::channel();
    std::thread::spawn(move || {
        let locked = flock(&file, FlockOperation::LockExclusive).map_err(io::Error::from);
        let signed = locked.and_then(|()| sign(&file)).map(|()| file);
        // Who no longer waits gives the lock back by dropping it.
        let _ = sender.send(signed);
    });
    receiver
}

fn sign(mut file: &File) -> io::Result<()> {
    let program = std::env::current_exe().ok();
    let name = program.as_deref().and_then(Path::file_name).unwrap_or_default();
    file.set_len(0)?;
    file.rewind()?;
    let now = Timestamp::now();
    writeln!(
        file,
        "{} (process {}) since {now:.0}",
        name.to_string_lossy(),
        std::process::id()
    )
}

/// Opens the file in its folder, which is made if need be, and must be ours alone: whoever could
/// write there could keep us from connecting.
fn open(path: &Path) -> io::Result<File> {
    if let Some(folder) = path.parent() {
        match DirBuilder::new().mode(0o700).create(folder) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
        let found = folder.symlink_metadata()?;
        if !found.is_dir() || found.uid() != getuid().as_raw() || found.mode() & 0o022 != 0 {
            let what = "its folder must be a folder of ours that nobody else may write to";
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, what));
        }
    }
    let mut options = OpenOptions::new();
    options
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600);
    options.open(path)
}

/// Where leases are unless it is said otherwise: `$XDG_RUNTIME_DIR/sentinel`, or a folder of this
/// user in /tmp.
pub(crate) fn default_folder() -> PathBuf {
    match std::env::var_os("XDG_RUNTIME_DIR").filter(|folder| !folder.is_empty()) {
        Some(folder) => PathBuf::from(folder).join("sentinel"),
        None => PathBuf::from(format!("/tmp/sentinel-{}", getuid().as_raw())),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::time::Duration;

    use super::{Lease, NotYet};
    use crate::Credentials;

    const URL: &str = "wss://stream.data.alpaca.markets/v2/iex";

    fn lease(folder: &std::path::Path, key: &str, url: &str) -> Lease {
        Lease::new(folder, &Credentials::new(key, "SECRET"), url)
    }

    #[tokio::test]
    async fn the_second_waits_for_the_first_and_knows_its_name() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut first = lease(folder.path(), "KEY", URL);
        let mut second = lease(folder.path(), "KEY", URL);
        first.take().expect("free");
        first.take().expect("ours already");
        for _ in 0..2 {
            let Err(NotYet::HeldBy(holder)) = second.take() else {
                panic!("it is taken");
            };
            assert!(
                holder.contains(&format!("(process {})", std::process::id())),
                "{holder}"
            );
        }
        let early = tokio::time::timeout(Duration::from_millis(20), second.granted()).await;
        assert!(early.is_err(), "not yet");
        first.give_back();
        let granted = tokio::time::timeout(Duration::from_secs(60), second.granted()).await;
        granted.expect("in time");
        second.take().expect("ours");
    }

    #[tokio::test]
    async fn a_waiter_that_another_overtakes_is_told_the_new_name() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut first = lease(folder.path(), "KEY", URL);
        first.take().expect("free");
        let mut waiter = lease(folder.path(), "KEY", URL);
        let Err(NotYet::HeldBy(_)) = waiter.take() else {
            panic!("it is taken");
        };
        // As whoever is faster signs it.
        std::fs::write(&first.path, "trade-stream (process 8) since noon\n").expect("written");
        let Err(NotYet::HeldBy(holder)) = waiter.take() else {
            panic!("it is taken");
        };
        assert_eq!(holder, "trade-stream (process 8) since noon");
    }

    #[test]
    fn other_keys_and_endpoints_have_leases_of_their_own_and_names_tell_no_key() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut held = Vec::new();
        for (key, url) in [("KEY", URL), ("OTHER", URL), ("KEY", "wss://x/v2/sip")] {
            let mut lease = lease(folder.path(), key, url);
            lease.take().expect("free");
            held.push(lease);
        }
        for entry in folder.path().read_dir().expect("readable") {
            let name = entry.expect("an entry").file_name().into_string().expect("text");
            assert!(!name.contains("KEY") && name.len() == 32 + 13, "{name}");
        }
    }

    #[test]
    fn a_folder_that_others_may_write_to_is_not_used() {
        let folder = tempfile::tempdir().expect("a folder");
        let open = std::fs::Permissions::from_mode(0o777);
        std::fs::set_permissions(folder.path(), open).expect("set");
        let Err(NotYet::Failed(why)) = lease(folder.path(), "KEY", URL).take() else {
            panic!("it must not be used");
        };
        assert!(why.contains("nobody else"), "{why}");
    }
}
