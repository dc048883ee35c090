//! A new services.toml: adds, removes or restarts just what differs.

use std::sync::Arc;

use super::Supervisor;
use super::action::Action;
use super::input::RequestId;
use super::unit::{Goal, State, Unit, Waiter};
use crate::service::{ServiceName, Spec};

impl Supervisor {
    pub(super) fn reload(&mut self, id: RequestId, specs: Vec<Arc<Spec>>) {
        let mut waits: Vec<(ServiceName, Goal)> = Vec::new();
        let mut old = std::mem::take(&mut self.units);
        for spec in specs {
            match old.iter().position(|unit| unit.spec.name == spec.name) {
                Some(index) => {
                    let unit = old.remove(index);
                    waits.extend(self.revise(unit, spec));
                }
                None => {
                    waits.push((spec.name.clone(), Goal::Up));
                    let mut unit = Unit::new(spec);
                    unit.next_run = self.retired.remove(&unit.spec.name).unwrap_or(unit.next_run);
                    self.units.push(unit);
                }
            }
        }
        for mut unit in old {
            unit.removed = true;
            waits.push((unit.spec.name.clone(), Goal::Down));
            self.units.push(unit);
        }
        self.link();
        self.pursue(id, &waits);
    }

    /// Gives a known unit its new spec, and says whether somebody should wait for it.
    fn revise(&mut self, mut unit: Unit, spec: Arc<Spec>) -> Option<(ServiceName, Goal)> {
        let returns = std::mem::take(&mut unit.removed);
        let present = unit.next_spec.as_ref().unwrap_or(&unit.spec);
        let same = same_process(present, &spec);
        let health_differs = unit.spec.health != spec.health;
        let name = spec.name.clone();
        if unit.live_run().is_some() && (!same || unit.next_spec.is_some()) {
            unit.next_spec = Some(spec);
            // Also when it is to stop: should it be started again before it did, it is not what is declared.
            unit.doomed = true;
        } else {
            unit.spec = spec;
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
                Goal::Up => self.start(index),
                Goal::Down => self.stop(index),
            }
            self.units[index].waiters.push(Waiter {
                request: id,
                want: *want,
            });
        }
    }
}

/// Whether a process started from one would be the same as a process started from the other.
fn same_process(one: &Spec, other: &Spec) -> bool {
    one.command == other.command
        && one.cwd == other.cwd
        && one.env == other.env
        && one.ports == other.ports
        && one.sockets == other.sockets
        && one.rights == other.rights
        && one.watchdog == other.watchdog
}
