//! Progress, as lines of JSON: from the control socket, and from a new supervisor to the client who began it.

use serde::{Deserialize, Serialize};

use super::fact::Record;
use super::plan::Plan;
use super::status::{HealthStatus, State};

/// One line of progress. The last line of every stream is `End`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// A phase of a transaction begins.
    Began {
        /// Which.
        phase: Phase,
    },
    /// A phase is over.
    Finished {
        /// Which.
        phase: Phase,
        /// Whether it reached its aim.
        ok: bool,
        /// How long it took.
        took_ms: f64,
        /// What was done or went wrong, in a sentence.
        detail: Option<String>,
    },
    /// A service has changed.
    Service {
        /// Its name.
        name: String,
        /// Its state now.
        state: State,
        /// Its leader's pid.
        pid: Option<i32>,
        /// What it waits for, or what is wrong.
        reason: Option<String>,
        /// Since the request began, in milliseconds.
        after_ms: f64,
    },
    /// What a service's health probe says has changed.
    Health {
        /// Its name.
        name: String,
        /// The verdict now.
        status: HealthStatus,
        /// What is wrong.
        error: Option<String>,
    },
    /// Something was written into the ledger. Told to those who follow `/v1/events`.
    Fact {
        /// What happened, and why.
        record: Box<Record>,
    },
    /// What a reload is about to change.
    Plan {
        /// All of it.
        plan: Plan,
    },
    /// A port was flushed: a `ports::PortReport`, as `flush --json` prints it.
    Port {
        /// The report.
        report: serde_json::Value,
    },
    /// A process was ended that was ours to end.
    Ended(Ended),
    /// The supervisor is being replaced in place: the stream breaks off here, and the next one answers
    /// whoever connects again.
    Upgrading {
        /// The same for people.
        message: String,
    },
    /// The result; nothing follows.
    End(Outcome),
}

/// A process that was ended, and how we know that it was ours to end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// Its pid.
    pub pid: i32,
    /// Its command, for people.
    pub command: String,
    /// The last signal it got.
    pub signal: String,
    /// Why it was ours, in words: it listened on an assigned port, carried our mark …
    pub proof: String,
}

/// The steps of a transaction, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// services.toml, programs, folders and ports, before anything is touched.
    Check,
    /// Take down the old supervisor and its services.
    Stop,
    /// Take down what a dead supervisor left behind.
    Leftovers,
    /// Free the assigned ports.
    Flush,
    /// Start the services.
    Start,
    /// Another image of the supervisor takes over.
    Handover,
    /// Look at the result from outside.
    Verify,
}

impl Phase {
    /// The word as printed.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Phase::Check => "check",
            Phase::Stop => "stop",
            Phase::Leftovers => "leftovers",
            Phase::Flush => "flush",
            Phase::Start => "start",
            Phase::Handover => "handover",
            Phase::Verify => "verify",
        }
    }
}

/// The one truthful result of a request.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// Whether the asked-for outcome was reached, for every service.
    pub ok: bool,
    /// Each service that was asked for.
    pub services: Vec<ServiceOutcome>,
    /// Why the whole failed, when it is not about one service.
    pub error: Option<Failure>,
}

/// What became of one service.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ServiceOutcome {
    /// Its name.
    pub name: String,
    /// What became of the request.
    pub result: ServiceResult,
    /// Why, unless done.
    pub reason: Option<String>,
    /// From the request to its answer, in milliseconds.
    pub took_ms: f64,
}

/// What became of a request about one service: exactly one of these, exactly once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ServiceResult {
    /// The wanted state was reached.
    Done,
    /// It was not.
    Failed,
    /// A later request took its place.
    Superseded,
    /// It was not begun.
    Refused,
}

/// Why something was not done, for the person who must act.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// Which exit code it means.
    pub kind: FailureKind,
    /// What is wrong: names the thing and the cause.
    pub message: String,
    /// The way out.
    pub help: Option<String>,
}

/// The classes of failure, each with its exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureKind {
    /// The outcome was not reached: exit 1.
    Failed,
    /// Wrong usage, such as a service that does not exist: exit 2.
    Usage,
    /// No supervisor: exit 4.
    NoSupervisor,
    /// services.toml is wrong: exit 5.
    Config,
    /// Another operation is under way: exit 75.
    Busy,
    /// A bug of ours: exit 70.
    Bug,
}
