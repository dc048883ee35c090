//! The system page as a value: every judgement and sentence on it is made here, for the HTML of
//! the server and for the script that keeps it live.

use serde::Serialize;

use crate::status::{Port, Service, Status};
use crate::stream_view::{self, Figure};
use crate::supervisor::NoAnswer;
use crate::table_view::{self, Plain};
use crate::words::{bytes, duration, latency, list};

/// How much something wants a person's eye. The order is the order on the page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Tone {
    /// Not as wanted.
    Bad,
    /// Works and something is not right, or does not run because a person stopped it.
    Warn,
    /// On the way.
    Busy,
    /// As wanted.
    Good,
    /// Has ended and need not run.
    Idle,
}

/// The whole page.
#[derive(Clone, Debug, Serialize)]
pub struct View {
    /// How things are, by the worst of them.
    pub tone: Tone,
    /// The one sentence to read.
    pub headline: String,
    /// What more there is to say, or what to do.
    pub detail: String,
    /// Trouble first.
    pub services: Vec<Row>,
    /// The stream's dashboard; empty when no service answers as one.
    pub stream: Vec<Figure>,
    /// Who holds the assigned ports.
    pub ports: Vec<Plain>,
    /// What is done by the clock.
    pub schedules: Vec<Plain>,
    /// The supervisor's pid: another one after a restart of the whole.
    pub supervisor: Option<i32>,
}

/// One service.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    /// Its name.
    pub name: String,
    /// How much it wants the eye.
    pub tone: Tone,
    /// Its state's word.
    pub state: String,
    /// Its health in words.
    pub health: String,
    /// Why it is not as wanted.
    pub reason: Option<String>,
    /// For a clock that goes on counting.
    pub uptime_s: Option<f64>,
    /// The same in words.
    pub uptime: String,
    /// Ends that nobody asked for.
    pub restarts: u64,
    /// For the sparkline.
    pub cpu_percent: Option<f64>,
    /// The same in words.
    pub cpu: String,
    /// For the sparkline.
    pub memory_bytes: Option<u64>,
    /// The same in words.
    pub memory: String,
    /// Its ports, and who holds them where that is known.
    pub ports: String,
    /// The leader's pid.
    pub pid: Option<i32>,
    /// Error lines in its log since it was started.
    pub errors: u64,
    /// The last readings of its CPU, oldest first; none where it did not run.
    pub cpu_series: Vec<Option<f64>>,
    /// The same of its memory.
    pub memory_series: Vec<Option<f64>>,
    /// What a restart or stop would cost, for the question before it.
    pub clients: Option<u64>,
}

impl View {
    /// The page of this status, at this time.
    #[must_use]
    pub fn of(status: &Status, now: jiff::Timestamp) -> Self {
        let mut services: Vec<Row> = status
            .services
            .iter()
            .map(|service| row(service, &status.ports))
            .collect();
        let (tone, headline) = headline(&services);
        services.sort_by_key(|row| row.tone);
        let supervisor = &status.supervisor;
        let uptime = supervisor.uptime_s.map(duration).unwrap_or_default();
        let pid = supervisor
            .pid
            .map(|pid| format!(", pid {pid}"))
            .unwrap_or_default();
        Self {
            tone,
            headline,
            detail: format!(
                "Supervisor {}{pid}, up {uptime}, {}",
                supervisor.version, supervisor.config
            ),
            services,
            stream: stream_view::figures(&status.services, now),
            ports: table_view::ports(&status.ports),
            schedules: table_view::schedules(&status.schedules, now),
            supervisor: supervisor.pid,
        }
    }

    /// The page when the supervisor does not answer.
    #[must_use]
    pub fn without(answer: &NoAnswer) -> Self {
        Self {
            tone: Tone::Bad,
            headline: answer.message(),
            detail: answer.help().into(),
            services: Vec::new(),
            stream: Vec::new(),
            ports: Vec::new(),
            schedules: Vec::new(),
            supervisor: None,
        }
    }
}

