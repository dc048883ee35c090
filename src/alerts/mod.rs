//! Alerts: what is worth waking somebody for, told once, together, not too often, and told again when it is over.
//!
//! ```text
//! Fact ──> Desk (PURE: raises, groups, limits, recovers) ──> Message ──> spool ──> `sentinel alert-deliver`
//! ```
//! This module holds the vocabulary (what `[alerts]` declares), the decisions and the words. It delivers
//! nothing: that is a process of its own (`deliver`), so that neither TLS nor a slow network is ever inside the
//! supervisor.

mod desk;
mod message;
mod rules;
mod spool;
#[cfg(test)]
mod test;

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use desk::{At, Desk, Memory, Open};
pub use message::{Message, State, Told};
pub use spool::Spool;

/// What `[alerts]` declares.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Where alerts go; without one there are none.
    pub targets: Vec<Target>,
    /// How long after the first of several alerts the message leaves. Default 5 s.
    pub group: Duration,
    /// The most messages an hour to one target. Default 20.
    pub per_hour: u32,
    /// How long after the last word about what is still wrong it is told again; none: never. Default 4 h.
    pub repeat: Option<Duration>,
    /// How long a probe must fail before that alone is an alert. Default 30 s.
    pub unhealthy_for: Duration,
    /// More restarts than this within [`Settings::flapping_within`] are flapping. Default 3.
    pub flapping: u32,
    /// Default 10 min.
    pub flapping_within: Duration,
    /// Silence of a stream that its health detail tells of. Default 2 min.
    pub silence: Duration,
    /// Below this much room on the disk of the logs.
    pub disk_free: DiskFree,
    /// From one failed delivery to the next try, doubling from here. Default 1 s.
    pub retry: Duration,
    /// The longest pause between two tries. Default 5 min.
    pub retry_max: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            targets: Vec::new(),
            group: Duration::from_secs(5),
            per_hour: 20,
            repeat: Some(Duration::from_secs(4 * 3600)),
            unhealthy_for: Duration::from_secs(30),
            flapping: 3,
            flapping_within: Duration::from_secs(600),
            silence: Duration::from_secs(120),
            disk_free: DiskFree::Percent(5),
            retry: Duration::from_secs(1),
            retry_max: Duration::from_secs(300),
        }
    }
}

/// How much room is too little.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiskFree {
    /// Of the whole disk.
    Percent(u32),
    /// In bytes.
    Bytes(u64),
}

/// Where alerts go.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Target {
    /// Its name, for people.
    pub name: String,
    /// How it is reached.
    pub way: Way,
    /// The kinds that it wants; all if empty.
    pub kinds: Vec<Kind>,
}

/// How a target is reached.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Way {
    /// Program and arguments, JSON on its standard input.
    Command(Vec<String>),
    /// A POST of JSON to this url, which may hold a secret: never print it.
    Webhook {
        /// http or https.
        url: String,
        /// Only `text`, as Slack and those like it want.
        slack: bool,
        /// More headers, such as an authorization; secret too.
        headers: Vec<(String, String)>,
        /// Certificates (PEM) of authorities that vouch for it, besides the usual ones.
        #[serde(default)]
        ca_file: Option<PathBuf>,
    },
    /// RFC 3164 to a Unix socket, RFC 5424 to `udp://host:port` and `tcp://host:port`.
    Syslog(String),
}

impl Way {
    /// The kind in one word.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Way::Command(_) => "command",
            Way::Webhook { .. } => "webhook",
            Way::Syslog(_) => "syslog",
        }
    }
}

/// A webhook's url and headers, and a command's arguments, may be secrets.
impl fmt::Debug for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// What an alert is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A service was given up.
    Fatal,
    /// A service's probe fails, or it was restarted because of that.
    Unhealthy,
    /// A service was restarted too often in a short time.
    Flapping,
    /// A stream that should speak is silent.
    Silence,
    /// A stranger holds an assigned port.
    Port,
    /// Too little room for logs, or none.
    Disk,
    /// A schedule was not run when it was due.
    Schedule,
    /// A service uses too much memory, or was killed for it.
    Memory,
    /// The supervisor before this one died.
    Supervisor,
}

impl Kind {
    /// All of them.
    pub const ALL: [Kind; 9] = [
        Kind::Fatal,
        Kind::Unhealthy,
        Kind::Flapping,
        Kind::Silence,
        Kind::Port,
        Kind::Disk,
        Kind::Schedule,
        Kind::Memory,
        Kind::Supervisor,
    ];

    /// The words of `kinds` in services.toml, in the order of [`Kind::ALL`].
    pub const WORDS: [&'static str; 9] = [
        "fatal",
        "unhealthy",
        "flapping",
        "silence",
        "port",
        "disk",
        "schedule",
        "memory",
        "supervisor",
    ];

    /// The word.
    #[must_use]
    pub fn word(self) -> &'static str {
        let index = Self::ALL.iter().position(|kind| *kind == self);
        index.map_or("other", |index| Self::WORDS[index])
    }

    /// The kind of this word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        let index = Self::WORDS.iter().position(|known| *known == word)?;
        Some(Self::ALL[index])
    }
}
