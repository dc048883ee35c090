//! What a supervisor leaves on disk for the one after it: a supervisor may die at any moment.
//!
//! Written anew as a whole and renamed into place, so it is never torn by us. Read with suspicion: of
//! another version, another boot, or garbage, it is as good as none. Processes are found by their marks
//! in any case; this only tells what marks cannot. It holds no environment, so no secrets.

use std::fs::{self, File};
use std::hash::Hasher;
use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;

use rustix::fs::{Mode, OFlags};
use serde::{Deserialize, Serialize};

use crate::process::{Identity, boot_id};
use crate::redact;
use crate::service::{Exit, Rights, Spec};
use crate::supervisor::Moment;

/// The present format.
const VERSION: u32 = 1;

/// All that is kept.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct State {
    version: u32,
    boot: String,
    /// The runs that had processes.
    pub runs: Vec<Kept>,
}

/// One run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Kept {
    /// Whose.
    pub service: String,
    /// Which.
    pub number: u64,
    /// Its first process.
    pub leader: Identity,
    /// It was ready.
    pub ready: bool,
    /// Runs that followed an end that nobody asked for.
    pub restarts: u64,
    /// Failed runs in a row before it.
    #[serde(default)]
    pub failures: u32,
    /// How the run before it ended, in the form of wait(2), and when, in milliseconds since boot.
    pub last_exit: Option<(Ended, u64)>,
    /// Tells whether it was started from the same declaration.
    pub fingerprint: u64,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Ended {
    /// By itself, with this code.
    Code(i32),
    /// By this signal.
    Signal(i32),
    /// Nobody could tell.
    Unknown,
}

impl State {
    /// These runs, as of this boot.
    #[must_use]
    pub fn of(runs: Vec<Kept>) -> Self {
        Self {
            version: VERSION,
            boot: boot_id(),
            runs,
        }
    }

    /// Whether this very process was recorded as the first one of a run.
    #[must_use]
    pub fn names(&self, process: Identity) -> bool {
        self.runs.iter().any(|kept| kept.leader == process)
    }

    /// What the supervisor before left; nothing, if it cannot be trusted.
    #[must_use]
    pub fn load(path: &Path) -> Self {
        match read(path) {
            Ok(state) if state.version != VERSION => {
                tracing::warn!(
                    version = state.version,
                    "the state file is of another version, and not used"
                );
                Self::default()
            }
            Ok(state) if state.boot != boot_id() => Self::default(),
            Ok(state) => state,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Self::default(),
            Err(error) => {
                tracing::warn!(%error, "the state file cannot be read, and is not used");
                Self::default()
            }
        }
    }

