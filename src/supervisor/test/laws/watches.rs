//! Who is to be watched is: a new process, one that is ready, one that promised something.

use super::{Watched, ensure};
use crate::service::Spec;
use crate::supervisor::{Action, Input};

/// Whether a run of it is held to something.
pub(super) fn promises(spec: &Spec) -> bool {
    spec.watchdog.is_some() || spec.memory_max.is_some()
}

impl Watched {
    /// A new process is awaited, and one that got ready is asked for its health.
    pub(super) fn judge_watches(&self, stale: bool, input: &Input, actions: &[Action]) -> Result<(), String> {
        let expected = match input {
            Input::Spawned { run } if !stale => Some(Action::AwaitReady { run: run.clone() }),
            Input::Adopted { run, past } if !stale && !past.ready => {
                Some(Action::AwaitReady { run: run.clone() })
            }
            Input::Ready { run } | Input::Adopted { run, .. } if !stale => {
                let spec = self.entry(&run.service).map(|entry| entry.spec.clone());
                let spec = spec.filter(|spec| spec.health.is_some());
                spec.map(|spec| Action::WatchHealth {
                    run: run.clone(),
                    spec,
                })
            }
            Input::Spawned { .. }
            | Input::Ready { .. }
            | Input::Adopted { .. }
            | Input::SpawnFailed { .. }
            | Input::NotReady { .. }
            | Input::Healthy { .. }
            | Input::Ailing { .. }
            | Input::Unhealthy { .. }
            | Input::WatchdogMissed { .. }
            | Input::OverMemory { .. }
            | Input::Leaving { .. }
            | Input::Extended { .. }
            | Input::Exited { .. }
            | Input::Swept { .. }
            | Input::Survivors { .. }
            | Input::Request { .. }
            | Input::FilesChanged { .. }
            | Input::Tick => None,
        };
        ensure(expected.as_ref().is_none_or(|one| actions.contains(one)), || {
            format!("{expected:?} is missing among {actions:?}")
        })?;
        let ready = match input {
            Input::Ready { run } => Some(run),
            Input::Adopted { run, past } => past.ready.then_some(run),
            _ => None,
        };
        let entry = ready.filter(|_| !stale).and_then(|run| self.entry(&run.service));
        let promised = entry.is_some_and(|entry| promises(&entry.spec));
        let guarded = actions
            .iter()
            .any(|action| matches!(action, Action::Guard { .. }));
        ensure(!promised || guarded, || "nobody holds it to its promises".into())
    }
}
