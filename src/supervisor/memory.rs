//! All that a machine knows and its declarations do not tell: one that is replaced writes it down, and
//! the one after it begins from there, in the middle of whatever was going on.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::Supervisor;
use super::action::Action;
use super::moment::Moment;
use super::unit::{Goal, State, Unit};
use crate::service::{Exit, ServiceName, Spec};

/// What a machine knows. A field that comes later needs `#[serde(default)]`, or no earlier version can
/// be replaced by the one that brings it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Memory {
    /// Each service's.
    pub services: Vec<Remembered>,
    /// The next run of services that were forgotten.
    pub retired: BTreeMap<ServiceName, u64>,
    /// Everything is to go down for good.
    pub closing: bool,
}

/// What a machine knows of one service.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Remembered {
    /// Which.
    pub service: ServiceName,
    goal: Goal,
    state: State,
    doomed: bool,
    removed: bool,
    failures: u32,
    proven: bool,
    restarts: u64,
    next_run: u64,
    last_exit: Option<(Exit, Moment)>,
    #[serde(default)]
    replaced_for: Option<String>,
    #[serde(default)]
    recent: VecDeque<Moment>,
    #[serde(default)]
    last_cause: Option<String>,
}

impl Supervisor {
    /// Everything but who waits for an answer: whoever asked must ask the next one.
    #[must_use]
    pub fn memory(&self) -> Memory {
        Memory {
            services: self.units.iter().map(remembered).collect(),
            retired: self.retired.clone(),
            closing: self.closing,
        }
    }

    /// A supervisor that goes on where another was, and what is to be watched from now on. What is
    /// declared and not remembered has never been started; what is remembered and not declared is forgotten.
    #[must_use]
    pub fn resume(specs: Vec<Arc<Spec>>, seed: u64, memory: &Memory) -> (Self, Vec<Action>) {
        let mut machine = Self::new(specs, seed);
        machine.retired.clone_from(&memory.retired);
        machine.closing = memory.closing;
        for remembered in &memory.services {
            if let Some(index) = machine.position(&remembered.service) {
                machine.remember(index, remembered);
            }
        }
        machine.publish();
        let watched = machine.actions.iter().filter(|action| match action {
            Action::AwaitReady { .. } | Action::WatchHealth { .. } | Action::Guard { .. } => true,
            Action::Changed { .. }
            | Action::Spawn { .. }
            | Action::Terminate { .. }
            | Action::Abort { .. }
            | Action::Kill { .. }
            | Action::Answer { .. }
            | Action::Finish => false,
        });
        let watched = watched.cloned().collect();
        machine.actions.clear();
        (machine, watched)
    }

    fn remember(&mut self, index: usize, remembered: &Remembered) {
        let unit = &mut self.units[index];
        unit.goal = remembered.goal;
        unit.state = remembered.state.clone();
        (unit.doomed, unit.removed) = (remembered.doomed, remembered.removed);
        (unit.failures, unit.proven) = (remembered.failures, remembered.proven);
        (unit.restarts, unit.next_run) = (remembered.restarts, remembered.next_run);
        unit.last_exit = remembered.last_exit;
        unit.replaced_for.clone_from(&remembered.replaced_for);
        unit.recent.clone_from(&remembered.recent);
        unit.last_cause.clone_from(&remembered.last_cause);
        if self.is_held_to_promises(index) {
            self.guard(index);
        }
        let unit = &self.units[index];
        match unit.state {
            State::Starting { run, .. } if !unit.departing() => {
                let run = unit.run(run);
                self.actions.push(Action::AwaitReady { run });
            }
            State::Running { run, .. } if unit.spec.health.is_some() && !unit.departing() => {
                let (run, spec) = (unit.run(run), unit.spec.clone());
                self.actions.push(Action::WatchHealth { run, spec });
            }
            State::Starting { .. }
            | State::Running { .. }
            | State::Stopped(_)
            | State::Failed { .. }
            | State::Waiting { .. }
            | State::Blocked { .. }
            | State::Spawning { .. }
            | State::Stopping { .. }
            | State::Killing { .. } => {}
        }
    }
}

fn remembered(unit: &Unit) -> Remembered {
    Remembered {
        service: unit.spec.name.clone(),
        goal: unit.goal,
        state: unit.state.clone(),
        doomed: unit.doomed,
        removed: unit.removed,
        failures: unit.failures,
        proven: unit.proven,
        restarts: unit.restarts,
        next_run: unit.next_run,
        last_exit: unit.last_exit,
        replaced_for: unit.replaced_for.clone(),
        recent: unit.recent.clone(),
        last_cause: unit.last_cause.clone(),
    }
}
