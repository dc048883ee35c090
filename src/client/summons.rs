//! Has systemd begin the supervisor of a house that it runs, and hears how that supervisor gets on.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, SystemTime};

use rustix::fs::{Mode as FileMode, OFlags};
use tokio::net::unix::pipe;

use crate::api::{Ended, Errand, FailureKind, Mode};
use crate::config::Config;
use crate::lock::Lock;
use crate::paths::Paths;
use crate::process::{self, Handle, Identity};
use crate::schedule::SCHEDULE;
use crate::systemd::Unit;

use super::death::Death;
use super::error::Error;

/// Beyond what the old supervisor may need to stop: then nobody means the errand any longer.
const ERRAND_HOLDS: Duration = Duration::from_secs(120);
/// What systemd has begun has reported by then, or is no supervisor.
const REPORTS_WITHIN: Duration = Duration::from_secs(10);

/// A supervisor that systemd was asked to begin.
#[derive(Debug)]
pub struct Summons {
    unit: Unit,
    systemctl: Child,
    death: Death,
    errand: PathBuf,
    report: PathBuf,
    /// Whom an emergency ended before systemd was asked.
    ended: Vec<Ended>,
}

impl Summons {
    /// Leaves the errand and asks systemd for a new supervisor; the progress comes from the receiver.
    ///
    /// # Errors
    /// The errand cannot be written, or there is no systemctl.
    pub fn send(
        unit: Unit,
        config: &Config,
        mode: Mode,
        services: &[String],
    ) -> Result<(Self, pipe::Receiver), Error> {
        let cannot =
            |error: io::Error| Error::failed(format!("cannot ask {unit} for a supervisor")).because(&error);
        let errand = config.paths.errand();
        let report = config
            .paths
            .state_dir
            .join(format!("report.{}", std::process::id()));
        let receiver = listen(&report).map_err(cannot)?;
        let stop_takes: Duration = config.services.iter().map(|spec| spec.stop.timeout).sum();
        let order = Errand {
            mode,
            services: services.to_vec(),
            report: report.clone(),
            until: epoch_s() + (stop_takes + ERRAND_HOLDS).as_secs(),
            caller: Some(std::process::id().cast_signed()),
            schedule: std::env::var(SCHEDULE).ok().filter(|name| !name.is_empty()),
        };
        let text = serde_json::to_vec(&order).map_err(|error| cannot(error.into()))?;
        fs::write(&errand, text).map_err(cannot)?;
        let ended = match mode {
            Mode::Emergency => end_at_once(&unit, &config.paths).map_err(cannot)?,
            Mode::Start | Mode::Master | Mode::Quick => Vec::new(),
        };
        let systemctl = begin(&unit).map_err(cannot)?;
        let death = Death::of_child(&systemctl).map_err(cannot)?;
        let summons = Self {
            unit,
            systemctl,
            death,
            errand,
            report,
            ended,
        };
        Ok((summons, receiver))
    }

    /// Whom an emergency ended before systemd was asked, with the proofs.
    pub fn take_ended(&mut self) -> Vec<Ended> {
        std::mem::take(&mut self.ended)
    }

    /// Ends when no progress is to be expected any more: systemd refused, or begins something else.
    pub async fn refused(&mut self) {
        // An error means that nobody can tell; the progress itself still can.
        if self.death.wait().await.is_err() {
            return std::future::pending().await;
        }
        match self.systemctl.try_wait() {
            Ok(Some(status)) if !status.success() => {}
            _ => tokio::time::sleep(REPORTS_WITHIN).await,
        }
    }

    /// What became of a supervisor whose progress ended without a result.
    pub fn died(&mut self) -> Error {
        let words = self.systemctl.stderr.take().map(io::read_to_string);
        let words = words.and_then(Result::ok).unwrap_or_default();
        let Unit { name, .. } = &self.unit;
        let message = match self.systemctl.try_wait() {
            Ok(Some(status)) if status.success() => {
                format!(
                    "the supervisor that {} began has ended before it was done",
                    self.unit
                )
            }
            _ => format!("systemd did not begin {name}"),
        };
        let error =
            Error::new(FailureKind::Failed, message).details(words.lines().map(str::to_owned).collect());
        let denied = ["Access denied", "authentication required", "Permission denied"];
        if denied.iter().any(|word| words.contains(word)) {
            return error.help("run it as root: sudo sentinel …");
        }
        error.help(self.unit.journal())
    }
}

impl Drop for Summons {
    fn drop(&mut self) {
        // Still there: systemd has begun nothing that reads it. A caller who just stopped waiting leaves it.
        if matches!(self.systemctl.try_wait(), Ok(Some(status)) if !status.success()) {
            let _ = fs::remove_file(&self.errand);
        }
        let _ = fs::remove_file(&self.report);
    }
}

/// A supervisor that hangs does not hear a stop: an emergency begins with SIGKILL. For all of the unit, if
/// the supervisor is its main process, so that all of it came of the supervisor; else for that one alone.
fn end_at_once(unit: &Unit, paths: &Paths) -> io::Result<Vec<Ended>> {
    let held = Lock::holder(&paths.supervisor_lock()).and_then(|held| held.identity);
    let ended = |pid: i32, proof: String| Ended {
        pid,
        command: process::command(pid),
        signal: "SIGKILL".into(),
        proof,
    };
    let main = unit.main_process();
    if let Some(supervisor) = held.filter(|held| main.is_some_and(|main| main != held.pid)) {
        let proof = "held the supervisor's lock of this house, which names it".to_owned();
        let mut all = vec![ended(supervisor.pid, proof)];
        kill(supervisor)?;
        // systemd would wait for them, too.
        for marked in process::marked(&paths.state_dir)? {
            let run = format!(
                "carries the mark of {}#{}",
                marked.mark.service, marked.mark.number
            );
            all.push(ended(marked.identity.pid, run));
            kill(marked.identity)?;
        }
        return Ok(all);
    }
    let members = unit.members().into_iter();
    let all = members.map(|pid| ended(pid, format!("belongs to {unit}, which runs this house")));
    let all = all.collect();
    quietly(unit.systemctl(&["kill", "--signal=SIGKILL"]))?;
    Ok(all)
}

fn kill(identity: Identity) -> io::Result<()> {
    let sigkill = nix::sys::signal::Signal::SIGKILL as i32;
    Handle::open(identity)?.map_or(Ok(()), |handle| handle.signal(sigkill).map(drop))
}

fn quietly(mut command: Command) -> io::Result<()> {
    let quiet = command.stdin(Stdio::null()).stdout(Stdio::null());
    // Nothing failed, nothing to kill: both are fine.
    quiet.stderr(Stdio::null()).status().map(drop)
}

fn begin(unit: &Unit) -> io::Result<Child> {
    quietly(unit.systemctl(&["reset-failed"]))?;
    unit.systemctl(&["restart"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
}

/// A FIFO that nobody else may write, open for reading before anybody could write.
fn listen(path: &PathBuf) -> io::Result<pipe::Receiver> {
    let _ = fs::remove_file(path);
    nix::unistd::mkfifo(
        path,
        nix::sys::stat::Mode::S_IRUSR | nix::sys::stat::Mode::S_IWUSR,
    )?;
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    pipe::Receiver::from_owned_fd(rustix::fs::open(path, flags, FileMode::empty())?)
}

fn epoch_s() -> u64 {
    SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or(Duration::ZERO)
        .as_secs()
}
