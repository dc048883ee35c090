//! A service's live entry in the machine: what is wanted, what is, and who waits for it.

use std::collections::VecDeque;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::action::Reply;
use super::input::RequestId;
use super::moment::Moment;
use super::snapshot::Entry;
use crate::service::{Exit, Run, ServiceName, Spec};

/// What is wanted of a unit. What is, is its [`State`]: two fields, never one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Goal {
    /// It should run.
    Up,
    /// It should not.
    Down,
}

/// What a unit is doing.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum State {
    /// Nothing runs, and nothing will until somebody asks.
    Stopped(Stopped),
    /// Given up: after too many failures, or after an end that another try would not mend.
    Failed {
        /// Why.
        why: String,
        /// Since when.
        since: Moment,
        /// Another try would do harm.
        for_good: bool,
    },
    /// The next try is due at `until`.
    Waiting {
        /// When.
        until: Moment,
        /// Why the last run failed.
        why: String,
    },
    /// Waits for these to be ready.
    Blocked {
        /// The services it is `after` that are not ready.
        on: Vec<ServiceName>,
    },
    /// A process was ordered.
    Spawning {
        /// Number of the run.
        run: u64,
    },
    /// There is a process; it is not ready yet.
    Starting {
        /// Number of the run.
        run: u64,
        /// When it counts as failed.
        deadline: Moment,
        /// What the last look at it said.
        why: Option<String>,
    },
    /// Ready.
    Running {
        /// Number of the run.
        run: u64,
        /// How far it is proven.
        proof: Proof,
        /// It said that it is about to end by itself: when it is asked to, should it not have.
        #[serde(default)]
        leaving: Option<Moment>,
    },
    /// Its processes were asked to end.
    Stopping {
        /// Number of the run.
        run: u64,
        /// When SIGKILL follows.
        kill_at: Moment,
        /// How its first process ended, once it has.
        exit: Option<Exit>,
        /// Why it is taken down.
        cause: Cause,
    },
    /// Its processes were sent SIGKILL.
    Killing {
        /// Number of the run.
        run: u64,
        /// When SIGKILL is sent again, and those who wait are told.
        again_at: Moment,
        /// How its first process ended, once it has.
        exit: Option<Exit>,
        /// Why it is taken down.
        cause: Cause,
        /// Who outlives SIGKILL, once that is known to last.
        stuck: bool,
        /// The survivors last seen.
        survivors: Option<String>,
    },
}

/// How far a run is proven: it has been ready, and as healthy as can be told, for `min_uptime`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Proof {
    /// Its health check has not said yet, or not lately, that it is healthy.
    Unseen {
        /// When it would have been proven without a health check.
        unchecked: Moment,
    },
    /// It will be proven then.
    At(Moment),
    /// It is.
    Given,
}

/// Why nothing runs.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Stopped {
    /// It has not been started.
    Never,
    /// Somebody stopped it.
    Asked,
    /// It ended by itself, and its policy is to leave it.
    Ended(Exit),
}

/// Why a run is taken down, which decides what follows.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Cause {
    /// Somebody asked: no failure.
    Asked,
    /// Its first process ended by itself.
    Ended,
    /// It was not ready in time, or became unhealthy.
    Fault(String),
    /// Another run is to take its place, which is no failure: why, for people.
    Replaced(String),
}

/// Somebody who waits for a unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiter {
    /// Whose request.
    pub request: RequestId,
    /// What is awaited.
    pub want: Goal,
}

/// One service in the machine.
#[derive(Clone, Debug, PartialEq)]
pub struct Unit {
    /// Its declaration.
    pub spec: Arc<Spec>,
    /// Positions of the units it is `after`.
    pub needs: Vec<usize>,
    /// Positions of the units that are `after` it.
    pub dependents: Vec<usize>,
    /// What is wanted.
    pub goal: Goal,
    /// What is.
    pub state: State,
    /// The present run is to be taken down as soon as the order allows.
    pub doomed: bool,
    /// Why it is, when no person asked for it.
    pub replaced_for: Option<String>,
    /// Gone from services.toml: forget it once it is down.
    pub removed: bool,
    /// Replaces `spec` with the next run.
    pub next_spec: Option<Arc<Spec>>,
    /// Failed runs in a row.
    pub failures: u32,
    /// When the last runs failed, as far as they lie within the window; at most one more than are allowed.
    pub recent: VecDeque<Moment>,
    /// The run that just ended, or runs, has been ready for `min_uptime`.
    pub proven: bool,
    /// Runs that followed an end that nobody asked for, since a person last started it.
    pub restarts: u64,
    /// The number of the next run.
    pub next_run: u64,
    /// How the last run ended, and when.
    pub last_exit: Option<(Exit, Moment)>,
    /// Why the last run ended, for people.
    pub last_cause: Option<String>,
    /// Who waits.
    pub waiters: Vec<Waiter>,
    /// Its entry in the snapshot, as last published.
    pub shown: Option<Entry>,
}

impl Unit {
    /// A unit that has not run, and is not wanted.
    #[must_use]
    pub fn new(spec: Arc<Spec>) -> Self {
        Self {
            spec,
            needs: Vec::new(),
            dependents: Vec::new(),
            goal: Goal::Down,
            state: State::Stopped(Stopped::Never),
            doomed: false,
            replaced_for: None,
            removed: false,
            next_spec: None,
            failures: 0,
            recent: VecDeque::new(),
            proven: false,
            restarts: 0,
            next_run: 1,
            last_exit: None,
            last_cause: None,
            waiters: Vec::new(),
            shown: None,
        }
    }

    /// Takes on a new state.
    pub fn enter(&mut self, state: State) {
        self.state = state;
    }

