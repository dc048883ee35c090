//! Processes that an earlier supervisor of this house left behind, found by the mark they inherited.

use std::collections::HashSet;
use std::io;
use std::path::Path;
use std::time::Duration;

use nix::sys::signal::Signal;
use tokio::time::{Instant, timeout_at};

use crate::api::{Failure, FailureKind};
use crate::process::{self, Handle, Identity, Table};

/// From SIGKILL to giving up.
const AFTER_KILL: Duration = Duration::from_secs(5);
/// What they fork while they are taken down is met in the next round.
const ROUNDS: usize = 4;

/// Takes all of them down: SIGTERM, `grace`, SIGKILL; SIGKILL at once without grace. Says who they were.
///
/// # Errors
/// Some are still there, or could not be looked for.
pub async fn take_down(house: &Path, grace: Duration) -> Result<Option<String>, Failure> {
    let mut killed: Vec<String> = Vec::new();
    for _ in 0..ROUNDS {
        let found = find(house).map_err(|error| could_not_look(&error))?;
        if found.is_empty() {
            return Ok((!killed.is_empty()).then(|| format!("ended {}", killed.join(", "))));
        }
        killed.extend(found.iter().map(|handle| name(handle.identity())));
        end(&found, grace).await;
    }
    let left: Vec<String> = find(house)
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

/// Everything that carries this house's mark, and everything below it; never ourselves or who called us.
fn find(house: &Path) -> io::Result<Vec<Handle>> {
    let table = Table::read()?;
    let own = std::process::id().cast_signed();
    let mut spared: HashSet<i32> = table.ancestors(own).iter().map(|process| process.pid).collect();
    spared.insert(own);
    let mut found = Vec::new();
    let mut seen = HashSet::new();
    for process in table.iter().filter(|process| process.state != 'Z') {
        let mark = process::mark(process.pid)?;
        if mark.is_some_and(|mark| mark.state_dir == house) {
            let below = table
                .descendants(process.pid)
                .into_iter()
                .map(process::Process::identity);
            for identity in std::iter::once(process.identity()).chain(below) {
                if !spared.contains(&identity.pid) && seen.insert(identity) {
                    found.extend(Handle::open(identity)?.filter(Handle::is_alive));
                }
            }
        }
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
