//! What a ready run promises (to be heard of, to keep to its memory), and what it says of its own end.

use std::time::Duration;

use super::Supervisor;
use super::action::Action;
use super::lifecycle::seconds;
use super::moment::Moment;
use super::snapshot::{MEMORY, WATCHDOG};
use super::unit::{Cause, State};

/// The most that one `Extended` is worth: whoever needs longer says so again.
const MOST: Duration = Duration::from_secs(3600);

impl Supervisor {
    /// Begins to hold a run that is ready to what it promises.
    pub(super) fn guard(&mut self, index: usize) {
        let unit = &self.units[index];
        let promises = unit.spec.watchdog.is_some() || unit.spec.memory_max.is_some();
        if let (State::Running { run, .. }, true) = (&unit.state, promises) {
            self.actions.push(Action::Guard {
                run: unit.run(*run),
                spec: unit.spec.clone(),
            });
        }
    }

    /// One that is on its way down, by our order or its own, is held to nothing any more.
    pub(super) fn is_held_to_promises(&self, index: usize) -> bool {
        let unit = &self.units[index];
        matches!(unit.state, State::Running { leaving: None, .. }) && !unit.departing()
    }

    pub(super) fn watchdog_missed(&mut self, now: Moment, index: usize, why: &str) {
        if self.is_held_to_promises(index)
            && let Some(run) = self.enter_stopping(now, index, Cause::Fault(format!("{WATCHDOG}{why}")))
        {
            self.actions.push(Action::Abort { run });
        }
    }

    pub(super) fn over_memory(&mut self, now: Moment, index: usize, why: &str) {
        if self.is_held_to_promises(index) {
            self.take_down(now, index, Cause::Fault(format!("{MEMORY}{why}")));
        }
    }

    /// It has as long to end by itself as it would have if it were asked.
    pub(super) fn leaving(&mut self, now: Moment, index: usize) {
        let unit = &mut self.units[index];
        let until = now + unit.spec.stop.timeout;
        match &mut unit.state {
            State::Running { leaving, .. } => *leaving = leaving.or(Some(until)),
            State::Starting { why, .. } => *why = Some("says that it is stopping".into()),
            State::Stopped(_) | State::Failed { .. } | State::Waiting { .. } | State::Blocked { .. } => {}
            State::Spawning { .. } | State::Stopping { .. } | State::Killing { .. } => {}
        }
    }

    /// It said that it would end, and did not: it is asked to, and then has its grace.
    pub(super) fn stays(&mut self, now: Moment, index: usize) {
        let waited = seconds(self.units[index].spec.stop.timeout);
        let why = format!("said STOPPING=1 and was still there after {waited}");
        self.take_down(now, index, Cause::Fault(why));
    }

    pub(super) fn extended(&mut self, now: Moment, index: usize, by: Duration) {
        let until = now + by.min(MOST);
        match &mut self.units[index].state {
            State::Starting { deadline: at, .. }
            | State::Running {
                leaving: Some(at), ..
            }
            | State::Stopping { kill_at: at, .. } => *at = (*at).max(until),
            State::Running { leaving: None, .. } | State::Spawning { .. } | State::Killing { .. } => {}
            State::Stopped(_) | State::Failed { .. } | State::Waiting { .. } | State::Blocked { .. } => {}
        }
    }
}
