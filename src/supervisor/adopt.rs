//! Takes over a run that an earlier supervisor began and did not live to end.

use super::Supervisor;
use super::action::Action;
use super::input::Past;
use super::moment::Moment;
use super::unit::{Goal, State, Stopped};
use crate::service::Run;

impl Supervisor {
    /// Only a unit that has never run takes one over: law 5 must hold across supervisors too.
    pub(super) fn adopted(&mut self, now: Moment, run: &Run, past: Past) {
        let Some(index) = self.position(&run.service) else {
            return;
        };
        let unit = &mut self.units[index];
        if unit.state != State::Stopped(Stopped::Never) || run.number < unit.next_run || self.closing {
            return;
        }
        unit.goal = Goal::Up;
        unit.next_run = run.number + 1;
        (unit.restarts, unit.failures, unit.last_exit) = (past.restarts, past.failures, past.last_exit);
        if !past.ready {
            let deadline = now + unit.spec.start_timeout;
            unit.enter(State::Starting {
                run: run.number,
                deadline,
                why: None,
            });
            return self.actions.push(Action::AwaitReady { run: run.clone() });
        }
        let proof = unit.fresh_proof(now);
        unit.enter(State::Running {
            run: run.number,
            proof,
            leaving: None,
        });
        self.guard(index);
        let unit = &self.units[index];
        if unit.spec.health.is_some() {
            let spec = unit.spec.clone();
            self.actions.push(Action::WatchHealth {
                run: run.clone(),
                spec,
            });
        }
    }
}
