//! What a unit does with news about its run, and when its time is up.

use std::time::Duration;

use super::Supervisor;
use super::action::{Action, Reply};
use super::moment::Moment;
use super::snapshot::UNHEALTHY;
use super::unit::{Cause, Goal, State, Stopped, Unit};
use crate::service::{Exit, RestartPolicy};

/// From one SIGKILL to the next, for processes that do not go.
pub const KILL_AGAIN: Duration = Duration::from_secs(5);

/// EX_CONFIG of sysexits.h: only a person can mend it, so trying again would only do harm (a market feed
/// that refuses the keys counts the tries).
const MISCONFIGURED: Exit = Exit::Code(78);

impl Supervisor {
    pub(super) fn spawned(&mut self, now: Moment, index: usize) {
        let unit = &mut self.units[index];
        let State::Spawning { run } = unit.state else {
            return;
        };
        unit.enter(State::Starting {
            run,
            deadline: now + unit.spec.start_timeout,
            why: None,
        });
        self.actions.push(Action::AwaitReady {
            run: self.units[index].run(run),
        });
    }

    pub(super) fn spawn_failed(&mut self, now: Moment, index: usize, why: String) {
        if let State::Spawning { .. } = self.units[index].state {
            self.over(now, index, Cause::Fault(why), Exit::Unknown);
        }
    }

    pub(super) fn not_ready(&mut self, index: usize, news: String) {
        if let State::Starting { why, .. } = &mut self.units[index].state {
            *why = Some(news);
        }
    }

    pub(super) fn ready(&mut self, now: Moment, index: usize) {
        let unit = &mut self.units[index];
        let State::Starting { run, .. } = unit.state else {
            return;
        };
        unit.enter(State::Running {
            run,
            proven_at: Some(now + unit.spec.min_uptime),
        });
        if unit.spec.health.is_some() {
            let action = Action::WatchHealth {
                run: unit.run(run),
                spec: unit.spec.clone(),
            };
            self.actions.push(action);
        }
    }

    pub(super) fn unhealthy(&mut self, now: Moment, index: usize, why: &str) {
        if let State::Running { .. } = self.units[index].state
            && !self.units[index].departing()
        {
            self.take_down(now, index, Cause::Fault(format!("{UNHEALTHY}{why}")));
        }
    }

    pub(super) fn exited(&mut self, now: Moment, index: usize, ended: Exit) {
        let unit = &mut self.units[index];
        match &mut unit.state {
            State::Spawning { .. } | State::Starting { .. } | State::Running { .. } => {
                let cause = if unit.departing() {
                    Cause::Asked
                } else {
                    Cause::Ended
                };
                self.take_down(now, index, cause);
            }
            State::Stopping { .. } | State::Killing { .. } => {}
            State::Stopped(_) | State::Failed(_) | State::Waiting { .. } | State::Blocked { .. } => return,
        }
        let unit = &mut self.units[index];
        if let State::Stopping { exit, .. } | State::Killing { exit, .. } = &mut unit.state
            && exit.is_none()
        {
            *exit = Some(ended);
            unit.last_exit = Some((ended, now));
        }
    }

    pub(super) fn swept(&mut self, now: Moment, index: usize) {
        let unit = &mut self.units[index];
        let (cause, exit) = match &unit.state {
            State::Stopping { cause, exit, .. } | State::Killing { cause, exit, .. } => {
                (cause.clone(), *exit)
            }
            State::Spawning { .. } | State::Starting { .. } | State::Running { .. } => (Cause::Ended, None),
            State::Stopped(_) | State::Failed(_) | State::Waiting { .. } | State::Blocked { .. } => return,
        };
        if exit.is_none() {
            prove(now, unit);
            unit.last_exit = Some((Exit::Unknown, now));
        }
        self.over(now, index, cause, exit.unwrap_or(Exit::Unknown));
    }

    pub(super) fn survivors(&mut self, index: usize, who: String) {
        if let State::Killing { survivors, .. } = &mut self.units[index].state {
            *survivors = Some(who);
        }
    }

    /// Asks the run's processes to end.
    pub(super) fn take_down(&mut self, now: Moment, index: usize, cause: Cause) {
        let unit = &mut self.units[index];
        prove(now, unit);
        let Some(run) = unit.live_run() else { return };
        let kill_at = now + unit.spec.stop.timeout;
        unit.enter(State::Stopping {
            run,
            kill_at,
            exit: None,
            cause,
        });
        self.actions.push(Action::Terminate {
            run: self.units[index].run(run),
        });
    }

