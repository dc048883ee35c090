//! The vocabulary of the house: what a service is, once its declaration is proven valid.

mod log;
mod rights;

pub use log::{Compress, ErrorLines, Format, LogSpec, MAX_TOTAL, MaxAge, pattern};
pub use rights::{Limit, Limits, MemoryMax, Rights};

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

mod expectation;
mod recovery;

pub use expectation::{Expectation, Malformed};
pub use recovery::{Backoff, Recovery};

/// A service's name: unique in its services.toml, made of letters, digits and `_ - . @`.
///
/// Cheap to clone: every layer names services, nobody owns the text.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ServiceName(Arc<str>);

impl ServiceName {
    /// Names that cannot be a service's, since `sentinel restart NAME` means a mode.
    pub const RESERVED: [&'static str; 5] = ["master", "full", "quick", "emergency", "force"];

    /// The longest name, in bytes; it becomes part of file and socket names.
    pub const MAX_LEN: usize = 64;

    /// Accepts a valid name.
    ///
    /// # Errors
    /// A sentence that says which rule the text breaks.
    pub fn parse(text: &str) -> Result<Self, String> {
        let legal = |c: char| c.is_ascii_alphanumeric() || "_-.@".contains(c);
        if text.is_empty() {
            return Err("a service needs a name".into());
        }
        if text.len() > Self::MAX_LEN {
            return Err(format!("a name has at most {} characters", Self::MAX_LEN));
        }
        if Self::RESERVED.contains(&text) {
            return Err(format!(
                "`{text}` is a mode of `sentinel restart` and cannot name a service"
            ));
        }
        if !text.starts_with(|c: char| c.is_ascii_alphanumeric()) || !text.chars().all(legal) {
            return Err(format!(
                "`{text}` is not a service name: it starts with a letter or digit and holds letters, digits and _ - . @"
            ));
        }
        Ok(Self(text.into()))
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for ServiceName {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Self::parse(&text)
    }
}

impl From<ServiceName> for String {
    fn from(name: ServiceName) -> Self {
        name.as_str().to_owned()
    }
}

impl fmt::Display for ServiceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// One service, valid and complete: paths absolute, variables expanded, defaults filled in.
///
/// There may be hundreds: what most declare alike is shared, what few declare is boxed.
#[derive(Clone, Debug, PartialEq)]
pub struct Spec {
    /// Its name.
    pub name: ServiceName,
    /// Program and arguments. The program is absolute, or a bare name that is not yet looked up.
    pub command: Vec<String>,
    /// Working directory, absolute. Default: the folder of services.toml.
    pub cwd: PathBuf,
    /// Its whole environment, the inherited minimum included. May hold secrets: never print the values.
    pub env: Arc<BTreeMap<String, String>>,
    /// TCP ports that the service itself listens on.
    pub ports: Vec<u16>,
    /// Addresses that sentinel listens on for the service and hands over; their ports are among `ports`.
    pub sockets: Vec<SocketAddr>,
    /// Services that must be ready before this one starts, and stop after it.
    pub after: Vec<ServiceName>,
    /// The group that it belongs to; commands take it as `@group`.
    pub group: Option<String>,
    /// Whether it is started with the rest, or only by name, by a schedule or for what is `after` it. Default true.
    pub autostart: bool,
    /// What happens when it ends by itself.
    pub restart: RestartPolicy,
    /// A run that lived this long (and is ready) counts as proven. Default 1 s.
    pub min_uptime: Duration,
    /// A run that is not ready after this time has failed. Default 30 s.
    pub start_timeout: Duration,
    /// Failed runs in a row, or within the window, before the service is given up as FATAL. Default 5.
    pub max_restarts: u32,
    /// What follows failures.
    pub recovery: Arc<Recovery>,
    /// A change of a file that one of these patterns matches (absolute, `*`, `**`, `?`) is followed by a restart.
    pub watch: Vec<String>,
    /// What proves that it is ready, beyond holding its ports.
    pub ready: Option<Ready>,
    /// What proves, again and again, that it is healthy.
    pub health: Option<Box<Health>>,
    /// How it is stopped.
    pub stop: Stop,
    /// How its output is kept.
    pub log: Arc<LogSpec>,
    /// As whom it runs, and how much it may use.
    pub rights: Arc<Rights>,
    /// Its memory may not stay over this.
    pub memory_max: Option<MemoryMax>,
    /// While it is ready, it says `WATCHDOG=1` (sd_notify(3)) at least this often.
    pub watchdog: Option<Duration>,
}

impl Spec {
    /// Its environment as a process is given it.
    #[must_use]
    pub fn variables(&self) -> Vec<(String, String)> {
        let pair = |(name, value): (&String, &String)| (name.clone(), value.clone());
        self.env.iter().map(pair).collect()
    }
}

/// What happens when a service ends by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RestartPolicy {
    /// Start it again, however it ended.
    Always,
    /// Start it again unless it exited with code 0.
    OnFailure,
    /// Leave it.
    Never,
}

/// What proves that a run is ready.
#[derive(Clone, Debug, PartialEq)]
pub enum Ready {
    /// A probe that succeeds.
    Probe(Box<Probe>),
    /// `READY=1` on the run's `NOTIFY_SOCKET` (systemd's protocol, sd_notify(3)).
    Notify,
    /// A line of its output that this regular expression (regex-lite syntax) matches.
    Log(String),
}

/// A health check: a probe with its clock.
#[derive(Clone, Debug, PartialEq)]
pub struct Health {
    /// What is asked.
    pub probe: Probe,
    /// From the end of one attempt to the next. Default 10 s.
    pub every: Duration,
    /// How long one attempt may take. Default 2 s.
    pub timeout: Duration,
    /// Failed attempts in a row that make the service unhealthy. Default 3.
    pub failures: u32,
    /// What follows when it is unhealthy. Default: a restart.
    pub on_unhealthy: OnUnhealthy,
    /// Who stands behind the service, asked separately when its own probe fails.
    pub via: Via,
}

/// What follows when a service is unhealthy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnUnhealthy {
    /// Another run takes its place.
    #[default]
    Restart,
    /// It is shown and told to whoever is alerted.
    Alert,
    /// It is shown, and nothing more.
    Ignore,
}