    /// Whether a supervisor left one, which none does that leaves in good order; and if so, whether the
    /// host has been up since.
    #[must_use]
    pub fn left_behind(path: &Path) -> Option<bool> {
        match read(path) {
            Ok(state) => Some(state.boot == boot_id()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(_) => Some(true),
        }
    }

    /// Replaces what is on disk. The folder is ours alone (0700); a link in the new file's place is not
    /// followed.
    ///
    /// # Errors
    /// The disk is full, or the folder is gone.
    pub fn save(&self, path: &Path) -> io::Result<()> {
        let new = path.with_extension("new");
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mut file = File::from(rustix::fs::open(&new, flags, Mode::RUSR | Mode::WUSR)?);
        file.write_all(&redact::json(self))?;
        fs::rename(&new, path)
    }
}

fn read(path: &Path) -> io::Result<State> {
    let file = rustix::fs::open(
        path,
        OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC,
        Mode::empty(),
    )?;
    Ok(serde_json::from_reader(io::BufReader::new(File::from(file)))?)
}

impl From<Exit> for Ended {
    fn from(exit: Exit) -> Self {
        match exit {
            Exit::Code(code) => Ended::Code(code),
            Exit::Signal(signal) => Ended::Signal(signal),
            Exit::Unknown => Ended::Unknown,
        }
    }
}

impl From<Ended> for Exit {
    fn from(ended: Ended) -> Self {
        match ended {
            Ended::Code(code) => Exit::Code(code),
            Ended::Signal(signal) => Exit::Signal(signal),
            Ended::Unknown => Exit::Unknown,
        }
    }
}

impl Kept {
    /// How and when the run before it ended, for the machine.
    #[must_use]
    pub fn last_exit(&self) -> Option<(Exit, Moment)> {
        self.last_exit
            .map(|(ended, at)| (ended.into(), Moment(Duration::from_millis(at))))
    }
}

/// Whether a process would be started the same way: FNV-1a (Fowler, Noll, Vo) over what it is started
/// with, so that the state file need not hold an environment and its secrets.
#[must_use]
pub fn fingerprint(spec: &Spec) -> u64 {
    let mut hash = Fnv(OFFSET);
    let parts = [
        spec.cwd.to_string_lossy().into_owned(),
        format!("{:?} {:?}", spec.ports, spec.sockets),
    ];
    let env = spec.env.iter().flat_map(|(key, value)| [key, value]);
    // Only what is declared: a key that a later version knows must not make old runs look outdated.
    let rights = (*spec.rights != Rights::default()).then(|| format!("{:?}", spec.rights));
    let watchdog = spec.watchdog.map(|time| format!("watchdog {time:?}"));
    for part in spec
        .command
        .iter()
        .chain(&parts)
        .chain(env)
        .chain(&rights)
        .chain(&watchdog)
    {
        hash.write(part.as_bytes());
        hash.write(&[0]);
    }
    hash.finish()
}

/// The same number for the same bytes, in every version of sentinel.
#[must_use]
pub fn hash(bytes: &[u8]) -> u64 {
    let mut hash = Fnv(OFFSET);
    hash.write(bytes);
    hash.finish()
}

/// FNV's offset basis for 64 bits.
const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;

struct Fnv(u64);

impl Hasher for Fnv {
    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept() -> Kept {
        Kept {
            service: "web".into(),
            number: 3,
            leader: Identity { pid: 5, start: 7 },
            ready: true,
            restarts: 2,
            failures: 1,
            last_exit: Some((Ended::Signal(9), 1234)),
            fingerprint: 42,
        }
    }

    #[test]
    fn what_is_saved_is_loaded() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("state.json");
        let state = State::of(vec![kept()]);
        state.save(&path).expect("saved");
        assert_eq!(State::load(&path), state);
    }

    #[test]
    fn what_an_earlier_version_left_is_understood_and_what_a_later_one_adds_is_no_harm() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("state.json");
        let state = State::of(vec![kept()]);
        let text = serde_json::to_string(&state).expect("JSON");
        fs::write(&path, text.replace(",\"failures\":1", "")).expect("written");
        let earlier = State::load(&path);
        assert_eq!(earlier.runs[0].restarts, 2);
        assert_eq!(earlier.runs[0].failures, 0, "it did not know of them");
        fs::write(&path, text.replace("\"ready\"", "\"later\":[1],\"ready\"")).expect("written");
        assert_eq!(State::load(&path), state);
    }

    #[test]
    fn a_full_disk_leaves_what_was_saved_before() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("state.json");
        let before = State::of(vec![kept()]);
        before.save(&path).expect("saved");
        fs::create_dir(path.with_extension("new")).expect("in its way");
        assert!(State::of(Vec::new()).save(&path).is_err());
        assert_eq!(State::load(&path), before);
    }

    #[test]
    fn what_cannot_be_trusted_is_as_good_as_none() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("state.json");
        assert_eq!(State::load(&path), State::default(), "none");
        let other_boot = State {
            boot: "another".into(),
            ..State::of(vec![kept()])
        };
        let other_version = State {
            version: VERSION + 1,
            ..State::of(vec![kept()])
        };
        for state in [other_boot, other_version] {
            state.save(&path).expect("saved");
            assert_eq!(State::load(&path), State::default());
        }
        let whole = serde_json::to_vec(&State::of(vec![kept()])).expect("JSON");
        for garbage in [&b""[..], b"{}", b"\xff\xfe", &whole[..whole.len() / 2]] {
            fs::write(&path, garbage).expect("written");
            assert_eq!(State::load(&path), State::default());
        }
        fs::remove_file(&path).expect("removed");
        std::os::unix::fs::symlink("/etc/passwd", &path).expect("linked");
        assert_eq!(State::load(&path), State::default(), "links are not followed");
        let state = State::of(vec![kept()]);
        state.save(&path).expect("saved over the link");
        assert_eq!(State::load(&path), state);
    }
}
