//! PURE: what a message says, to programs and to people.

use serde::{Deserialize, Serialize};

use super::Kind;

/// One message: one alert, or several that came together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// Tells a repeated delivery from a new message.
    pub id: String,
    /// This host.
    pub host: String,
    /// The folder of services.toml.
    pub house: String,
    /// When it was written, RFC 3339.
    pub at: String,
    /// All of it for a person, as Slack shows it.
    pub text: String,
    /// The alerts.
    pub alerts: Vec<Told>,
}

/// One alert in a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// What it is about.
    pub kind: Kind,
    /// The service, or none: the house.
    pub service: Option<String>,
    /// Whether it is new, still so, or over.
    pub state: State,
    /// What is wrong, in words.
    pub words: String,
    /// How long it has been so, in seconds.
    pub for_s: u64,
}

/// Where an alert stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It is wrong now.
    Firing,
    /// It still is.
    Still,
    /// It is over.
    Resolved,
    /// It happened, and needs no end.
    Happened,
    /// Nothing is wrong: somebody tries the way.
    Test,
}

impl State {
    /// The word, as in the JSON.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            State::Firing => "firing",
            State::Still => "still",
            State::Resolved => "resolved",
            State::Happened => "happened",
            State::Test => "test",
        }
    }
}

impl Told {
    /// `web: FATAL: given up after 5 failed runs`, one line.
    #[must_use]
    pub fn line(&self) -> String {
        let who = self.service.as_deref().unwrap_or("this host");
        let what = match self.kind {
            Kind::Fatal => "FATAL",
            Kind::Unhealthy => "unhealthy",
            Kind::Flapping => "flapping",
            Kind::Silence => "silent",
            Kind::Port => "its port is taken",
            Kind::Disk => "disk",
            Kind::Schedule => "missed its schedule",
            Kind::Memory => "memory",
            Kind::Supervisor => "supervisor",
        };
        let long = lasted(self.for_s);
        match self.state {
            State::Firing | State::Happened if self.words.is_empty() => format!("{who}: {what}"),
            State::Firing | State::Happened => format!("{who}: {what}: {}", self.words),
            State::Still => format!("{who}: still {what}, for {long}: {}", self.words),
            State::Resolved => format!("{who}: no longer {what}, after {long}"),
            State::Test => "a test: nothing is wrong".into(),
        }
    }
}

impl Message {
    /// These alerts as one message.
    #[must_use]
    pub fn of(id: String, host: &str, house: &str, at: String, alerts: Vec<Told>) -> Self {
        let text = text(host, &alerts);
        let (host, house) = (host.to_owned(), house.to_owned());
        Self {
            id,
            host,
            house,
            at,
            text,
            alerts,
        }
    }
}

/// The most lines that a person is shown of one message; programs get all.
const LINES: usize = 30;

/// The text of a message.
fn text(host: &str, alerts: &[Told]) -> String {
    let lines: Vec<String> = alerts.iter().map(Told::line).collect();
    match lines.as_slice() {
        [line] => format!("sentinel on {host}: {line}"),
        lines => {
            let shown = &lines[..lines.len().min(LINES)];
            let more = match lines.len() - shown.len() {
                0 => String::new(),
                more => format!("\n- and {more} more"),
            };
            format!(
                "sentinel on {host}: {} alerts\n- {}{more}",
                lines.len(),
                shown.join("\n- ")
            )
        }
    }
}

/// `40 s`, `12 min`, `3 h 20 min`.
fn lasted(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min", seconds / 60),
        _ => format!("{} h {} min", seconds / 3600, seconds / 60 % 60),
    }
}
