//! The supervisor's status as far as the pages show it. What is missing or new is no error: the two
//! programs may be of different versions.

use serde::Deserialize;
use serde_json::Value;

/// Everything the supervisor knows at one moment.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Status {
    /// The supervisor itself.
    pub supervisor: SupervisorStatus,
    /// The services, in dependency order.
    pub services: Vec<Service>,
    /// Who holds the assigned ports, when the supervisor has looked.
    pub ports: Vec<Port>,
    /// What is done by the clock.
    pub schedules: Vec<Schedule>,
    /// `[web]` of services.toml; none from a supervisor that does not know it.
    pub web: Option<Web>,
}

/// What pages may do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Web {
    /// They may act, for those who have the token.
    pub actions: bool,
    /// On an address that other hosts reach too.
    pub allow_remote: bool,
}

/// The supervisor process.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct SupervisorStatus {
    /// Its pid.
    pub pid: Option<i32>,
    /// Its version.
    pub version: String,
    /// Seconds since it started.
    pub uptime_s: Option<f64>,
    /// services.toml, as its user names it.
    pub config: String,
}

/// One service.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Service {
    /// Its name.
    pub name: String,
    /// Its state, in supervisord's words.
    pub state: String,
    /// The leader's pid while it lives.
    pub pid: Option<i32>,
    /// Seconds since the current run began.
    pub uptime_s: Option<f64>,
    /// Runs that followed an end nobody asked for.
    pub restarts: u64,
    /// Why the state is not the wanted one.
    pub reason: Option<String>,
    /// In percent of one core.
    pub cpu_percent: Option<f64>,
    /// Resident, in bytes.
    pub memory_bytes: Option<u64>,
    /// Its assigned ports.
    pub ports: Vec<u16>,
    /// What its probe says.
    pub health: Health,
    /// Whether it should be running.
    pub wanted: bool,
    /// Whether it is started with the rest; to be stopped is well for one that is not.
    #[serde(default = "yes")]
    pub autostart: bool,
    /// What could not be written to its log.
    pub log_loss: Option<String>,
    /// The error lines of its present run.
    pub errors: Errors,
}

fn yes() -> bool {
    true
}

/// Error lines in a service's output.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Errors {
    /// How many.
    pub count: u64,
}

/// What a probe says.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Health {
    /// `healthy`, `unhealthy`, `starting`, `none`, `unknown`.
    pub status: String,
    /// How long the answer took.
    pub latency_ms: Option<f64>,
    /// What is wrong.
    pub error: Option<String>,
    /// The answer itself.
    pub detail: Value,
}

/// One assigned port.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Port {
    /// Its number.
    pub port: u16,
    /// Whose it is.
    pub service: String,
    /// `ok`, `free`, `stray`, `foreign`, `down`.
    pub state: String,
    /// Who holds it.
    pub pid: Option<i32>,
    /// The holder's command.
    pub command: Option<String>,
}

/// One schedule.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Schedule {
    /// Its name.
    pub name: String,
    /// What it does, as a person would type it.
    #[serde(rename = "do")]
    pub deed: String,
    /// The five fields.
    pub cron: String,
    /// Whose clock counts.
    pub timezone: String,
    /// When it is due next, RFC 3339 by that clock.
    pub next: Option<String>,
    /// Seconds until then.
    pub next_in_s: Option<f64>,
    /// Its last run.
    pub last: Option<ScheduleRun>,
}

/// What became of a time at which a schedule was due.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct ScheduleRun {
    /// `running`, `done`, `failed`, `skipped`, `missed`.
    pub result: String,
    /// When it began, RFC 3339.
    pub began: String,
    /// How long it took.
    pub took_s: Option<f64>,
    /// Its last line.
    pub line: Option<String>,
}
