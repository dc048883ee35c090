//! Who may start now and who must stop first: the order among units.

use super::Supervisor;
use super::action::{Action, Reply};
use super::moment::Moment;
use super::unit::{Goal, State, Stopped, Unit};
use crate::service::ServiceName;

impl Supervisor {
    /// Brings what is nearer to what is wanted, as far as the order among units allows.
    pub(super) fn settle(&mut self, now: Moment) {
        for index in self.units.awake().into_iter().rev() {
            self.settle_down(now, index);
        }
        for index in self.units.awake() {
            self.settle_up(index);
        }
        for index in self.units.awake() {
            self.answer(index);
        }
        self.forget_removed();
        self.units.settled();
    }

    /// The last order there is, after everything else was told.
    pub(super) fn finish(&mut self) {
        if self.closing && !self.finished && self.units.iter().all(|unit| unit.live_run().is_none()) {
            self.finished = true;
            self.answers.push(Action::Finish);
        }
    }

    fn settle_down(&mut self, now: Moment, index: usize) {
        let unit = &self.units[index];
        match unit.state {
            State::Starting { .. } | State::Running { .. } => {
                if unit.departing() && !self.needed_by_departing(index) {
                    let cause = self.units[index].departure();
                    self.take_down(now, index, cause);
                }
            }
            State::Waiting { .. } | State::Blocked { .. } => {
                if unit.goal == Goal::Down {
                    self.units[index].enter(State::Stopped(Stopped::Asked));
                }
            }
            State::Stopped(_) | State::Failed { .. } => {}
            State::Spawning { .. } | State::Stopping { .. } | State::Killing { .. } => {}
        }
    }

    fn settle_up(&mut self, index: usize) {
        let State::Blocked { on } = &self.units[index].state else {
            return;
        };
        let missing = self.missing(index);
        if missing.is_empty() {
            return self.spawn(index);
        }
        if *on != missing {
            self.units[index].enter(State::Blocked { on: missing });
        }
    }

    fn spawn(&mut self, index: usize) {
        let unit = &mut self.units[index];
        let run = unit.next_run;
        unit.next_run += 1;
        unit.proven = false;
        unit.enter(State::Spawning { run });
        let action = Action::Spawn {
            run: unit.run(run),
            spec: unit.spec.clone(),
        };
        self.actions.push(action);
    }

    /// What the unit is `after` and is not ready.
    fn missing(&self, index: usize) -> Vec<ServiceName> {
        let needs = self.units[index].needs.iter().map(|&need| &self.units[need]);
        needs
            .filter(|need| !need.satisfies())
            .map(|need| need.spec.name.clone())
            .collect()
    }

    /// Whether something that needs it is still on its way down. A reload may turn the order round
    /// while old runs live: of departing units that need each other, none waits.
    fn needed_by_departing(&self, index: usize) -> bool {
        let mut dependents = self.units[index].dependents.iter();
        dependents.any(|dependent| {
            self.units[*dependent].departing() && !self.reach(&[index], Unit::departing).contains(dependent)
        })
    }

    /// All that these need, directly or through others.
    pub(super) fn needs_of(&self, named: &[usize]) -> Vec<usize> {
        self.reach(named, |_| true)
    }

    /// All such units that these need, directly or through others of them.
    fn reach(&self, named: &[usize], such: impl Fn(&Unit) -> bool) -> Vec<usize> {
        let mut found = vec![false; self.units.len()];
        let mut open = named.to_vec();
        while let Some(index) = open.pop() {
            for &need in &self.units[index].needs {
                if such(&self.units[need]) && !std::mem::replace(&mut found[need], true) {
                    open.push(need);
                }
            }
        }
        (0..found.len()).filter(|&index| found[index]).collect()
    }

    /// Tells those who wait for units blocked by this one, directly or through others, that it let them down.
    pub(super) fn fail_dependents(&mut self, index: usize, what: &str) {
        let why = format!("needs {}, which {what}", self.units[index].spec.name);
        let mut open = vec![index];
        let mut told = vec![false; self.units.len()];
        while let Some(need) = open.pop() {
            let units = self.units.iter().enumerate();
            let blocked = units.filter(|(_, unit)| {
                matches!(unit.state, State::Blocked { .. }) && unit.needs.contains(&need)
            });
            for dependent in blocked.map(|(index, _)| index).collect::<Vec<usize>>() {
                if !std::mem::replace(&mut told[dependent], true) {
                    self.reply(dependent, Goal::Up, &Reply::Failed(why.clone()));
                    open.push(dependent);
                }
            }
        }
    }

    /// Answers those whose wait is over, or in vain: law 4 is read off the state, not off what led to it.
    fn answer(&mut self, index: usize) {
        let unit = &self.units[index];
        if unit.waiters.is_empty() {
            return;
        }
        let up = match &unit.state {
            State::Running { .. } => unit.satisfies().then_some(Reply::Done),
            State::Stopped(Stopped::Ended(exit)) if unit.spec.is_success(*exit) => Some(Reply::Done),
            State::Stopped(Stopped::Ended(exit)) => Some(Reply::Failed(format!("ended with {exit}"))),
            State::Failed { why, .. } => Some(Reply::Failed(why.clone())),
            State::Blocked { .. } => self.obstacle(index).map(Reply::Failed),
            State::Stopped(Stopped::Never | Stopped::Asked)
            | State::Waiting { .. }
            | State::Spawning { .. }
            | State::Starting { .. }
            | State::Stopping { .. }
            | State::Killing { .. } => None,
        };
        if let Some(reply) = up {
            self.reply(index, Goal::Up, &reply);
        }
        if self.units[index].live_run().is_none() {
            self.reply(index, Goal::Down, &Reply::Done);
        }
    }

    /// What stands in the way of a blocked unit and will not move by itself.
    fn obstacle(&self, index: usize) -> Option<String> {
        let mut open = vec![index];
        let mut seen = vec![false; self.units.len()];
        while let Some(blocked) = open.pop() {
            for &need in &self.units[blocked].needs {
                let unit = &self.units[need];
                if unit.satisfies() || std::mem::replace(&mut seen[need], true) {
                    continue;
                }
                if let Some(what) = unit.in_vain() {
                    return Some(format!("needs {}, which {what}", unit.spec.name));
                }
                if let State::Blocked { .. } = unit.state {
                    open.push(need);
                }
            }
        }
        None
    }

    fn forget_removed(&mut self) {
        let gone = |unit: &mut Unit| unit.removed && unit.live_run().is_none();
        if !self
            .units
            .awake()
            .into_iter()
            .any(|index| self.units[index].removed)
        {
            return;
        }
        let forgotten = self.units.extract(gone);
        if forgotten.is_empty() {
            return;
        }
        for unit in forgotten {
            self.retired.insert(unit.spec.name.clone(), unit.next_run);
            self.actions.push(Action::Changed {
                service: unit.spec.name.clone(),
            });
        }
        self.link();
    }
}
