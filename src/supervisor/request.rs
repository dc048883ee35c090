//! What a person may ask, and what it changes: goals, never processes.

use super::Supervisor;
use super::action::{Action, Answer, Refusal, Reply};
use super::input::{Order, RequestId};
use super::moment::Moment;
use super::unit::{Goal, State, Waiter};
use crate::service::ServiceName;

impl Supervisor {
    pub(super) fn request(&mut self, now: Moment, id: RequestId, order: Order) {
        if let Err(refusal) = self.accept(now, id, order) {
            self.answers.push(Action::Answer {
                id,
                answer: Answer::Refused(refusal),
            });
        }
    }

    fn accept(&mut self, now: Moment, id: RequestId, order: Order) -> Result<(), Refusal> {
        if self.closing && order != Order::Shutdown {
            return Err(Refusal::ShuttingDown);
        }
        match order {
            Order::Start(names) => {
                let named = self.positions(&names)?;
                self.start_needs(&named);
                named.iter().for_each(|&index| self.start(index));
                self.wait(id, &named, Goal::Up);
            }
            Order::Restart(names) => {
                let named = self.positions(&names)?;
                self.start_needs(&named);
                named.iter().for_each(|&index| self.restart(index));
                self.wait(id, &named, Goal::Up);
            }
            Order::Stop(names) => {
                let named = self.positions(&names)?;
                named.iter().for_each(|&index| self.stop(index));
                self.wait(id, &named, Goal::Down);
            }
            Order::Shutdown => {
                self.closing = true;
                let all: Vec<usize> = (0..self.units.len()).collect();
                all.iter().for_each(|&index| self.stop(index));
                self.wait(id, &all, Goal::Down);
            }
            Order::Reload(specs) => self.reload(now, id, specs),
        }
        Ok(())
    }

    /// The units of these names, each once.
    fn positions(&self, names: &[ServiceName]) -> Result<Vec<usize>, Refusal> {
        let find = |name| {
            let known = self.position(name).filter(|&index| !self.units[index].removed);
            known.ok_or_else(|| Refusal::Unknown(name.clone()))
        };
        let mut found = names.iter().map(find).collect::<Result<Vec<usize>, Refusal>>()?;
        found.sort_unstable();
        found.dedup();
        Ok(found)
    }

    /// Starts whatever these need and is not there: `start web` without its database would only wait.
    fn start_needs(&mut self, named: &[usize]) {
        for need in self.needs_of(named) {
            if !self.units[need].satisfies() {
                self.start(need);
            }
        }
    }

    pub(super) fn start(&mut self, index: usize) {
        self.want(index, Goal::Up);
        let unit = &mut self.units[index];
        match unit.state {
            State::Stopped(_) | State::Failed { .. } | State::Waiting { .. } | State::Blocked { .. } => {
                unit.absolve();
                unit.enter(State::Blocked { on: Vec::new() });
            }
            State::Spawning { .. } | State::Starting { .. } | State::Running { .. } => {}
            State::Stopping { .. } | State::Killing { .. } => {}
        }
    }

    pub(super) fn restart(&mut self, index: usize) {
        self.start(index);
        let unit = &mut self.units[index];
        if unit.live_run().is_some() {
            unit.absolve();
            unit.doomed = true;
            unit.replaced_for = None;
        }
    }

    pub(super) fn stop(&mut self, index: usize) {
        self.want(index, Goal::Down);
    }

    /// Sets the goal; who waits for the opposite is told that this request came after theirs.
    fn want(&mut self, index: usize, goal: Goal) {
        let unit = &mut self.units[index];
        if unit.goal == goal {
            return;
        }
        unit.goal = goal;
        let opposite = match goal {
            Goal::Up => {
                unit.absolve();
                // Whatever ended the present run, it was started anew by a person.
                unit.doomed |= matches!(unit.state, State::Stopping { .. } | State::Killing { .. });
                Goal::Down
            }
            Goal::Down => Goal::Up,
        };
        self.reply(index, opposite, &Reply::Superseded);
    }

    /// Registers the request with each unit.
    pub(super) fn wait(&mut self, id: RequestId, named: &[usize], want: Goal) {
        self.answers.extend(self.pending.open(id, named.len()));
        for &index in named {
            self.units[index].waiters.push(Waiter { request: id, want });
        }
    }
}
