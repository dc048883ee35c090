//! Processes that an earlier supervisor of this house left behind, found by the mark they inherited.

use std::io;
use std::path::Path;
use std::time::Duration;

use nix::sys::signal::Signal;
use tokio::time::{Instant, timeout_at};

use crate::api::{Failure, FailureKind};
use crate::process::{self, Handle, Identity, Marked};
use crate::service::Run;

/// From SIGKILL to giving up.
const AFTER_KILL: Duration = Duration::from_secs(5);
/// What they fork while they are taken down is met in the next round.
const ROUNDS: usize = 4;

/// Takes them down, but for these runs: SIGTERM, `grace`, SIGKILL; SIGKILL at once without grace. Says who
/// they were.
///
/// # Errors
/// Some are still there, or could not be looked for.
pub async fn take_down(house: &Path, keep: &[Run], grace: Duration) -> Result<Option<String>, Failure> {
    let mut killed: Vec<String> = Vec::new();
    for _ in 0..ROUNDS {
        let found = find(house, keep).map_err(|error| could_not_look(&error))?;
        if found.is_empty() {
            return Ok((!killed.is_empty()).then(|| format!("ended {}", killed.join(", "))));
        }
        killed.extend(found.iter().map(|handle| name(handle.identity())));
        end(&found, grace).await;
    }
    let left: Vec<String> = find(house, keep)
        .map_err(|error| could_not_look(&error))?
        .iter()
        .map(|handle| name(handle.identity()))
        .collect();
    Err(Failure {
        kind: FailureKind::Failed,
        message: format!("processes of an earlier supervisor do not end: {}", left.join(", ")),
        help: Some("`sentinel restart emergency`; what outlives SIGKILL belongs to another user or hangs in the kernel".into()),
    })
}

fn could_not_look(error: &io::Error) -> Failure {
    let message = format!("cannot look for what an earlier supervisor left: {error}");
    Failure {
        kind: FailureKind::Failed,
        message,
        help: None,
    }
}

/// Everything of this house that is not to be kept.
fn find(house: &Path, keep: &[Run]) -> io::Result<Vec<Handle>> {
    let kept = |marked: &Marked| {
        keep.iter()
            .any(|run| run.service.as_str() == marked.mark.service && run.number == marked.mark.number)
    };
    let mut found = Vec::new();
    for marked in process::marked(house)?.iter().filter(|marked| !kept(marked)) {
        found.extend(Handle::open(marked.identity)?.filter(Handle::is_alive));
    }
    Ok(found)
}

async fn end(found: &[Handle], grace: Duration) {
    if !grace.is_zero() {
        signal_all(found, &[Signal::SIGTERM as i32, Signal::SIGCONT as i32]);
        wait_for_all(found, grace).await;
    }
    signal_all(found, &[Signal::SIGKILL as i32]);
    wait_for_all(found, AFTER_KILL).await;
}

fn signal_all(found: &[Handle], signals: &[i32]) {
    for (handle, &signal) in found
        .iter()
        .flat_map(|handle| signals.iter().map(move |signal| (handle, signal)))
    {
        if let Err(error) = handle.signal(signal) {
            tracing::warn!(process = %handle.identity(), signal, %error, "could not signal a leftover");
        }
    }
}

async fn wait_for_all(found: &[Handle], patience: Duration) {
    let deadline = Instant::now() + patience;
    for handle in found {
        let _ = timeout_at(deadline, handle.exited()).await;
    }
}

fn name(process: Identity) -> String {
    format!("{} (pid {})", process::command(process.pid), process.pid)
}
