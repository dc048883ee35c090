//! What the ledger keeps: one thing that happened, with its cause, in a form that machines and people read.
//!
//! Names on disk do not change; adding words and fields is free, since readers take an unknown word as
//! [`What::Other`] and skip unknown fields.

use serde::{Deserialize, Serialize};

/// One line of the ledger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// The format; see [`Record::VERSION`].
    pub v: u32,
    /// Counts up by one from line to line, across supervisors: the order, whatever the clock does.
    pub seq: u64,
    /// When, by the wall clock, RFC 3339 in UTC to the millisecond.
    pub at: String,
    /// When, in milliseconds since this host's boot: never goes back within one boot.
    pub boot_ms: u64,
    /// What.
    #[serde(flatten)]
    pub fact: Fact,
}

impl Record {
    /// The present format.
    pub const VERSION: u32 = 1;
}

/// One thing that happened. All that is about a service names it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fact {
    /// What happened.
    pub what: What,
    /// To which service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// In which of its runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<u64>,
    /// The process that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pid: Option<i32>,
    /// How that process ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit: Option<Ending>,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<Cause>,
    /// What else a person should know, in words. Never a secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

impl Fact {
    /// Something about the house or the supervisor.
    #[must_use]
    pub fn new(what: What) -> Self {
        Self {
            what,
            service: None,
            run: None,
            pid: None,
            exit: None,
            cause: None,
            detail: None,
        }
    }

    /// Something about a service.
    #[must_use]
    pub fn of(service: &impl ToString, what: What) -> Self {
        Self {
            service: Some(service.to_string()),
            ..Self::new(what)
        }
    }

    /// Something about a run.
    #[must_use]
    pub fn of_run(run: &crate::service::Run, what: What) -> Self {
        Self {
            run: Some(run.number),
            ..Self::of(&run.service, what)
        }
    }

    /// Its process.
    #[must_use]
    pub fn pid(self, pid: i32) -> Self {
        Self {
            pid: Some(pid),
            ..self
        }
    }

    /// Its cause, if it is known.
    #[must_use]
    pub fn because(self, cause: impl Into<Option<Cause>>) -> Self {
        Self {
            cause: cause.into(),
            ..self
        }
    }

    /// What else a person should know.
    #[must_use]
    pub fn detail(self, detail: impl Into<String>) -> Self {
        Self {
            detail: Some(detail.into()),
            ..self
        }
    }
}

/// What can happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// A supervisor took the house over.
    Began,
    /// Another image of it took over in the same process.
    Upgraded,
    /// It left in good order.
    Left,
    /// It died: told by the one after it.
    Died,
    /// A run of an earlier supervisor goes on under this one.
    Adopted,
    /// A process of an earlier supervisor was ended.
    Ended,
    /// A run has a process.
    Started,
    /// A run got no process.
    NotStarted,
    /// A run is ready.
    Ready,
    /// A run is asked to end.
    Stopping,
    /// SIGKILL was sent.
    Killed,
    /// The first process of a run ended.
    Exited,
    /// What did not run any more is not wanted either: somebody stopped it.
    Stopped,
    /// A service was given up: FATAL.
    GivenUp,
    /// Its health probe is content again.
    Healthy,
    /// Its health probe is not content.
    Unhealthy,
    /// A stream that should speak is silent, says its health probe.
    Silent,
    /// It speaks again.
    Heard,
    /// A stream loses its upstream again and again, says its health probe.
    Flapping,
    /// Its upstream has been steady for a while.
    Steady,
    /// A person or a program asked for something.
    Command,
    /// It was refused.
    Refused,
    /// services.toml was read again.
    Reloaded,
    /// A schedule was due.
    Scheduled,
    /// A schedule was not run when it was due.
    Missed,
    /// A port was freed of its holder.
    Flushed,
    /// A port that is assigned here is held by a stranger.
    PortTaken,
    /// The stranger is gone.
    PortFree,
    /// Too little room for logs, or none.
    DiskLow,
    /// There is room again.
    DiskFine,
    /// A service uses more memory than it may.
    MemoryHigh,
    /// It uses less again.
    MemoryFine,
    /// Facts could not be written down; `detail` counts them.
    Lost,
    /// An alert was given up.
    AlertLost,
    /// A word of a later version.
    #[serde(other)]
    Other,
}

