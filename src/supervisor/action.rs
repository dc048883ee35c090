//! Everything that the machine can order.

use std::fmt;
use std::sync::Arc;

use super::input::RequestId;
use crate::service::{Run, ServiceName, Spec};

/// One thing for the shell to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Start a process for this run; tell `Spawned` or `SpawnFailed`.
    Spawn {
        /// The new run.
        run: Run,
        /// What to start.
        spec: Arc<Spec>,
    },
    /// Begin to look whether the run is ready; tell `Ready` once, `NotReady` when there is news.
    AwaitReady {
        /// Which.
        run: Run,
    },
    /// Begin (or begin anew, after a reload) to ask for its health; tell `Unhealthy`.
    WatchHealth {
        /// Which.
        run: Run,
        /// Holds the probe to use.
        spec: Arc<Spec>,
    },
    /// Hold the ready run to its watchdog and its memory from now on (or anew, after a reload); tell
    /// `WatchdogMissed` and `OverMemory`.
    Guard {
        /// Which.
        run: Run,
        /// Holds what it promises.
        spec: Arc<Spec>,
    },
    /// Send SIGABRT to every process of the run, so that one that hangs leaves a core dump or a trace; else
    /// like `Terminate`.
    Abort {
        /// Which.
        run: Run,
    },
    /// Send its stop signal to every process of the run.
    Terminate {
        /// Which.
        run: Run,
    },
    /// Send SIGKILL to every process of the run, again and again until none is left; tell `Survivors`.
    Kill {
        /// Which.
        run: Run,
    },
    /// The one answer to a request.
    Answer {
        /// Which request.
        id: RequestId,
        /// What became of it.
        answer: Answer,
    },
    /// This service's entry in the snapshot differs from before, or is gone.
    Changed {
        /// Which.
        service: ServiceName,
    },
    /// Everything is down and told, for good: leave. The last action there is.
    Finish,
}

/// What became of a request.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// Nothing was begun.
    Refused(Refusal),
    /// All that it named has settled.
    Settled(Vec<(ServiceName, Reply)>),
}

/// What became of one service in a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// The wanted state was reached.
    Done,
    /// It was not.
    Failed(String),
    /// A later request wants something else.
    Superseded,
}

/// A typed no.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// There is no service of this name.
    Unknown(ServiceName),
    /// The supervisor is on its way down.
    ShuttingDown,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::Unknown(name) => write!(f, "there is no service `{name}`"),
            Refusal::ShuttingDown => write!(f, "the supervisor is shutting down"),
        }
    }
}
