//! The answer of `sentinel status --json`; the supervisor sends the part it knows.

use serde::{Deserialize, Serialize};

use super::fact::Record;

/// Everything about one house at one moment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// Whether everything runs and is healthy: the exit code is 0.
    pub ok: bool,
    /// The supervisor itself.
    pub supervisor: Supervisor,
    /// The services, in dependency order.
    pub services: Vec<Service>,
    /// The assigned ports, ascending. Filled in by the client, who looks for itself.
    pub ports: Vec<Port>,
    /// What is done by the clock, in the order of the file.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub schedules: Vec<super::Schedule>,
    /// Who is told of what is wrong; none when nobody is to be told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alerts: Option<AlertStatus>,
    /// What happened last to the services that were asked for by name. Filled in by the client.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<Record>,
    /// What the pages of main_app may do; none from a supervisor that does not know.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub web: Option<Web>,
}

/// `[web]` of services.toml, for main_app.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Web {
    /// Pages may act, for those who have the token.
    pub actions: bool,
    /// On an address that other hosts reach too.
    pub allow_remote: bool,
}

/// How alerts fare.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlertStatus {
    /// What is wrong now and was told.
    pub open: usize,
    /// Messages that nobody has taken yet.
    pub waiting: usize,
    /// Why not: the target, and what its last try said.
    pub trouble: Option<String>,
}

/// The supervisor process.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Supervisor {
    /// Whether it runs and answers.
    pub state: SupervisorState,
    /// Its pid; none when absent.
    pub pid: Option<i32>,
    /// Its version; the client's own when absent.
    pub version: String,
    /// Seconds since it started; none when absent.
    pub uptime_s: Option<f64>,
    /// services.toml, as the user would name it.
    pub config: String,
    /// How often it was replaced in place since it began.
    #[serde(default)]
    pub upgrades: u32,
    /// Whether services.toml was written since it was read: a reload would take it in.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub outdated: bool,
}

fn yes() -> bool {
    true
}

/// Whether there is a supervisor and it answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SupervisorState {
    /// It answers.
    Running,
    /// There is none.
    Absent,
    /// It holds its lock, and does not answer.
    Unresponsive,
}

/// One service as it is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Service {
    /// Its name.
    pub name: String,
    /// The group that it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// Its state, in supervisord's words.
    pub state: State,
    /// The leader's pid while it lives.
    pub pid: Option<i32>,
    /// Seconds since the current run was spawned.
    pub uptime_s: Option<f64>,
    /// Runs that followed an end nobody asked for, since it was last started by a person.
    pub restarts: u64,
    /// How the last run ended.
    pub last_exit: Option<LastExit>,
    /// One sentence for a person, whenever the state is not the wanted one.
    pub reason: Option<String>,
    /// Why the last run ended: the words of its health probe, its exit, the file that changed, a request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_cause: Option<String>,
    /// Seconds until it is tried again by itself, in BACKOFF, and in FATAL unless that is for good.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_in_s: Option<f64>,
    /// CPU of the leader, in percent of one core.
    pub cpu_percent: Option<f64>,
    /// Resident memory of the leader, in bytes.
    pub memory_bytes: Option<u64>,
    /// Its assigned ports.
    pub ports: Vec<u16>,
    /// Its health.
    pub health: Health,
    /// The number of the current or last run; 0 before the first.
    pub run: u64,
    /// Whether it should be running.
    pub wanted: bool,
    /// Whether it is started with the rest; to be stopped is well for one that is not.
    #[serde(default = "yes", skip_serializing_if = "Clone::clone")]
    pub autostart: bool,
    /// Bytes of its output that could not be written to its log, and why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log_loss: Option<String>,
    /// The error lines of the current or last run.
    #[serde(default)]
    pub errors: Errors,
    /// What became of its output.
    #[serde(default)]
    pub log: Log,
    /// What it says of itself (`STATUS=` of sd_notify).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status_text: Option<String>,
    /// It said `RELOADING=1` and not yet `READY=1`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub reloading: bool,
    /// What all its processes use together; for a service with `memory_max` only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tree_memory_bytes: Option<u64>,
}

