//! Begins a new supervisor, which conducts the whole transaction itself and then lives on as the daemon.

use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tokio::net::unix::pipe;

use crate::api::{Ended, FailureKind, Mode};
use crate::config::Config;
use crate::systemd::Unit;

use super::death::Death;
use super::error::Error;
use super::events::Events;
use super::house;
use super::summons::Summons;

/// A process that has closed its pipe because it dies is gone after this time.
const DEATH_TAKES: Duration = Duration::from_secs(2);

/// A supervisor that has just been begun.
#[derive(Debug)]
pub struct Launched {
    /// None: it is systemd's.
    child: Option<Child>,
    /// Its progress.
    pub events: Events,
    /// Who was ended before it could tell.
    pub ended: Vec<Ended>,
}

/// Begins a supervisor. It takes the house over as `mode` says and starts these services, or all.
///
/// Nothing of the caller stays open in it but stderr's log and the pipe, which it closes after its `End`.
///
/// # Errors
/// When no process can be made.
pub fn launch(config: &Config, mode: Mode, services: &[String]) -> Result<Launched, Error> {
    spawn(config, &["supervise", "--mode", mode.as_str(), "--"], services)
}

/// Has systemd begin the supervisor instead, for a house that it runs.
///
/// # Errors
/// When systemd cannot be asked.
pub fn summon(unit: Unit, config: &Config, mode: Mode, services: &[String]) -> Result<Launched, Error> {
    let (mut summons, fifo) = Summons::send(unit, config, mode, services)?;
    Ok(Launched {
        child: None,
        ended: summons.take_ended(),
        events: Events::from_summons(fifo, summons),
    })
}

/// Has a new supervisor check all that it would check before it touches anything. It touches nothing.
///
/// # Errors
/// When no process can be made.
pub fn rehearse(config: &Config, mode: Mode, services: &[String]) -> Result<Launched, Error> {
    let words = ["supervise", "--check", "--mode", mode.as_str(), "--"];
    spawn(config, &words, services)
}

fn spawn(config: &Config, words: &[&str], services: &[String]) -> Result<Launched, Error> {
    let cannot = |error: io::Error| Error::failed("cannot begin a supervisor").because(&error);
    let mut child = Command::new(std::env::current_exe().map_err(cannot)?)
        .arg("--config")
        .arg(&config.paths.config)
        .args(words)
        .args(services)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(stderr_for(&house::own_log(config)))
        .spawn()
        .map_err(cannot)?;
    let stdout = child
        .stdout
        .take()
        .ok_or_else(|| cannot(io::ErrorKind::BrokenPipe.into()))?;
    let pipe = pipe::Receiver::from_owned_fd(OwnedFd::from(stdout)).map_err(cannot)?;
    Ok(Launched {
        child: Some(child),
        events: Events::from_pipe(pipe),
        ended: Vec::new(),
    })
}

/// The log of the house when it can be written: a panic before the supervisor opens it itself is kept.
fn stderr_for(log: &Path) -> Stdio {
    match std::fs::OpenOptions::new().append(true).open(log) {
        Ok(file) => file.into(),
        Err(_) => Stdio::null(),
    }
}

impl Launched {
    /// What became of a supervisor whose progress ended without a result.
    pub async fn died(mut self, log: &Path) -> Error {
        if let Some(summons) = self.events.summons() {
            return summons.died();
        }
        let Some(mut child) = self.child else {
            return Error::failed("the new supervisor stopped reporting");
        };
        let pid = child.id();
        if let Ok(death) = Death::of_child(&child) {
            death.within(DEATH_TAKES).await;
        }
        let status = child.try_wait().ok().flatten();
        let (kind, how) = match status.map(|status| (status.code(), status)) {
            // 101: a panic that nothing caught.
            Some((Some(70 | 101), _)) => (FailureKind::Bug, "had a bug and died".to_owned()),
            Some((_, status)) => (FailureKind::Failed, format!("died ({status})")),
            None => (FailureKind::Failed, "stopped reporting".to_owned()),
        };
        Error::new(
            kind,
            format!("the new supervisor (pid {pid}) {how} before it was done"),
        )
        .help(format!(
            "read the end of {}, then: sentinel restart emergency",
            log.display()
        ))
    }
}
