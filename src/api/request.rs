//! What may be asked over the control socket, and how a supervisor is begun.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::fact::Fact;

/// The body of a POST: which services; empty means all.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Command {
    /// Their names.
    #[serde(default)]
    pub services: Vec<String>,
    /// For [`Route::Record`] alone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub facts: Vec<Fact>,
    /// Of a reload: only tell what it would change.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub dry_run: bool,
    /// Of a stop: it is a flush that needs the ports of these services.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub of_flush: bool,
    /// For an upgrade: the binary that takes over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub binary: Option<PathBuf>,
}

/// The routes of the control socket. Answers to POST are lines of [`super::Event`], the last one its `End`;
/// a refused request has a status of 400 or more and a [`super::Failure`] as its body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route {
    /// `GET /v1/status`: a [`super::Status`] without ports and with the last known health.
    Status,
    /// `GET /v1/brief`: what the table of `status` needs, as a [`super::Brief`].
    Brief,
    /// `GET /v1/events`: every change from now on, as lines of [`super::Event`], until the caller leaves.
    Events,
    /// `GET /metrics`: numbers, in Prometheus' text format.
    Metrics,
    /// `GET /v1/ports`: who holds the assigned ports: a list of [`super::Port`].
    Ports,
    /// `GET /v1/logs?service=NAME&lines=N&follow=true&errors=true`: lines of output, as lines of JSON.
    Logs,
    /// `GET /v1/ledger?service=NAME&lines=N`: the last facts, as lines of [`super::Record`]; those that come
    /// are told by `/v1/events`.
    Ledger,
    /// `POST /v1/record`: facts for the ledger, of which the supervisor would not know.
    Record,
    /// `POST /v1/start`: done when the services are ready.
    Start,
    /// `POST /v1/stop`: done when they and all their descendants are gone.
    Stop,
    /// `POST /v1/restart`: both, in order.
    Restart,
    /// `POST /v1/shutdown`: stop everything, then the supervisor ends.
    Shutdown,
    /// `POST /v1/reload`: read services.toml again; done when settled.
    Reload,
    /// `POST /v1/upgrade`: another binary takes over in the same process. The answer breaks off without an
    /// `End` when it does; whoever asks then for the status is answered by the new one.
    Upgrade,
}

impl Route {
    /// All of them.
    pub const ALL: [Route; 14] = [
        Route::Status,
        Route::Brief,
        Route::Events,
        Route::Metrics,
        Route::Ports,
        Route::Logs,
        Route::Ledger,
        Route::Record,
        Route::Start,
        Route::Stop,
        Route::Restart,
        Route::Shutdown,
        Route::Reload,
        Route::Upgrade,
    ];

    /// Its path.
    #[must_use]
    pub fn path(self) -> &'static str {
        match self {
            Route::Status => "/v1/status",
            Route::Brief => "/v1/brief",
            Route::Events => "/v1/events",
            Route::Metrics => "/metrics",
            Route::Ports => "/v1/ports",
            Route::Logs => "/v1/logs",
            Route::Ledger => "/v1/ledger",
            Route::Record => "/v1/record",
            Route::Start => "/v1/start",
            Route::Stop => "/v1/stop",
            Route::Restart => "/v1/restart",
            Route::Shutdown => "/v1/shutdown",
            Route::Reload => "/v1/reload",
            Route::Upgrade => "/v1/upgrade",
        }
    }

    /// Its method.
    #[must_use]
    pub fn method(self) -> &'static str {
        match self {
            Route::Status
            | Route::Brief
            | Route::Events
            | Route::Metrics
            | Route::Ports
            | Route::Logs
            | Route::Ledger => "GET",
            Route::Record
            | Route::Start
            | Route::Stop
            | Route::Restart
            | Route::Shutdown
            | Route::Reload
            | Route::Upgrade => "POST",
        }
    }
}

/// What the supervisor that systemd begins next is to do: left as a file in the state folder, since what
/// systemd begins cannot be given arguments.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Errand {
    /// How it takes the house over.
    pub mode: Mode,
    /// Which services to start; all if empty.
    pub services: Vec<String>,
    /// A FIFO for the progress: lines of [`super::Event`].
    pub report: PathBuf,
    /// Seconds since the epoch after which nobody means it any longer.
    pub until: u64,
    /// The process that asks: systemd, which begins the supervisor, does not.
    #[serde(default)]
    pub caller: Option<i32>,
    /// The schedule on whose behalf it asks.
    #[serde(default)]
    pub schedule: Option<String>,
}

/// How a new supervisor takes the house over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// There must be no other; leftovers of a dead one are taken down.
    Start,
    /// Stop the old one cleanly, flush every assigned port, start, verify.
    Master,
    /// The same without the flush.
    Quick,
    /// SIGKILL for all that is proven ours, flush without grace, start, verify.
    Emergency,
}

impl Mode {
    /// The word of the command line.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Mode::Start => "start",
            Mode::Master => "master",
            Mode::Quick => "quick",
            Mode::Emergency => "emergency",
        }
    }
}
