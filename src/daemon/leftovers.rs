//! Processes that an earlier supervisor of this house left behind, found by the mark they inherited.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use nix::sys::signal::Signal;
use tokio::time::{Instant, timeout_at};

use super::state::State;
use crate::api::{Ended, Failure, FailureKind};
use crate::process::{self, Handle, Identity, Marked};
use crate::service::{Run, Spec};

/// From SIGKILL to giving up.
const AFTER_KILL: Duration = Duration::from_secs(5);
/// What they fork while they are taken down is met in the next round.
const ROUNDS: usize = 4;

/// Whose leftovers, which of them stay, and how long the others have.
#[derive(Debug)]
pub struct Leftovers<'a> {
    /// The state folder that marks them.
    pub house: &'a Path,
    /// These runs go on.
    pub keep: &'a [Run],
    /// What the earlier supervisor recorded.
    pub state: &'a State,
    /// From SIGTERM to SIGKILL.
    pub grace: Grace<'a>,
    /// What was found just now, by whoever decided what stays: one look at the machine less.
    pub seen: Option<Vec<Marked>>,
}

/// How long leftovers have between SIGTERM and SIGKILL.
#[derive(Clone, Copy, Debug)]
pub enum Grace<'a> {
    /// No time: SIGKILL at once.
    None,
    /// What their services declare.
    AsDeclared(&'a [Arc<Spec>]),
}

impl Grace<'_> {
    /// Of a service that is not declared any more.
    const OTHERS: Duration = Duration::from_secs(3);

    fn of(self, service: &str) -> Duration {
        match self {
            Self::None => Duration::ZERO,
            Self::AsDeclared(specs) => specs
                .iter()
                .find(|spec| spec.name.as_str() == service)
                .map_or(Self::OTHERS, |spec| spec.stop.timeout),
        }
    }
}

/// One that is to go.
struct Leftover {
    handle: Handle,
    grace: Duration,
    ended: Ended,
}

impl Leftovers<'_> {
    /// Takes them down: SIGTERM, the grace, SIGKILL. Says of each why it was ours.
    ///
    /// # Errors
    /// Some are still there, or could not be looked for.
    pub async fn take_down(&mut self) -> Result<Vec<Ended>, Failure> {
        let mut ended: Vec<Ended> = Vec::new();
        for _ in 0..ROUNDS {
            let found = self.find().map_err(|error| could_not_look(&error))?;
            if found.is_empty() {
                return Ok(ended);
            }
            ended.extend(end(found).await);
        }
        let left = self.find().map_err(|error| could_not_look(&error))?;
        if left.is_empty() {
            return Ok(ended);
        }
        let name = |one: &Leftover| {
            format!(
                "{} (pid {}, {})",
                one.ended.command, one.ended.pid, one.ended.proof
            )
        };
        let names: Vec<String> = left.iter().map(name).collect();
        Err(Failure {
            kind: FailureKind::Failed,
            message: format!("processes of an earlier supervisor do not end: {}", names.join(", ")),
            help: Some("`sentinel restart emergency`; what outlives SIGKILL belongs to another user or hangs in the kernel".into()),
        })
    }

    /// Everything of this house that is not to be kept.
    fn find(&mut self) -> io::Result<Vec<Leftover>> {
        let seen = self.seen.take().map_or_else(|| process::marked(self.house), Ok)?;
        let kept = |marked: &Marked| {
            self.keep
                .iter()
                .any(|run| run.service.as_str() == marked.mark.service && run.number == marked.mark.number)
        };
        let mut found = Vec::new();
        for marked in seen.iter().filter(|marked| !kept(marked)) {
            let handle = Handle::open(marked.identity)?.filter(Handle::is_alive);
            found.extend(handle.map(|handle| Leftover {
                ended: Ended {
                    pid: marked.identity.pid,
                    command: process::command(marked.identity.pid),
                    signal: String::new(),
                    proof: self.proof(marked),
                },
                grace: self.grace.of(&marked.mark.service),
                handle,
            }));
        }
        Ok(found)
    }

    fn proof(&self, marked: &Marked) -> String {
        let run = format!("{}#{}", marked.mark.service, marked.mark.number);
        if self.state.names(marked.identity) {
            return format!("recorded as the process of {run}, with the same start time");
        }
        match marked.by {
            None => format!("carries the mark of {run}"),
            Some(pid) => {
                format!("descends from pid {pid} or is in its session, which carries the mark of {run}")
            }
        }
    }
}

fn could_not_look(error: &io::Error) -> Failure {
    let message = format!("cannot look for what an earlier supervisor left: {error}");
    Failure {
        kind: FailureKind::Failed,
        message,
        help: None,
    }
}

async fn end(found: Vec<Leftover>) -> Vec<Ended> {
    let grace = found.iter().map(|one| one.grace).max().unwrap_or_default();
    let all: Vec<&Handle> = found.iter().map(|one| &one.handle).collect();
    if !grace.is_zero() {
        signal_all(&all, &[Signal::SIGTERM as i32, Signal::SIGCONT as i32]);
        wait_for_all(&all, grace).await;
    }
    let deaf: Vec<&Handle> = all.into_iter().filter(|handle| handle.is_alive()).collect();
    let killed: Vec<Identity> = deaf.iter().map(|handle| handle.identity()).collect();
    signal_all(&deaf, &[Signal::SIGKILL as i32]);
    wait_for_all(&deaf, AFTER_KILL).await;
    let signal = |one: &Leftover| match killed.contains(&one.handle.identity()) {
        true => "SIGKILL".to_owned(),
        false => "SIGTERM".to_owned(),
    };
    let ended = found.into_iter().map(|one| Ended {
        signal: signal(&one),
        ..one.ended
    });
    ended.collect()
}

fn signal_all(found: &[&Handle], signals: &[i32]) {
    for (handle, &signal) in found
        .iter()
        .flat_map(|handle| signals.iter().map(move |signal| (handle, signal)))
    {
        if let Err(error) = handle.signal(signal) {
            tracing::warn!(process = %handle.identity(), signal, %error, "could not signal a leftover");
        }
    }
}

async fn wait_for_all(found: &[&Handle], patience: Duration) {
    let deadline = Instant::now() + patience;
    for handle in found {
        let _ = timeout_at(deadline, handle.exited()).await;
    }
}
