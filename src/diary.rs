//! What schedules did: two small files for each, so that whoever replaces whoever ran it can tell.
//!
//! `NAME.seen` is the supervisor's: up to which time the schedule has been dealt with. `NAME.json` is written by
//! whoever runs it. `NAME.lock` is held for as long as it runs.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;

use crate::api::{self, ScheduleResult, ScheduleRun};
use crate::lock::{Lock, Refused};
use crate::paths::Paths;
use crate::schedule::Schedule;

/// The diary of one house.
#[derive(Clone, Debug)]
pub struct Diary {
    folder: PathBuf,
}

impl Diary {
    /// The diary of this house.
    #[must_use]
    pub fn of(paths: &Paths) -> Self {
        Self {
            folder: paths.state_dir.join("schedules"),
        }
    }

    fn file(&self, name: &str, kind: &str) -> PathBuf {
        self.folder.join(format!("{name}.{kind}"))
    }

    /// How far a supervisor got with this schedule.
    #[must_use]
    pub fn seen(&self, name: &str) -> Option<Timestamp> {
        fs::read_to_string(self.file(name, "seen"))
            .ok()?
            .trim()
            .parse()
            .ok()
    }

    /// A supervisor got so far.
    ///
    /// # Errors
    /// The disk is full, or the folder cannot be written.
    pub fn note_seen(&self, name: &str, seen: Timestamp) -> io::Result<()> {
        self.write(&self.file(name, "seen"), &format!("{seen}\n"))
    }

    /// The last run. One whose process died before it could tell has failed.
    #[must_use]
    pub fn last(&self, name: &str) -> Option<ScheduleRun> {
        let text = fs::read(self.file(name, "json")).ok()?;
        let mut run: ScheduleRun = serde_json::from_slice(&text).ok()?;
        if run.result == ScheduleResult::Running && !self.is_running(name) {
            run.result = ScheduleResult::Failed;
            run.line = Some("it ended without saying how".into());
        }
        Some(run)
    }

    /// What became of a run.
    ///
    /// # Errors
    /// The disk is full, or the folder cannot be written.
    pub fn note(&self, name: &str, run: &ScheduleRun) -> io::Result<()> {
        self.write(&self.file(name, "json"), &serde_json::to_string(run)?)
    }

    /// Whether a run is under way.
    #[must_use]
    pub fn is_running(&self, name: &str) -> bool {
        Lock::holder(&self.file(name, "lock")).is_some()
    }

    /// Takes the right to run it.
    ///
    /// # Errors
    /// A run is under way, or the folder cannot be written.
    pub fn begin(&self, name: &str) -> Result<Lock, Refused> {
        fs::create_dir_all(&self.folder).map_err(Refused::Io)?;
        Lock::take(&self.file(name, "lock"), &format!("schedule {name}"))
    }

    /// As a whole or not at all.
    fn write(&self, path: &Path, text: &str) -> io::Result<()> {
        fs::create_dir_all(&self.folder)?;
        let new = path.with_extension(format!("{}.new", std::process::id()));
        fs::write(&new, text)?;
        fs::rename(&new, path)
    }

    /// What is told of a schedule.
    #[must_use]
    pub fn told(&self, schedule: &Arc<Schedule>, next: Option<Timestamp>, now: Timestamp) -> api::Schedule {
        let zoned = |at: Timestamp| at.to_zoned(schedule.zone.clone());
        api::Schedule {
            name: schedule.name.clone(),
            deed: schedule.deed.words(),
            cron: schedule.cron.to_string(),
            timezone: schedule.zone.iana_name().unwrap_or("local").to_owned(),
            next: next.map(|next| zoned(next).strftime("%Y-%m-%dT%H:%M:%S%:z").to_string()),
            next_in_s: next.map(|next| next.duration_since(now).as_secs_f64().max(0.0).round()),
            last: self.last(&schedule.name),
        }
    }
}

/// What tells this host from others, for the delay of a schedule: systemd's machine-id(5), else the host's name.
#[must_use]
pub fn host() -> u64 {
    let id = ["/etc/machine-id", "/proc/sys/kernel/hostname"]
        .into_iter()
        .find_map(|file| fs::read(file).ok().filter(|text| !text.is_empty()))
        .unwrap_or_default();
    id.iter().fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}