    /// The run is over and nothing of it is left: decides what follows.
    fn over(&mut self, now: Moment, index: usize, cause: Cause, exit: Exit) {
        let unit = &mut self.units[index];
        let asked = std::mem::take(&mut unit.doomed) || cause == Cause::Asked;
        if let Some(spec) = unit.next_spec.take() {
            (unit.spec, unit.failures) = (spec, 0);
            self.link();
        }
        let unit = &mut self.units[index];
        if unit.goal == Goal::Down {
            return unit.enter(State::Stopped(Stopped::Asked));
        }
        if asked {
            return unit.enter(State::Blocked { on: Vec::new() });
        }
        match cause {
            Cause::Ended if left_alone(unit.spec.restart, exit) => {
                unit.enter(State::Stopped(Stopped::Ended(exit)));
            }
            Cause::Ended if exit == MISCONFIGURED => {
                unit.failures += 1;
                let why = format!("ended with {exit}: it is configured wrongly, and would end so again");
                unit.enter(State::Failed(why));
            }
            Cause::Asked | Cause::Ended => self.failed(now, index, format!("ended with {exit}")),
            Cause::Fault(why) => self.failed(now, index, why),
        }
    }

    /// Counts a failed run: at once again after a proven run, later after another failure, and not
    /// at all after too many.
    fn failed(&mut self, now: Moment, index: usize, why: String) {
        let unit = &mut self.units[index];
        let proven = std::mem::take(&mut unit.proven);
        unit.failures += 1;
        if unit.failures > unit.spec.max_restarts || unit.spec.restart == RestartPolicy::Never {
            return unit.enter(State::Failed(why));
        }
        unit.restarts += 1;
        if proven {
            unit.enter(State::Blocked { on: Vec::new() });
        } else {
            let until = now + self.jitter.delay(unit.failures);
            unit.enter(State::Waiting { until, why });
        }
    }

    /// Does all whose time has come.
    pub(super) fn expire(&mut self, now: Moment) {
        for index in 0..self.units.len() {
            if self.units[index]
                .deadline()
                .is_some_and(|deadline| deadline <= now)
            {
                self.time_is_up(now, index);
            }
        }
    }

    fn time_is_up(&mut self, now: Moment, index: usize) {
        let unit = &mut self.units[index];
        match unit.state.clone() {
            State::Waiting { .. } => unit.enter(State::Blocked { on: Vec::new() }),
            State::Starting { why, .. } => {
                let waited = unit.spec.start_timeout;
                let why = why.map_or(String::new(), |why| format!(": {why}"));
                let why = format!("not ready after {}{why}", seconds(waited));
                self.fail_waiters(index, &why, &format!("is {why}"));
                self.take_down(now, index, Cause::Fault(why));
            }
            State::Running { .. } => prove(now, unit),
            State::Stopping { run, exit, cause, .. } => {
                let again_at = now + KILL_AGAIN;
                unit.enter(State::Killing {
                    run,
                    again_at,
                    exit,
                    cause,
                    stuck: false,
                    survivors: None,
                });
                self.actions.push(Action::Kill {
                    run: self.units[index].run(run),
                });
            }
            State::Killing { .. } => self.kill_again(now, index),
            State::Stopped(_) | State::Failed(_) | State::Blocked { .. } | State::Spawning { .. } => {}
        }
    }

    fn kill_again(&mut self, now: Moment, index: usize) {
        let unit = &mut self.units[index];
        let State::Killing {
            run,
            again_at,
            stuck,
            survivors,
            ..
        } = &mut unit.state
        else {
            return;
        };
        (*again_at, *stuck) = (now + KILL_AGAIN, true);
        let (run, who) = (*run, survivors.clone().unwrap_or_else(|| "its processes".into()));
        let why = format!("outlives SIGKILL: {who}");
        self.reply(index, Goal::Down, &Reply::Failed(why.clone()));
        self.fail_waiters(index, &why, &why);
        self.actions.push(Action::Kill {
            run: self.units[index].run(run),
        });
    }

    /// Tells everybody who waits for this unit to get up, or for one that needs it, that it did not.
    fn fail_waiters(&mut self, index: usize, why: &str, what: &str) {
        self.reply(index, Goal::Up, &Reply::Failed(why.to_owned()));
        self.fail_dependents(index, what);
    }

    /// Answers those who want this of the unit.
    pub(super) fn reply(&mut self, index: usize, want: Goal, reply: &Reply) {
        let name = self.units[index].spec.name.clone();
        for (request, reply) in self.units[index].reply(want, reply) {
            self.answers
                .extend(self.pending.reply(request, name.clone(), reply));
        }
    }
}

/// A run that has been ready for `min_uptime` clears the failures before it.
fn prove(now: Moment, unit: &mut Unit) {
    if let State::Running { proven_at, .. } = &mut unit.state
        && proven_at.is_some_and(|at| at <= now)
    {
        *proven_at = None;
        (unit.failures, unit.proven) = (0, true);
    }
}

/// Whether the policy leaves a service that ended like this alone.
fn left_alone(policy: RestartPolicy, exit: Exit) -> bool {
    match policy {
        RestartPolicy::Always => false,
        RestartPolicy::OnFailure => exit.success(),
        RestartPolicy::Never => true,
    }
}

/// `30 s`, `0.25 s`.
fn seconds(time: Duration) -> String {
    format!("{} s", time.as_secs_f64())
}
