//! Takes a lock away from whoever has it, in an emergency: ends those who are proven ours, and lets a
//! stranger keep a file that nobody looks at any more.

use std::path::Path;
use std::time::Duration;

use nix::sys::signal::Signal;

use super::answer::lock;
use crate::api::{Ended, Failure, FailureKind};
use crate::lock::{Held, Holder, Lock, holders};
use crate::process::Handle;

/// From SIGKILL to giving up.
const AFTER_KILL: Duration = Duration::from_secs(5);

/// A lock, and what it took to get it.
#[derive(Debug)]
pub struct Seized {
    /// The lock.
    pub lock: Lock,
    /// Who had it and was ours.
    pub ended: Vec<Ended>,
    /// Who has it still, and is not.
    pub strangers: Vec<Holder>,
}

/// Takes the lock, whoever has it. `what` it is, for people: `supervisor`.
///
/// # Errors
/// One of ours outlives SIGKILL, or the file system says no.
pub async fn seize(path: &Path, command: &str, what: &str) -> Result<Seized, Failure> {
    let could_not_look =
        |error: std::io::Error| failed(format!("cannot see who has {}: {error}", path.display()));
    let (ours, strangers): (Vec<Holder>, Vec<Holder>) = holders(path)
        .map_err(could_not_look)?
        .into_iter()
        .partition(|holder| holder.ours);
    let mut ended = Vec::new();
    for holder in ours {
        kill(&holder).await?;
        ended.push(Ended {
            pid: holder.identity.pid,
            command: holder.command,
            signal: "SIGKILL".into(),
            proof: format!("held the {what}'s lock of this house, which names it"),
        });
    }
    let taken = lock(path, command);
    let lock = match taken {
        Ok(lock) => lock,
        Err(taken) => {
            if holders(path)
                .map_err(could_not_look)?
                .iter()
                .any(|holder| holder.ours)
            {
                return Err(taken);
            }
            // Nobody of ours is left who has it: whoever has the old file locks nothing any more.
            let removed = std::fs::remove_file(path);
            lock(path, command).map_err(|failure| match removed {
                Ok(()) => failure,
                Err(error) => failed(format!("cannot replace {}: {error}", path.display())),
            })?
        }
    };
    Ok(Seized {
        lock,
        ended,
        strangers,
    })
}

async fn kill(holder: &Holder) -> Result<(), Failure> {
    let Ok(Some(handle)) = Handle::open(holder.identity) else {
        return Ok(());
    };
    let who = holder.identity;
    handle
        .signal(Signal::SIGKILL as i32)
        .map_err(|error| failed(format!("cannot signal {who}: {error}")))?;
    match tokio::time::timeout(AFTER_KILL, handle.exited()).await {
        Ok(_) => Ok(()),
        Err(_) => Err(failed(format!(
            "{} ({who}) outlives SIGKILL: it hangs in the kernel",
            holder.command
        ))),
    }
}

/// Signals the holder of a lock and waits for its end. SIGCONT, since a stopped process cannot leave.
///
/// # Errors
/// It is not down in time.
pub async fn end(held: &Held, patience: Duration) -> Result<(), Failure> {
    let stuck = |message: String| Failure {
        help: Some("`sentinel restart emergency` does not wait for it".into()),
        ..failed(message)
    };
    let Some(identity) = held.identity else {
        return Err(stuck("the supervisor's lock does not say who holds it".into()));
    };
    let Ok(Some(handle)) = Handle::open(identity) else {
        return Ok(());
    };
    for signal in [Signal::SIGTERM, Signal::SIGCONT] {
        handle
            .signal(signal as i32)
            .map_err(|error| stuck(format!("cannot signal {identity}: {error}")))?;
    }
    match tokio::time::timeout(patience, handle.exited()).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(stuck(format!("cannot wait for {identity}: {error}"))),
        Err(_) => Err(stuck(format!(
            "the supervisor ({identity}) is not down after {} s",
            patience.as_secs()
        ))),
    }
}

fn failed(message: String) -> Failure {
    Failure {
        kind: FailureKind::Failed,
        message,
        help: None,
    }
}
