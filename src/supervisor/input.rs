//! Everything that can be told to the machine.

use std::sync::Arc;
use std::time::Duration;

use super::moment::Moment;
use crate::service::{Exit, Run, ServiceName, Spec};

/// A request's number; whoever asks chooses it, and it comes back with the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub u64);

/// One thing that happened, or was asked.
#[derive(Clone, Debug, PartialEq)]
pub enum Input {
    /// A person (or a schedule) wants something.
    Request {
        /// Comes back in the answer.
        id: RequestId,
        /// What is wanted.
        order: Order,
    },
    /// The run was begun by an earlier supervisor, and its first process lives.
    Adopted {
        /// Which.
        run: Run,
        /// What the earlier supervisor knew of it.
        past: Past,
    },
    /// The run has a process.
    Spawned {
        /// Which.
        run: Run,
    },
    /// The run never had a process; nothing of it is left.
    SpawnFailed {
        /// Which.
        run: Run,
        /// The stage that failed and the cause.
        why: String,
    },
    /// The run is not ready yet: what the last attempt to find out said.
    NotReady {
        /// Which.
        run: Run,
        /// For people.
        why: String,
    },
    /// The run holds its ports and answers its ready probe.
    Ready {
        /// Which.
        run: Run,
    },
    /// The run's health probe got a good answer, after a bad one or for the first time.
    Healthy {
        /// Which.
        run: Run,
    },
    /// The run's health probe got a bad answer after a good one: not yet reason to act.
    Ailing {
        /// Which.
        run: Run,
    },
    /// The run's health probe failed as often as its declaration allows.
    Unhealthy {
        /// Which.
        run: Run,
        /// The probe's own words.
        why: String,
    },
    /// The ready run did not say `WATCHDOG=1` for as long as its declaration allows, or said that it is stuck.
    WatchdogMissed {
        /// Which.
        run: Run,
        /// For how long, or in whose words.
        why: String,
    },
    /// The run's memory stayed over what its declaration allows, for longer than it allows.
    OverMemory {
        /// Which.
        run: Run,
        /// How much.
        why: String,
    },
    /// The run says that it is about to end by itself.
    Leaving {
        /// Which.
        run: Run,
    },
    /// What the run is at, its start or its end, may take so much longer from now on.
    Extended {
        /// Which.
        run: Run,
        /// How much; an hour at most counts.
        by: Duration,
    },
    /// The run's first process ended. Descendants may still live.
    Exited {
        /// Which.
        run: Run,
        /// How.
        exit: Exit,
    },
    /// Nothing of the run is left: its first process and every descendant are proven gone.
    Swept {
        /// Which.
        run: Run,
    },
    /// Processes of the run were found alive after SIGKILL.
    Survivors {
        /// Which.
        run: Run,
        /// Pids, names and ports, for people.
        who: String,
    },
    /// Files that the service is to be restarted for have changed.
    FilesChanged {
        /// Whose.
        service: ServiceName,
        /// Which, for people: `src/app.py changed`.
        why: String,
    },
    /// Time has passed. May come early, late or twice.
    Tick,
}

/// What an earlier supervisor knew of a service.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Past {
    /// The run was ready.
    pub ready: bool,
    /// Runs that followed an end that nobody asked for.
    pub restarts: u64,
    /// Failed runs in a row before it.
    pub failures: u32,
    /// How the run before ended, and when.
    pub last_exit: Option<(Exit, Moment)>,
}

/// What a person can want.
#[derive(Clone, Debug, PartialEq)]
pub enum Order {
    /// These, and all that they are `after`, up.
    Start(Vec<ServiceName>),
    /// These down.
    Stop(Vec<ServiceName>),
    /// The present runs of these down, and new ones up.
    Restart(Vec<ServiceName>),
    /// Everything down, for good.
    Shutdown,
    /// These specs, in dependency order, are the whole truth from now on.
    Reload(Vec<Arc<Spec>>),
}
