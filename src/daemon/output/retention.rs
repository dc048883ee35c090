//! What logs may stay: each service's limits, the folder's, and the oldest go first.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::logs::rotated::Rotated;
use crate::service::{Compress, LogSpec};

/// No log is rotated at less than this for the sake of a limit.
const LEAST: u64 = 4 << 10;

/// The limits of one folder.
#[derive(Debug)]
pub(super) struct Retention {
    folder: PathBuf,
    max_total: u64,
    /// The logs that are written: file name, whose it is, and its limits.
    logs: BTreeMap<String, (String, Arc<LogSpec>)>,
    /// How many bytes may be written before it is worth a look.
    headroom: u64,
}

/// A rotated file.
#[derive(Clone, Debug)]
struct Kept {
    path: PathBuf,
    rotated: Rotated,
    size: u64,
    age: Duration,
}

/// What a look found to do.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Chores {
    /// The oldest file that is to be compressed.
    pub(super) compress: Option<PathBuf>,
    /// How many files were removed.
    pub(super) removed: usize,
}

impl Retention {
    pub(super) fn new(folder: PathBuf, max_total: u64) -> Self {
        Self {
            folder,
            max_total,
            logs: BTreeMap::new(),
            headroom: 0,
        }
    }

    /// Whose limits these are.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(super) fn limit(&mut self, folder: PathBuf, max_total: u64) {
        (self.folder, self.max_total) = (folder, max_total);
        self.headroom = 0;
    }

    /// A log that is written from now on; `whose` shares `max_total` with others of the same name.
    pub(super) fn add(&mut self, log: &Path, whose: &str, spec: &Arc<LogSpec>) {
        self.logs.insert(name(log), (whose.to_owned(), spec.clone()));
        self.headroom = 0;
    }

    pub(super) fn remove(&mut self, log: &Path) {
        self.logs.remove(&name(log));
    }

    /// The size at which a log is rotated, so that no limit is passed by files that cannot be removed.
    pub(super) fn max_size(&self, spec: &LogSpec) -> u64 {
        let share = |total: u64, logs: usize| total / (2 * logs.max(1) as u64);
        let own = spec.max_total.map_or(u64::MAX, |total| {
            share(total, 1 + usize::from(spec.is_separate()))
        });
        spec.max_size
            .min(own)
            .min(share(self.max_total, self.logs.len()))
            .max(LEAST)
    }

    /// So much was written; whether it is time for a look.
    pub(super) fn wrote(&mut self, bytes: u64) -> bool {
        self.headroom = self.headroom.saturating_sub(bytes);
        self.headroom == 0
    }

    /// Removes what is too much, and says what is to be compressed.
    pub(super) fn look(&mut self) -> Chores {
        let (mut kept, current) = self.read();
        kept.sort_by(|a, b| (&a.rotated.at, &a.rotated.log).cmp(&(&b.rotated.at, &b.rotated.log)));
        let before = kept.len();
        for (log, (_, spec)) in &self.logs {
            trim_log(&mut kept, log, spec);
        }
        for (whose, limit) in self.owners() {
            let of = |log: &str| self.logs.get(log).is_some_and(|(owner, _)| *owner == whose);
            let written: u64 = current
                .iter()
                .filter(|(log, _)| of(log))
                .map(|(_, size)| size)
                .sum();
            trim_total(
                &mut kept,
                |kept| of(&kept.rotated.log),
                limit.saturating_sub(written),
            );
        }
        let written: u64 = current.values().sum();
        let left = trim_total(&mut kept, |_| true, self.max_total.saturating_sub(written));
        let room = self.max_total.saturating_sub(written + left);
        // Not zero, or every byte would be a look: some thousand looks on the way to the limit.
        self.headroom = room.max(self.max_total >> 12).max(LEAST);
        Chores {
            compress: kept
                .iter()
                .find(|kept| self.wants_gzip(kept))
                .map(|kept| kept.path.clone()),
            removed: before - kept.len(),
        }
    }

    fn wants_gzip(&self, kept: &Kept) -> bool {
        let spec = self.logs.get(&kept.rotated.log);
        !kept.rotated.compressed && spec.is_some_and(|(_, spec)| spec.compress == Compress::Gzip)
    }

    /// The services with a limit of their own.
    fn owners(&self) -> BTreeMap<String, u64> {
        let limits = self.logs.values();
        limits
            .filter_map(|(whose, spec)| Some((whose.clone(), spec.max_total?)))
            .collect()
    }

    /// Rotated files, and the sizes of those that are written. What a crash left behind goes.
    fn read(&self) -> (Vec<Kept>, BTreeMap<String, u64>) {
        let (mut kept, mut current) = (Vec::new(), BTreeMap::new());
        let Ok(folder) = fs::read_dir(&self.folder) else {
            return (kept, current);
        };
        let now = SystemTime::now();
        for entry in folder.flatten() {
            let Ok(found) = entry.metadata() else { continue };
            let Ok(name) = entry.file_name().into_string() else {
                continue;
            };
            if !found.is_file() {
                continue;
            }
            if let Some(rotated) = Rotated::parse(&name) {
                let written = rotated.time().map(SystemTime::from).or(found.modified().ok());
                kept.push(Kept {
                    path: entry.path(),
                    rotated,
                    size: found.len(),
                    age: written
                        .and_then(|written| now.duration_since(written).ok())
                        .unwrap_or_default(),
                });
            } else if name.ends_with(".log") {
                current.insert(name, found.len());
            }
        }
        drop_doubles(&mut kept);
        (kept, current)
    }
}