    /// The number of the run that has, or may have, processes.
    #[must_use]
    pub fn live_run(&self) -> Option<u64> {
        match self.state {
            State::Spawning { run }
            | State::Starting { run, .. }
            | State::Running { run, .. }
            | State::Stopping { run, .. }
            | State::Killing { run, .. } => Some(run),
            State::Stopped(_) | State::Failed { .. } | State::Waiting { .. } | State::Blocked { .. } => None,
        }
    }

    /// This unit's run of that number.
    #[must_use]
    pub fn run(&self, number: u64) -> Run {
        Run {
            service: self.spec.name.clone(),
            number,
        }
    }

    /// Whether what is `after` it may start: it is ready and will stay, or its work is done.
    #[must_use]
    pub fn satisfies(&self) -> bool {
        match &self.state {
            State::Running { leaving, .. } => self.goal == Goal::Up && !self.doomed && leaving.is_none(),
            State::Stopped(Stopped::Ended(exit)) => self.spec.is_success(*exit),
            State::Stopped(Stopped::Never | Stopped::Asked)
            | State::Failed { .. }
            | State::Waiting { .. }
            | State::Blocked { .. }
            | State::Spawning { .. }
            | State::Starting { .. }
            | State::Stopping { .. }
            | State::Killing { .. } => false,
        }
    }

    /// Why it is of no use to wait for it, if it is.
    #[must_use]
    pub fn in_vain(&self) -> Option<String> {
        if self.goal == Goal::Down {
            return Some("is stopped".into());
        }
        match &self.state {
            State::Failed { why, .. } => Some(format!("is FATAL: {why}")),
            State::Stopped(Stopped::Ended(exit)) => Some(format!("ended with {exit}")),
            State::Stopped(Stopped::Never | Stopped::Asked)
            | State::Waiting { .. }
            | State::Blocked { .. }
            | State::Spawning { .. }
            | State::Starting { .. }
            | State::Running { .. }
            | State::Stopping { .. }
            | State::Killing { .. } => None,
        }
    }

    /// Whether it is on its way down with processes that may yet need what it is `after`.
    #[must_use]
    pub fn departing(&self) -> bool {
        match &self.state {
            State::Spawning { .. } | State::Starting { .. } | State::Running { .. } => {
                self.goal == Goal::Down || self.doomed
            }
            State::Stopping { .. } => true,
            // Who outlives SIGKILL must not hold up everybody else.
            State::Killing { stuck, .. } => !stuck,
            State::Stopped(_) | State::Failed { .. } | State::Waiting { .. } | State::Blocked { .. } => false,
        }
    }

    /// Whether nothing that happens to other units can move it, or matters to those who wait for it.
    #[must_use]
    pub fn is_calm(&self) -> bool {
        !self.removed
            && match &self.state {
                State::Stopped(_) | State::Failed { .. } => true,
                State::Blocked { .. } => false,
                State::Waiting { .. } => self.goal == Goal::Up,
                State::Spawning { .. } | State::Starting { .. } | State::Running { .. } => !self.departing(),
                State::Stopping { .. } | State::Killing { .. } => true,
            }
    }

    /// The moment at which a tick would change it.
    #[must_use]
    pub fn deadline(&self) -> Option<Moment> {
        match &self.state {
            State::Waiting { until, .. } => Some(*until),
            // One that is to be stopped is not timed; whoever it waits for is.
            State::Starting { deadline, .. } => (!self.departing()).then_some(*deadline),
            State::Running { proof, leaving, .. } => {
                let proven = match proof {
                    Proof::At(moment) => Some(*moment),
                    Proof::Unseen { .. } | Proof::Given => None,
                };
                [proven, *leaving].into_iter().flatten().min()
            }
            State::Failed { .. } => self.retry_at(),
            State::Stopping { kill_at, .. } => Some(*kill_at),
            State::Killing { again_at, .. } => Some(*again_at),
            State::Stopped(_) | State::Blocked { .. } | State::Spawning { .. } => None,
        }
    }

    /// When it is tried again by itself, if it waits for that.
    #[must_use]
    pub fn retry_at(&self) -> Option<Moment> {
        match self.state {
            State::Waiting { until, .. } => Some(until),
            State::Failed {
                since,
                for_good: false,
                ..
            } if self.goal == Goal::Up => self.spec.recovery.retry_fatal.map(|pause| since + pause),
            State::Failed { .. } | State::Stopped(_) | State::Blocked { .. } | State::Spawning { .. } => None,
            State::Starting { .. }
            | State::Running { .. }
            | State::Stopping { .. }
            | State::Killing { .. } => None,
        }
    }

    /// How far a run that is ready now is proven.
    #[must_use]
    pub fn fresh_proof(&self, now: Moment) -> Proof {
        let unchecked = now + self.spec.min_uptime;
        match self.spec.health {
            Some(_) => Proof::Unseen { unchecked },
            None => Proof::At(unchecked),
        }
    }

    /// Why it is taken down, now that the order allows it.
    pub fn departure(&mut self) -> Cause {
        let why = self.replaced_for.take().filter(|_| self.goal == Goal::Up);
        why.map_or(Cause::Asked, Cause::Replaced)
    }

    /// Forgets its failures: a person has taken it in hand.
    pub fn absolve(&mut self) {
        (self.failures, self.restarts) = (0, 0);
        self.recent.clear();
    }

    /// Takes out the waiters who want this, as replies.
    pub fn reply(&mut self, want: Goal, reply: &Reply) -> Vec<(RequestId, Reply)> {
        let (answered, left) = self.waiters.drain(..).partition(|waiter| waiter.want == want);
        self.waiters = left;
        let answered: Vec<Waiter> = answered;
        answered
            .into_iter()
            .map(|waiter| (waiter.request, reply.clone()))
            .collect()
    }
}
