//! Ends the holders of sockets: SIGTERM and a grace, then SIGKILL, each by a handle proven to be the holder.

use super::flush::Targets;
use super::holders::holds_any;
use super::listen::any_unheld;
use crate::process::{Handle, Identity};
use futures_util::future::join_all;
use std::collections::BTreeSet;
use std::io;
use std::time::Duration;
use tokio::time::{Instant, timeout, timeout_at};

/// How long a process may take to vanish after SIGKILL. Only one stuck in the kernel (state `D`) does.
const AFTER_KILL: Duration = Duration::from_secs(2);

/// Between two looks whether a live process has given up its sockets: from the first to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(2);
const LONGEST_PAUSE: Duration = Duration::from_millis(200);

const SIGKILL: i32 = 9;
const SIGTERM: i32 = 15;
const SIGCONT: i32 = 18;

/// Ends them all side by side. For each the last signal sent, or `None` when it was gone already.
pub(super) async fn end_all(targets: Targets, grace: Duration) -> Vec<(Identity, io::Result<Option<i32>>)> {
    let ends = targets.into_iter().map(|(identity, sockets)| async move {
        let outcome = end(identity, &sockets, grace).await;
        (identity, outcome)
    });
    join_all(ends).await
}

async fn end(identity: Identity, sockets: &BTreeSet<u64>, grace: Duration) -> io::Result<Option<i32>> {
    let Some(handle) = Handle::open(identity)? else {
        return Ok(None);
    };
    if !grace.is_zero() {
        if !handle.signal(SIGTERM)? {
            return Ok(None);
        }
        // A stopped process dies of nothing but SIGKILL until it is continued.
        handle.signal(SIGCONT)?;
        if gave_up(&handle, sockets, Instant::now() + grace).await? {
            return Ok(Some(SIGTERM));
        }
    }
    if !handle.signal(SIGKILL)? {
        return Ok((!grace.is_zero()).then_some(SIGTERM));
    }
    if let Ok(exited) = timeout(AFTER_KILL, handle.exited()).await {
        exited?;
    }
    Ok(Some(SIGKILL))
}

/// Waits until it has exited or closed the sockets; false when it has done neither in time.
///
/// The kernel tells of an exit at once, but of a closed socket nobody but its owner, so that is looked
/// at, ever more seldom, until the grace is over.
async fn gave_up(handle: &Handle, sockets: &BTreeSet<u64>, deadline: Instant) -> io::Result<bool> {
    let mut pause = FIRST_PAUSE;
    loop {
        let next = deadline.min(Instant::now() + pause);
        if let Ok(exited) = timeout_at(next, handle.exited()).await {
            return exited.map(|()| true);
        }
        let holds = holds_any(handle.identity().pid, sockets)?;
        // A process on its way out has no descriptors any more while the kernel still closes its sockets.
        if !holds && !any_unheld(sockets)? {
            return Ok(true);
        }
        if Instant::now() >= deadline {
            return Ok(!holds);
        }
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}
