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
    /// What could not be written to its log.
    pub log_loss: Option<String>,
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
    /// `ok`, `free`, `stray`, `foreign`, `down`.
    pub state: String,
    /// Who holds it.
    pub pid: Option<i32>,
    /// The holder's command.
    pub command: Option<String>,
}
