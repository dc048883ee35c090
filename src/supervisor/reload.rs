//! A new services.toml: adds, removes or restarts just what differs.

use std::collections::HashMap;
use std::sync::Arc;

use super::Supervisor;
use super::action::Action;
use super::differ::Differences;
use super::input::RequestId;
use super::moment::Moment;
use super::unit::{Goal, Proof, State, Stopped, Unit, Waiter};
use crate::service::{ServiceName, Spec};

impl Supervisor {
    pub(super) fn reload(&mut self, now: Moment, id: RequestId, specs: Vec<Arc<Spec>>) {
        let mut waits: Vec<(ServiceName, Goal)> = Vec::new();
        let old = std::mem::take(&mut self.units);
        let names: Vec<ServiceName> = old.iter().map(|unit| unit.spec.name.clone()).collect();
        let places = names.iter().enumerate().map(|(index, name)| (name, index));
        let places: HashMap<&ServiceName, usize> = places.collect();
        let mut old: Vec<Option<Unit>> = old.into_iter().map(Some).collect();
        for spec in specs {
            let known = places.get(&spec.name).and_then(|&index| old[index].take());
            match known {
                Some(unit) => waits.extend(self.revise(now, unit, spec)),
                None => {
                    // One that waits for a person is only known from now on.
                    if spec.autostart {
                        waits.push((spec.name.clone(), Goal::Up));
                    }
                    let mut unit = Unit::new(spec);
                    unit.next_run = self.retired.remove(&unit.spec.name).unwrap_or(unit.next_run);
                    self.units.push(unit);
                }
            }
        }
        for mut unit in old.into_iter().flatten() {
            unit.removed = true;
            waits.push((unit.spec.name.clone(), Goal::Down));
            self.units.push(unit);
        }
        self.link();
        self.pursue(id, &waits);
    }

    /// Gives a known unit its new spec, and says whether somebody should wait for it.
    fn revise(&mut self, now: Moment, mut unit: Unit, spec: Arc<Spec>) -> Option<(ServiceName, Goal)> {
        let returns = std::mem::take(&mut unit.removed) && spec.autostart;
        let present = unit.next_spec.as_ref().unwrap_or(&unit.spec);
        let differences = Differences::between(present, &spec);
        let same = differences.same_process();
        let health_differs = unit.spec.health != spec.health;
        let promises_differ = unit.spec.memory_max != spec.memory_max;
        let name = spec.name.clone();
        if unit.live_run().is_some() && (!same || unit.next_spec.is_some()) {
            unit.next_spec = Some(spec);
            // Also when it is to stop: should it be started again before it did, it is not what is declared.
            unit.doomed = true;
            if !same {
                let keys = differences.of_process.join(", ");
                unit.replaced_for = Some(format!("services.toml changed: {keys}"));
            }
        } else {
            unit.spec = spec;
            if let (State::Running { run, .. }, true) = (&unit.state, promises_differ) {
                self.actions.push(Action::Guard {
                    run: unit.run(*run),
                    spec: unit.spec.clone(),
                });
            }
            unchecked(now, &mut unit);
            if let State::Running { run, .. } = unit.state
                && health_differs
            {
                self.actions.push(Action::WatchHealth {
                    run: unit.run(run),
                    spec: unit.spec.clone(),
                });
            }
        }
        let wanted = returns || (!same && unit.goal == Goal::Up);
        self.units.push(unit);
        wanted.then_some((name, Goal::Up))
    }

    fn pursue(&mut self, id: RequestId, waits: &[(ServiceName, Goal)]) {
        self.answers.extend(self.pending.open(id, waits.len()));
        for (name, want) in waits {
            let Some(index) = self.position(name) else {
                continue;
            };
            match want {
                Goal::Up => {
                    self.start_new_needs(index);
                    self.start(index);
                }
                Goal::Down => self.stop(index),
            }
            self.units[index].waiters.push(Waiter {
                request: id,
                want: *want,
            });
        }
    }
}

impl Supervisor {
    /// What waits to be needed is needed now. What a person stopped stays down.
    fn start_new_needs(&mut self, index: usize) {
        for need in self.needs_of(&[index]) {
            let unit = &self.units[need];
            if !unit.spec.autostart && unit.state == State::Stopped(Stopped::Never) {
                self.start(need);
            }
        }
    }
}

/// Without a health check, nothing but time proves a run.
fn unchecked(now: Moment, unit: &mut Unit) {
    if let State::Running { proof, .. } = &mut unit.state
        && let Proof::Unseen { unchecked } = *proof
        && unit.spec.health.is_none()
    {
        *proof = Proof::At(unchecked.max(now));
    }
}