impl What {
    /// The word as printed.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            What::Began => "began",
            What::Upgraded => "upgraded",
            What::Left => "left",
            What::Died => "died",
            What::Adopted => "adopted",
            What::Ended => "ended",
            What::Started => "started",
            What::NotStarted => "not started",
            What::Ready => "ready",
            What::Stopping => "stopping",
            What::Killed => "killed",
            What::Exited => "exited",
            What::Stopped => "stopped",
            What::GivenUp => "FATAL",
            What::Healthy => "healthy",
            What::Unhealthy => "unhealthy",
            What::Silent => "silent",
            What::Heard => "heard",
            What::Flapping => "flapping",
            What::Steady => "steady",
            What::Command => "command",
            What::Refused => "refused",
            What::Reloaded => "reloaded",
            What::Scheduled => "scheduled",
            What::Missed => "missed",
            What::Flushed => "flushed",
            What::PortTaken => "port taken",
            What::PortFree => "port free",
            What::DiskLow => "disk low",
            What::DiskFine => "disk fine",
            What::MemoryHigh => "memory high",
            What::MemoryFine => "memory fine",
            What::Lost => "lost",
            What::AlertLost => "alert lost",
            What::Other => "other",
        }
    }
}

/// How a process ended: by code or by signal; neither when the kernel could not tell.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ending {
    /// The exit code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<i32>,
    /// The signal's name, such as `SIGSEGV`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signal: Option<String>,
    /// The kernel's OOM killer did it: how we know.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oom: Option<OomProof>,
}

/// How we know that the OOM killer ended a process, best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OomProof {
    /// The kernel's log names the process.
    KernelLog,
    /// The count of OOM kills in its control group went up.
    Cgroup,
    /// The host's count went up: most likely it was this one.
    HostCount,
}

/// Why something happened.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "by", rename_all = "snake_case")]
pub enum Cause {
    /// Somebody asked, over the socket or by a command of their own.
    Operator {
        /// The uid that the kernel vouches for.
        uid: u32,
        /// Its name.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        name: Option<String>,
        /// What they asked for, such as `sentinel restart web`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        command: Option<String>,
        /// The program from which they came, when it is telling: `cron`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        via: Option<String>,
    },
    /// A schedule of services.toml.
    Schedule {
        /// Its name.
        name: String,
    },
    /// This one needs it.
    Dependency {
        /// The service that needs it.
        service: String,
    },
    /// What its health probe said.
    Health {
        /// The probe's own words.
        words: String,
    },
    /// It was not ready in time.
    NotReady {
        /// What was missing.
        words: String,
    },
    /// It ended by itself.
    Exit {
        /// How.
        words: String,
    },
    /// It could not be started.
    NotStarted {
        /// Why.
        words: String,
    },
    /// It used more memory than it may.
    Memory {
        /// How much.
        words: String,
    },
    /// It was not heard of for too long.
    Watchdog {
        /// For how long.
        words: String,
    },
    /// A file that it watches changed.
    Change {
        /// Which.
        path: String,
    },
    /// services.toml differs.
    Reload,
    /// It did not end within its grace.
    Grace,
    /// The supervisor itself got a signal.
    Signal {
        /// Its name.
        signal: String,
    },
    /// The supervisor's own doing, such as taking over a house.
    Supervisor {
        /// What it was at.
        words: String,
    },
    /// A word of a later version.
    #[serde(other)]
    Other,
}

impl Cause {
    /// One word for it, as metrics label it.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Cause::Operator { .. } => "operator",
            Cause::Schedule { .. } => "schedule",
            Cause::Dependency { .. } => "dependency",
            Cause::Health { .. } => "health",
            Cause::NotReady { .. } => "not_ready",
            Cause::Exit { .. } => "exit",
            Cause::NotStarted { .. } => "not_started",
            Cause::Memory { .. } => "memory",
            Cause::Watchdog { .. } => "watchdog",
            Cause::Change { .. } => "change",
            Cause::Reload => "reload",
            Cause::Grace => "grace",
            Cause::Signal { .. } => "signal",
            Cause::Supervisor { .. } => "supervisor",
            Cause::Other => "other",
        }
    }
}
