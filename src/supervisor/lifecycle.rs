//! What a unit does with news about its run, and when its time is up.

use std::time::Duration;

use super::Supervisor;
use super::action::{Action, Reply};
use super::moment::Moment;
use super::snapshot::UNHEALTHY;
use super::unit::{Cause, Goal, Proof, State, Stopped, Unit};
use crate::service::{Exit, OnUnhealthy, Recovery, RestartPolicy, Run};

/// From one SIGKILL to the next, for processes that do not go.
pub const KILL_AGAIN: Duration = Duration::from_secs(5);

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
        let proof = unit.fresh_proof(now);
        unit.enter(State::Running {
            run,
            proof,
            leaving: None,
        });
        self.guard(index);
        let unit = &self.units[index];
        if unit.spec.health.is_some() {
            let action = Action::WatchHealth {
                run: unit.run(run),
                spec: unit.spec.clone(),
            };
            self.actions.push(action);
        }
    }

    /// A good answer begins, or goes on with, the time in which the run proves itself.
    pub(super) fn healthy(&mut self, now: Moment, index: usize) {
        let unit = &mut self.units[index];
        let min_uptime = unit.spec.min_uptime;
        if let State::Running { proof, .. } = &mut unit.state
            && let Proof::Unseen { .. } = proof
        {
            *proof = Proof::At(now + min_uptime);
        }
    }

    /// A bad answer interrupts it.
    pub(super) fn ailing(&mut self, now: Moment, index: usize) {
        let unit = &mut self.units[index];
        prove(now, unit);
        if let State::Running { proof, .. } = &mut unit.state
            && let Proof::At(unchecked) = *proof
        {
            *proof = Proof::Unseen { unchecked };
        }
    }

    pub(super) fn unhealthy(&mut self, now: Moment, index: usize, why: &str) {
        let unit = &self.units[index];
        let acts = unit.spec.health.as_ref().map(|health| health.on_unhealthy);
        if self.is_held_to_promises(index) && acts == Some(OnUnhealthy::Restart) {
            self.take_down(now, index, Cause::Fault(format!("{UNHEALTHY}{why}")));
        }
    }

    pub(super) fn exited(&mut self, now: Moment, index: usize, ended: Exit) {
        let unit = &mut self.units[index];
        match &mut unit.state {
            State::Spawning { .. } | State::Starting { .. } | State::Running { .. } => {
                let cause = if unit.departing() {
                    unit.departure()
                } else {
                    Cause::Ended
                };
                self.take_down(now, index, cause);
            }
            State::Stopping { .. } | State::Killing { .. } => {}
            State::Stopped(_) | State::Failed { .. } | State::Waiting { .. } | State::Blocked { .. } => {
                return;
            }
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
            State::Stopped(_) | State::Failed { .. } | State::Waiting { .. } | State::Blocked { .. } => {
                return;
            }
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
        if let Some(run) = self.enter_stopping(now, index, cause) {
            self.actions.push(Action::Terminate { run });
        }
    }

    /// The grace of a run begins; who calls says how it is asked to end.
    pub(super) fn enter_stopping(&mut self, now: Moment, index: usize, cause: Cause) -> Option<Run> {
        let unit = &mut self.units[index];
        prove(now, unit);
        let run = unit.live_run()?;
        let kill_at = now + unit.spec.stop.timeout;
        unit.enter(State::Stopping {
            run,
            kill_at,
            exit: None,
            cause,
        });
        Some(unit.run(run))
    }

    /// The run is over and nothing of it is left: decides what follows.
    fn over(&mut self, now: Moment, index: usize, cause: Cause, exit: Exit) {
        let unit = &mut self.units[index];
        unit.replaced_for = None;
        let asked = std::mem::take(&mut unit.doomed) || matches!(cause, Cause::Asked | Cause::Replaced(_));
        unit.last_cause = Some(in_words(&cause, asked, unit.goal, exit));
        if let Some(spec) = unit.next_spec.take() {
            (unit.spec, unit.failures) = (spec, 0);
            unit.recent.clear();
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
            Cause::Ended if unit.spec.leaves(exit) => {
                unit.enter(State::Stopped(Stopped::Ended(exit)));
            }
            Cause::Ended if unit.spec.is_fatal(exit) => {
                unit.failures += 1;
                unit.enter(State::Failed {
                    why: fatal_end(exit),
                    since: now,
                    for_good: true,
                });
            }
            Cause::Asked | Cause::Ended | Cause::Replaced(_) => {
                self.failed(now, index, format!("ended with {exit}"));
            }
            Cause::Fault(why) => self.failed(now, index, why),
        }
    }

    /// Counts a failed run: at once again after a proven run, later after another failure, and not
    /// at all, or only slowly, after too many.
    fn failed(&mut self, now: Moment, index: usize, why: String) {
        let unit = &mut self.units[index];
        let proven = std::mem::take(&mut unit.proven);
        unit.failures = unit.failures.saturating_add(1);
        let never = unit.spec.restart == RestartPolicy::Never;
        if never || unit.failures > unit.spec.max_restarts || too_often(now, unit) {
            return unit.enter(State::Failed {
                why,
                since: now,
                for_good: never,
            });
        }
        unit.restarts += 1;
        if proven {
            unit.enter(State::Blocked { on: Vec::new() });
        } else {
            let (backoff, last) = (unit.spec.recovery.backoff, unit.run(unit.next_run - 1));
            let until = now + self.jitter.delay(backoff, &last, unit.failures);
            unit.enter(State::Waiting { until, why });
        }
    }

    /// Its files have changed: another run takes the place of the present one, or of one that failed.
    pub(super) fn files_changed(&mut self, index: usize, why: String) {
        let unit = &mut self.units[index];
        if unit.goal == Goal::Down || unit.removed {
            return;
        }
        unit.absolve();
        if unit.live_run().is_some() {
            unit.doomed = true;
            unit.replaced_for = Some(why);
        } else {
            unit.last_cause = Some(why);
            unit.enter(State::Blocked { on: Vec::new() });
        }
    }

    /// Does all whose time has come.
    pub(super) fn expire(&mut self, now: Moment) {
        for index in self.units.due(now) {
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
            State::Failed { .. } => {
                unit.restarts += 1;
                unit.enter(State::Blocked { on: Vec::new() });
            }
            State::Starting { why, .. } => {
                let waited = unit.spec.start_timeout;
                let why = why.map_or(String::new(), |why| format!(": {why}"));
                let why = format!("not ready after {}{why}", seconds(waited));
                self.fail_waiters(index, &why, &format!("is {why}"));
                self.take_down(now, index, Cause::Fault(why));
            }
            State::Running { leaving, .. } if leaving.is_some_and(|at| at <= now) => self.stays(now, index),
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
            State::Stopped(_) | State::Blocked { .. } | State::Spawning { .. } => {}
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
        for (request, reply) in self.units.untouched(index).reply(want, reply) {
            self.answers
                .extend(self.pending.reply(request, name.clone(), reply));
        }
    }
}

/// A run that has been ready for `min_uptime` clears the failures before it.
pub(super) fn prove(now: Moment, unit: &mut Unit) {
    if let State::Running { proof, .. } = &mut unit.state
        && let Proof::At(at) = *proof
        && at <= now
    {
        *proof = Proof::Given;
        (unit.failures, unit.proven) = (0, true);
    }
}

/// Counts this failure among those of late; whether they are too many, though each run may have been proven.
fn too_often(now: Moment, unit: &mut Unit) -> bool {
    let (window, allowed) = (unit.spec.recovery.window, unit.spec.max_restarts as usize);
    unit.recent.retain(|&at| at + window > now);
    if window > Duration::ZERO {
        unit.recent.push_back(now);
    }
    let too_often = unit.recent.len() > allowed;
    // No more are ever needed to tell.
    while unit.recent.len() > allowed {
        unit.recent.pop_front();
    }
    too_often
}

/// What a person is told of an end that is not followed by another try.
fn fatal_end(exit: Exit) -> String {
    if exit == Recovery::MISCONFIGURED {
        return format!("ended with {exit}: it is configured wrongly, and would end so again");
    }
    format!("ended with {exit}, which `fatal_exit` says not to try again")
}

/// Why a run ended, for people.
fn in_words(cause: &Cause, asked: bool, goal: Goal, exit: Exit) -> String {
    match cause {
        Cause::Fault(why) | Cause::Replaced(why) => why.clone(),
        Cause::Asked | Cause::Ended if asked && goal == Goal::Up => "restarted on request".into(),
        Cause::Asked if goal == Goal::Down => "stopped on request".into(),
        Cause::Asked | Cause::Ended => format!("ended with {exit}"),
    }
}

/// `30 s`, `0.25 s`.
pub(super) fn seconds(time: Duration) -> String {
    format!("{} s", time.as_secs_f64())
}
