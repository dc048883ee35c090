//! The supervisor: a value that decides, and never acts.
//!
//! `handle(now, input)` takes one thing that happened and returns what is to be done about it;
//! `next_deadline()` says when a [`Input::Tick`] would change something; `snapshot()` shows all.
//! There is no clock, no I/O, no async and no logging in here, and no process id either: processes
//! are known as numbered [`Run`]s. That is why its whole reachable space can be searched.
//!
//! ```text
//!            start                  spawned               ready
//! Stopped ----------> Blocked ---> Spawning ---> Starting -----> Running
//!    ^  ^                ^             |             |  timeout     |  exited, unhealthy,
//!    |  |     tick       |      failed |             v  or exited   v  stop, restart
//!    |  |            Waiting <---------+----------- Stopping <------+
//!    |  |                ^                swept        |  grace over
//!    |  +---- goal Down -+-----------------------------+---> Killing
//!    +-- policy leaves it                              too many failures ---> Failed
//! ```
//!
//! Laws (each is a test in `test/`):
//! 1. Total: every state answers every input, and nothing panics.
//! 2. Stale news is a no-op: what names a run that is over changes nothing.
//! 3. Time is an argument; ticks may be early, late or doubled.
//! 4. Every request is answered exactly once.
//! 5. Never two runs of a service at once: a new one starts only when the old one is swept.
//! 6. No SIGKILL before the stop signal and its grace.
//! 7. It settles: with no more requests, in bounded time, whatever the children do.
//! 8. Order: up when all it is `after` are ready; down in reverse.
//!
//! Restart is not a state: a run is `doomed`, the goal stays Up, and a run that we ended, with goal
//! Up, is followed by a new one.

mod action;
mod adopt;
mod backoff;
mod differ;
mod input;
mod lifecycle;
mod memory;
mod moment;
mod order;
mod pending;
mod plan;
mod promise;
mod reload;
mod request;
mod snapshot;
#[cfg(test)]
mod test;
mod unit;
mod units;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

pub use action::{Action, Answer, Refusal, Reply};
pub use input::{Input, Order, Past, RequestId};
pub use memory::{Memory, Remembered};
pub use moment::Moment;
pub use plan::{Change, ChangeKind};
pub use snapshot::{Entry, Shown, TakenDown};
pub use unit::Goal;

use crate::service::{Run, ServiceName, Spec};
use backoff::Jitter;
use pending::Pending;
use unit::Unit;
use units::Units;

/// All services, what is wanted of them, and what they are doing.
#[derive(Clone, Debug, PartialEq)]
pub struct Supervisor {
    units: Units,
    pending: Pending,
    jitter: Jitter,
    /// The next run of services that were forgotten: numbers are never used again.
    retired: BTreeMap<ServiceName, u64>,
    closing: bool,
    finished: bool,
    actions: Vec<Action>,
    /// Told after everything else: who has an answer has seen what led to it.
    answers: Vec<Action>,
}

impl Supervisor {
    /// A supervisor of these services, in dependency order, none of them wanted yet.
    /// `seed` feeds the jitter of back-off; the same seed gives the same history.
    #[must_use]
    pub fn new(specs: Vec<Arc<Spec>>, seed: u64) -> Self {
        let mut machine = Self {
            units: specs.into_iter().map(Unit::new).collect(),
            pending: Pending::default(),
            jitter: Jitter::new(seed),
            retired: BTreeMap::new(),
            closing: false,
            finished: false,
            actions: Vec::new(),
            answers: Vec::new(),
        };
        machine.link();
        machine
    }

    /// Takes one input and returns what is to be done, in this order.
    pub fn handle(&mut self, now: Moment, input: Input) -> Vec<Action> {
        match input {
            Input::Request { id, order } => self.request(now, id, order),
            Input::Adopted { run, past } => self.adopted(now, &run, past),
            Input::Spawned { run } => self.about(&run, |machine, unit| machine.spawned(now, unit)),
            Input::SpawnFailed { run, why } => {
                self.about(&run, |machine, unit| machine.spawn_failed(now, unit, why));
            }
            Input::NotReady { run, why } => self.about(&run, |machine, unit| machine.not_ready(unit, why)),
            Input::Ready { run } => self.about(&run, |machine, unit| machine.ready(now, unit)),
            Input::Healthy { run } => self.about(&run, |machine, unit| machine.healthy(now, unit)),
            Input::Ailing { run } => self.about(&run, |machine, unit| machine.ailing(now, unit)),
            Input::Unhealthy { run, why } => {
                self.about(&run, |machine, unit| machine.unhealthy(now, unit, &why));
            }
            Input::WatchdogMissed { run, why } => {
                self.about(&run, |machine, unit| machine.watchdog_missed(now, unit, &why));
            }
            Input::OverMemory { run, why } => {
                self.about(&run, |machine, unit| machine.over_memory(now, unit, &why));
            }
            Input::Leaving { run } => self.about(&run, |machine, unit| machine.leaving(now, unit)),
            Input::Extended { run, by } => self.about(&run, |machine, unit| machine.extended(now, unit, by)),
            Input::Exited { run, exit } => self.about(&run, |machine, unit| machine.exited(now, unit, exit)),
            Input::Swept { run } => self.about(&run, |machine, unit| machine.swept(now, unit)),
            Input::Survivors { run, who } => self.about(&run, |machine, unit| machine.survivors(unit, who)),
            Input::FilesChanged { service, why } => {
                if let Some(unit) = self.position(&service) {
                    self.files_changed(unit, why);
                }
            }
            Input::Tick => {}
        }
        self.expire(now);
        self.settle(now);
        self.publish();
        self.finish();
        self.units.keep_time();
        self.actions.append(&mut self.answers);
        std::mem::take(&mut self.actions)
    }

    /// When a tick would change something. Nothing else wakes an idle supervisor.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Moment> {
        self.units.next_deadline()
    }

    /// Law 2: news about a run that is not the unit's present one is dropped here.
    fn about(&mut self, run: &Run, act: impl FnOnce(&mut Self, usize)) {
        if let Some(index) = self.position(&run.service)
            && self.units[index].live_run() == Some(run.number)
        {
            act(self, index);
        }
    }

    fn position(&self, name: &ServiceName) -> Option<usize> {
        self.units.position(name)
    }

    /// Turns the names in `after` into positions. Needed whenever `units` was rearranged.
    fn link(&mut self) {
        let names: HashMap<ServiceName, usize> = self
            .units
            .iter()
            .enumerate()
            .map(|(index, unit)| (unit.spec.name.clone(), index))
            .collect();
        for unit in self.units.iter_mut() {
            let needs = unit.spec.after.iter().filter_map(|name| names.get(name).copied());
            (unit.needs, unit.dependents) = (needs.collect(), Vec::new());
        }
        for dependent in 0..self.units.len() {
            for need in self.units[dependent].needs.clone() {
                self.units[need].dependents.push(dependent);
            }
        }
    }

    /// Tells which entries differ from what was last shown of them.
    fn publish(&mut self) {
        for index in self.units.take_touched() {
            let unit = self.units.untouched(index);
            let entry = snapshot::entry(unit);
            if unit.shown.as_ref() != Some(&entry) {
                unit.shown = Some(entry);
                self.actions.push(Action::Changed {
                    service: unit.spec.name.clone(),
                });
            }
        }
    }
}