fn headline(services: &[Row]) -> (Tone, String) {
    let of = |tone| -> Vec<&str> {
        let rows = services.iter().filter(|row: &&Row| row.tone == tone);
        rows.map(|row| row.name.as_str()).collect()
    };
    let (bad, warn, busy, good) = (of(Tone::Bad), of(Tone::Warn), of(Tone::Busy), of(Tone::Good));
    let need = |names: &[&str]| if names.len() == 1 { "needs you" } else { "need you" };
    if !bad.is_empty() {
        return (Tone::Bad, format!("{} {}", list(&bad), need(&bad)));
    }
    if !warn.is_empty() {
        let stopped = services
            .iter()
            .filter(|row| row.tone == Tone::Warn)
            .all(|row| row.state == "STOPPED");
        let is = if warn.len() == 1 { "is" } else { "are" };
        let words = if stopped {
            format!("{is} stopped")
        } else {
            need(&warn).into()
        };
        return (Tone::Warn, format!("{} {words}", list(&warn)));
    }
    if !busy.is_empty() {
        return (Tone::Busy, format!("{} on the way", list(&busy)));
    }
    match good.len() {
        0 => (Tone::Idle, "Nothing is meant to run".into()),
        1 => (Tone::Good, format!("{} runs and is well", good[0])),
        all => (Tone::Good, format!("All {all} services run and are well")),
    }
}

fn row(service: &Service, ports: &[Port]) -> Row {
    Row {
        name: service.name.clone(),
        tone: tone(service),
        state: service.state.clone(),
        health: health(service),
        reason: service.reason.clone().or_else(|| service.log_loss.clone()),
        uptime_s: service.uptime_s,
        uptime: service.uptime_s.map_or("–".into(), duration),
        restarts: service.restarts,
        cpu_percent: service.cpu_percent,
        cpu: service
            .cpu_percent
            .map_or("–".into(), |cpu| format!("{cpu:.1} %")),
        memory_bytes: service.memory_bytes,
        memory: service.memory_bytes.map_or("–".into(), bytes),
        ports: holders(service, ports),
        pid: service.pid,
        errors: service.errors.count,
        cpu_series: Vec::new(),
        memory_series: Vec::new(),
        clients: service.health.detail["total_clients"].as_u64(),
    }
}

fn tone(service: &Service) -> Tone {
    match (service.state.as_str(), service.health.status.as_str()) {
        ("RUNNING", "unhealthy") => Tone::Bad,
        ("RUNNING", _) if service.log_loss.is_some() => Tone::Warn,
        ("RUNNING", "starting") => Tone::Busy,
        ("RUNNING", _) => Tone::Good,
        ("STARTING" | "STOPPING", _) => Tone::Busy,
        ("STOPPED", _) if !service.wanted && !service.autostart => Tone::Idle,
        ("STOPPED", _) if !service.wanted => Tone::Warn,
        ("EXITED", _) if !service.wanted => Tone::Idle,
        _ => Tone::Bad,
    }
}

fn health(service: &Service) -> String {
    let health = &service.health;
    match health.status.as_str() {
        "healthy" => match health.latency_ms {
            Some(ms) => format!("healthy, {}", latency(ms)),
            None => "healthy".into(),
        },
        "unhealthy" => match &health.error {
            Some(error) => format!("unhealthy: {error}"),
            None => "unhealthy".into(),
        },
        "starting" => "not asked yet".into(),
        "none" => "no probe declared".into(),
        _ => "not asked: not running".into(),
    }
}

fn holders(service: &Service, ports: &[Port]) -> String {
    let told = service.ports.iter().map(|number| {
        let looked = ports.iter().find(|port| port.port == *number);
        let Some(port) = looked else {
            return number.to_string();
        };
        match (port.state.as_str(), port.command.as_deref(), port.pid) {
            ("ok", ..) => number.to_string(),
            (state, Some(command), Some(pid)) => format!("{number} ({state}: {command}, pid {pid})"),
            (state, ..) => format!("{number} ({state})"),
        }
    });
    let told: Vec<String> = told.collect();
    if told.is_empty() {
        "–".into()
    } else {
        told.join(", ")
    }
}

#[cfg(test)]
mod tests;