/// The hops behind a service, from near to far.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Via {
    /// Whom to ask.
    pub hops: Vec<Hop>,
    /// They are declared to be on the way of the probe, so that a broken one takes the blame; otherwise they
    /// are what the service is `after`, and only named.
    pub declared: bool,
}

/// One hop on the way of a probe.
#[derive(Clone, Debug, PartialEq)]
pub struct Hop {
    /// What people call it.
    pub name: String,
    /// What it is asked.
    pub probe: Probe,
    /// How long it may take.
    pub timeout: Duration,
}

/// One question to a service, and the answer that counts as good.
#[derive(Clone, Debug, PartialEq)]
pub enum Probe {
    /// A WebSocket handshake; then, if `send` is there, a JSON message, and an answer that holds `expect`.
    Ws {
        /// `ws://host:port/path`.
        url: String,
        /// The JSON message to send after the handshake.
        send: Option<serde_json::Value>,
        /// A JSON subset that some answer must hold.
        expect: Option<serde_json::Value>,
    },
    /// An HTTP GET.
    Http {
        /// `http://host:port/path`.
        url: String,
        /// The wanted status; any 2xx without it.
        status: Option<u16>,
        /// A JSON subset that the body must hold.
        expect: Option<serde_json::Value>,
    },
    /// A TCP connection to `host:port`.
    Tcp {
        /// `host:port`.
        address: String,
    },
    /// A command that exits with code 0, run in the service's folder with its environment.
    Exec {
        /// Program and arguments; no shell.
        command: Vec<String>,
    },
}

impl Probe {
    /// The kind as `status --json` names it.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Probe::Ws { .. } => "ws",
            Probe::Http { .. } => "http",
            Probe::Tcp { .. } => "tcp",
            Probe::Exec { .. } => "exec",
        }
    }
}

/// How a service is stopped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stop {
    /// The signal that asks it to end. Default SIGTERM.
    pub signal: StopSignal,
    /// The grace between that signal and SIGKILL. Default 10 s.
    pub timeout: Duration,
}

/// A signal by its number, proven to exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StopSignal(pub i32);

impl StopSignal {
    /// SIGTERM.
    pub const TERM: Self = Self(15);

    /// The signal of this name, with or without `SIG`, in any case.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        let upper = name.to_ascii_uppercase();
        let bare = upper.strip_prefix("SIG").unwrap_or(&upper);
        let index = SIGNAL_NAMES.iter().position(|known| *known == bare)?;
        i32::try_from(index + 1).ok().map(Self)
    }

    /// The signal of this number, if it is one that can be sent: 1 to 31, or a real-time signal, 34 to 64.
    #[must_use]
    pub fn numbered(number: i64) -> Option<Self> {
        let exists = matches!(number, 1..=31 | 34..=64);
        i32::try_from(number).ok().filter(|_| exists).map(Self)
    }
}

/// One life of a service's process, numbered from 1. The supervisor knows lives, never pids.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Run {
    /// Whose life.
    pub service: ServiceName,
    /// Which one.
    pub number: u64,
}

impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{}", self.service, self.number)
    }
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Exit {
    /// It exited with this code.
    Code(i32),
    /// This signal ended it.
    Signal(i32),
    /// It is gone, and the kernel could not tell us how.
    Unknown,
}

impl Exit {
    /// Whether it ended by itself and well.
    #[must_use]
    pub fn success(self) -> bool {
        self == Exit::Code(0)
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Exit::Code(code) => write!(f, "exit code {code}"),
            Exit::Signal(signal) => write!(f, "{}", signal_name(*signal)),
            Exit::Unknown => write!(f, "unknown exit status"),
        }
    }
}

/// The names of signals 1 to 31 on Linux, without `SIG`.
pub const SIGNAL_NAMES: [&str; 31] = [
    "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2", "PIPE",
    "ALRM", "TERM", "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG", "XCPU", "XFSZ",
    "VTALRM", "PROF", "WINCH", "IO", "PWR", "SYS",
];

/// `SIGTERM` for 15, `signal 99` for one without a name.
#[must_use]
pub fn signal_name(number: i32) -> String {
    match usize::try_from(number - 1)
        .ok()
        .and_then(|index| SIGNAL_NAMES.get(index))
    {
        Some(name) => format!("SIG{name}"),
        None => format!("signal {number}"),
    }
}