fn name(log: &Path) -> String {
    log.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// Removes a file; one that is gone already is as good, and one that cannot be is counted no more.
fn remove(kept: &Kept) {
    if let Err(error) = fs::remove_file(&kept.path)
        && error.kind() != std::io::ErrorKind::NotFound
    {
        tracing::warn!(log = %kept.path.display(), %error, "an old log could not be removed");
    }
}

/// A file whose compressed copy is whole is not needed: a crash came between the two.
fn drop_doubles(kept: &mut Vec<Kept>) {
    let whole: Vec<(String, String)> = kept
        .iter()
        .filter(|kept| kept.rotated.compressed)
        .map(|kept| (kept.rotated.log.clone(), kept.rotated.at.clone()))
        .collect();
    kept.retain(|file| {
        let double = !file.rotated.compressed
            && whole
                .iter()
                .any(|(log, at)| *log == file.rotated.log && *at == file.rotated.at);
        if double {
            remove(file);
        }
        !double
    });
}

/// The count and the age that one log may keep. The files are in the order of time.
fn trim_log(kept: &mut Vec<Kept>, log: &str, spec: &LogSpec) {
    let all = kept.iter().filter(|kept| kept.rotated.log == log).count();
    let mut surplus = spec.keep.map_or(0, |keep| {
        all.saturating_sub(usize::try_from(keep).unwrap_or(usize::MAX))
    });
    kept.retain(|file| {
        if file.rotated.log != log {
            return true;
        }
        let too_old = spec.keep_for.is_some_and(|keep_for| file.age > keep_for);
        if surplus == 0 && !too_old {
            return true;
        }
        surplus = surplus.saturating_sub(1);
        remove(file);
        false
    });
}

/// Removes the oldest of these until they take no more than this; gives what they take then.
fn trim_total(kept: &mut Vec<Kept>, of: impl Fn(&Kept) -> bool, limit: u64) -> u64 {
    let mut total: u64 = kept.iter().filter(|kept| of(kept)).map(|kept| kept.size).sum();
    kept.retain(|file| {
        if total <= limit || !of(file) {
            return true;
        }
        total -= file.size;
        remove(file);
        false
    });
    total
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(files: &[(&str, usize)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a folder");
        for (name, size) in files {
            fs::write(folder.path().join(name), vec![b'x'; *size]).expect("written");
        }
        folder
    }

    fn left(folder: &tempfile::TempDir) -> Vec<String> {
        let entries = fs::read_dir(folder.path()).expect("read").flatten();
        let mut names: Vec<_> = entries
            .filter_map(|entry| entry.file_name().into_string().ok())
            .collect();
        names.sort();
        names
    }

    const A1: &str = "a.log.20261121T080000.000000Z.gz";
    const B2: &str = "b.log.20261121T090000.000000Z";
    const A3: &str = "a.log.20261121T100000.000000Z";

    #[test]
    fn the_oldest_go_first_whosoever() {
        let folder = folder(&[("a.log", 100), (A1, 50), (B2, 50), (A3, 50), ("notes.txt", 9000)]);
        let mut retention = Retention::new(folder.path().into(), 210);
        assert_eq!(retention.look().removed, 1);
        assert_eq!(left(&folder), ["a.log", A3, B2, "notes.txt"]);
        retention.limit(folder.path().into(), 10);
        retention.look();
        assert_eq!(
            left(&folder),
            ["a.log", "notes.txt"],
            "what is being written and what is not ours stays"
        );
    }

    #[test]
    fn a_service_has_limits_of_its_own() {
        let files = [("a.log", 100), (A1, 50), (B2, 50), (A3, 50)];
        for (spec, stay) in [
            (
                LogSpec {
                    keep: Some(1),
                    ..LogSpec::default()
                },
                vec!["a.log", A3, B2],
            ),
            (
                LogSpec {
                    max_total: Some(120),
                    ..LogSpec::default()
                },
                vec!["a.log", B2],
            ),
            (
                LogSpec {
                    keep_for: Some(Duration::ZERO),
                    ..LogSpec::default()
                },
                vec!["a.log", B2],
            ),
            (LogSpec::default(), vec!["a.log", A1, A3, B2]),
        ] {
            let folder = folder(&files);
            let mut retention = Retention::new(folder.path().into(), 1 << 20);
            retention.add(Path::new("/x/a.log"), "a", &Arc::new(spec.clone()));
            retention.look();
            assert_eq!(left(&folder), stay, "{spec:?}");
        }
    }

    #[test]
    fn one_file_is_compressed_at_a_time_and_doubles_go() {
        let double = A1.trim_end_matches(".gz");
        let folder = folder(&[(A1, 1), (double, 1), (A3, 1), (B2, 1)]);
        let mut retention = Retention::new(folder.path().into(), 1 << 20);
        retention.add(Path::new("a.log"), "a", &Arc::default());
        assert_eq!(retention.look().compress, Some(folder.path().join(A3)));
        assert_eq!(
            left(&folder),
            [A3, A1, B2]
                .map(String::from)
                .into_iter()
                .collect::<std::collections::BTreeSet<_>>()
                .into_iter()
                .collect::<Vec<_>>()
        );
        assert!(!retention.wrote(1) && retention.wrote(1 << 30));
    }

    #[test]
    fn no_log_may_grow_past_half_of_its_share() {
        let mut retention = Retention::new("/x".into(), 1 << 20);
        let spec = LogSpec::default();
        for name in ["a.log", "b.log"] {
            retention.add(Path::new(name), name, &Arc::new(spec.clone()));
        }
        assert_eq!(retention.max_size(&spec), 1 << 18);
        let small = LogSpec {
            max_total: Some(64 << 10),
            ..spec
        };
        assert_eq!(retention.max_size(&small), 32 << 10);
    }
}