/// Lines of output that tell of an error, since the run began.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Errors {
    /// How many.
    pub count: u64,
    /// The beginning of the last one.
    pub last: Option<String>,
    /// When it was read, RFC 3339.
    pub at: Option<String>,
}

/// What became of a service's output since its supervisor began.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Log {
    /// Bytes written to its logs.
    pub written_bytes: u64,
    /// Bytes that could not be written.
    pub lost_bytes: u64,
    /// Lines among them.
    pub lost_lines: u64,
}

/// supervisord's state words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum State {
    /// Not running: never started, stopped by a person, or waiting for another service.
    Stopped,
    /// Spawned, not yet ready.
    Starting,
    /// Ready.
    Running,
    /// Ended too soon; waits before it is tried again.
    Backoff,
    /// On its way down.
    Stopping,
    /// Ended by itself, and need not run again.
    Exited,
    /// Given up.
    Fatal,
}

impl State {
    /// The word as printed.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            State::Stopped => "STOPPED",
            State::Starting => "STARTING",
            State::Running => "RUNNING",
            State::Backoff => "BACKOFF",
            State::Stopping => "STOPPING",
            State::Exited => "EXITED",
            State::Fatal => "FATAL",
        }
    }
}

/// How a run ended: by code or by signal; neither when the kernel could not tell.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastExit {
    /// The exit code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<i32>,
    /// The signal's name, such as `SIGSEGV`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signal: Option<String>,
    /// When, RFC 3339.
    pub at: String,
    /// Whether the service is declared to end so when its work is done.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub expected: bool,
    /// Whether the kernel's OOM killer did it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub oom: bool,
}

/// What a service's health probe says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Health {
    /// The verdict.
    pub status: HealthStatus,
    /// `ws`, `http`, `tcp`, `exec`; none without a probe.
    pub kind: Option<String>,
    /// How long the answer took.
    pub latency_ms: Option<f64>,
    /// What is wrong, as a sentence.
    pub error: Option<String>,
    /// The answer itself.
    pub detail: Option<serde_json::Value>,
    /// Those behind it, from near to far, each asked separately.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hops: Vec<Hop>,
}

/// One who stands behind a service, and what they answered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Hop {
    /// The service, or the name it was given in `via`.
    pub name: String,
    /// `ws`, `http`, `tcp`, `exec`.
    pub kind: String,
    /// The verdict.
    pub status: HealthStatus,
    /// How long the answer took.
    pub latency_ms: f64,
    /// What is wrong, as a sentence.
    pub error: Option<String>,
}

impl Health {
    /// A verdict without an answer.
    #[must_use]
    pub fn unasked(status: HealthStatus, kind: Option<&str>) -> Self {
        Self {
            status,
            kind: kind.map(str::to_owned),
            latency_ms: None,
            error: None,
            detail: None,
            hops: Vec::new(),
        }
    }
}

/// The verdict of a health probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum HealthStatus {
    /// The probe got the answer it wants.
    Healthy,
    /// It did not.
    Unhealthy,
    /// The service is not ready yet.
    Starting,
    /// No probe is declared.
    None,
    /// Not asked: it does not run.
    Unknown,
}

impl HealthStatus {
    /// The word as printed.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            HealthStatus::Healthy => "healthy",
            HealthStatus::Unhealthy => "unhealthy",
            HealthStatus::Starting => "starting",
            HealthStatus::None => "none",
            HealthStatus::Unknown => "unknown",
        }
    }
}

/// One assigned port.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Port {
    /// Its number.
    pub port: u16,
    /// The service it is assigned to.
    pub service: String,
    /// Who holds it.
    pub state: PortState,
    /// The holder.
    pub pid: Option<i32>,
    /// The holder's command, for people.
    pub command: Option<String>,
}

/// Who holds an assigned port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PortState {
    /// Its own service.
    Ok,
    /// Nobody, and nobody should.
    Free,
    /// A process of ours that should be gone.
    Stray,
    /// A process that is not ours.
    Foreign,
    /// Nobody, though its service runs.
    Down,
}
