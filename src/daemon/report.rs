//! What the supervisor tells of its services: the machine's snapshot, joined with pids, times and health.

use std::time::Duration;

use crate::api::{self, Health, HealthStatus, LastExit, Service, State};
use crate::probe::{Checked, HopAnswer};
use crate::service::{Exit, signal_name};
use crate::supervisor::{Entry, Shown};

use super::clock::Clock;
use super::output::tally::Tally;
use super::usage::Used;

/// What the shell knows of one service and the machine does not.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// The leader's pid.
    pub pid: Option<i32>,
    /// Why it is not as wanted.
    pub reason: Option<String>,
    /// Its last run was ended by the kernel's OOM killer.
    pub oom: bool,
    /// Seconds since the run was spawned.
    pub uptime_s: Option<f64>,
    /// What the leader uses.
    pub used: Option<Used>,
    /// The last answer of its health probe.
    pub health: Option<Checked>,
    /// What became of its output.
    pub log: Tally,
    /// What it says of itself.
    pub status_text: Option<String>,
    /// It reads its configuration again.
    pub reloading: bool,
    /// What all its processes use, in bytes.
    pub tree_memory: Option<u64>,
}

/// One service as the API shows it.
#[must_use]
pub fn service(entry: &Entry, seen: Seen, clock: &Clock) -> Service {
    Service {
        name: entry.spec.name.to_string(),
        group: entry.spec.group.clone(),
        state: state(entry.shown),
        pid: seen.pid,
        uptime_s: seen.uptime_s.map(milliseconds),
        restarts: entry.restarts,
        last_exit: entry.last_exit.map(|(exit, at)| LastExit {
            oom: seen.oom,
            ..last_exit(entry, exit, clock.rfc3339(at))
        }),
        reason: reason(entry, seen.reason, clock),
        last_cause: entry.last_cause.clone(),
        retry_in_s: entry
            .retry_at
            .map(|at| milliseconds((at - clock.now()).as_secs_f64())),
        cpu_percent: seen.used.map(|used| used.cpu_percent),
        memory_bytes: seen.used.map(|used| used.memory_bytes),
        ports: entry.spec.ports.clone(),
        health: health(entry, seen.health),
        run: entry.run,
        wanted: entry.wanted,
        autostart: entry.spec.autostart,
        log_loss: seen.log.loss(),
        errors: errors(&seen.log),
        log: log(&seen.log),
        status_text: seen.status_text,
        reloading: seen.reloading,
        tree_memory_bytes: seen.tree_memory,
    }
}

/// What the machine says, and when it will be tried again.
fn reason(entry: &Entry, reason: Option<String>, clock: &Clock) -> Option<String> {
    let reason = reason?;
    Some(match entry.retry_at {
        Some(at) => format!("{reason}; tries again in {}", in_words(at - clock.now())),
        None => reason,
    })
}

/// supervisord's word.
#[must_use]
pub fn state(shown: Shown) -> State {
    match shown {
        Shown::Stopped => State::Stopped,
        Shown::Starting => State::Starting,
        Shown::Running => State::Running,
        Shown::Backoff => State::Backoff,
        Shown::Stopping => State::Stopping,
        Shown::Exited => State::Exited,
        Shown::Fatal => State::Fatal,
    }
}

/// The error lines of the run that is, or was last.
fn errors(tally: &Tally) -> api::Errors {
    let last = tally.errors.last.as_ref();
    api::Errors {
        count: tally.errors.count,
        last: last.map(|(text, _)| text.clone()),
        at: last
            .and_then(|(_, at)| jiff::Timestamp::from_microsecond(*at).ok())
            .map(|at| format!("{at:.6}")),
    }
}

fn log(tally: &Tally) -> api::Log {
    api::Log {
        written_bytes: tally.written,
        lost_bytes: tally.lost_bytes,
        lost_lines: tally.lost_lines,
    }
}

fn last_exit(entry: &Entry, exit: Exit, at: String) -> LastExit {
    let (code, signal) = match exit {
        Exit::Code(code) => (Some(code), None),
        Exit::Signal(signal) => (None, Some(signal_name(signal))),
        Exit::Unknown => (None, None),
    };
    LastExit {
        code,
        signal,
        at,
        expected: entry.spec.is_success(exit),
        oom: false,
    }
}

/// The verdict of one answer, in a word.
#[must_use]
pub fn verdict(good: bool) -> HealthStatus {
    if good {
        HealthStatus::Healthy
    } else {
        HealthStatus::Unhealthy
    }
}

fn health(entry: &Entry, answer: Option<Checked>) -> Health {
    let Some(declared) = &entry.spec.health else {
        return Health::unasked(HealthStatus::None, None);
    };
    let kind = Some(declared.probe.kind());
    let status = match (entry.shown, &answer) {
        (Shown::Starting, _) | (Shown::Running, None) => HealthStatus::Starting,
        (Shown::Running, Some(checked)) => verdict(checked.is_good()),
        (Shown::Stopped | Shown::Backoff | Shown::Stopping | Shown::Exited | Shown::Fatal, _) => {
            HealthStatus::Unknown
        }
    };
    let asked = matches!(status, HealthStatus::Healthy | HealthStatus::Unhealthy);
    let Some(checked) = answer.filter(|_| asked) else {
        return Health::unasked(status, kind);
    };
    api::Health {
        latency_ms: Some(milliseconds(checked.answer.latency.as_secs_f64() * 1e3)),
        detail: checked.detail().cloned(),
        hops: checked.hops.iter().map(hop).collect(),
        error: checked.error,
        ..Health::unasked(status, kind)
    }
}

fn hop(hop: &HopAnswer) -> api::Hop {
    api::Hop {
        name: hop.name.clone(),
        kind: hop.kind.into(),
        status: verdict(hop.answer.is_good()),
        latency_ms: milliseconds(hop.answer.latency.as_secs_f64() * 1e3),
        error: hop.answer.outcome.as_ref().err().map(ToString::to_string),
    }
}

/// `4m 12s`, `0.4 s`: how long until something happens by itself.
fn in_words(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0..10 => format!("{:.1} s", time.as_secs_f64()),
        10..60 => format!("{seconds} s"),
        60..3600 => format!("{}m {}s", seconds / 60, seconds % 60),
        _ => format!("{}h {}m", seconds / 3600, seconds / 60 % 60),
    }
}

/// Seconds to the millisecond: more would be noise.
#[must_use]
pub fn milliseconds(seconds: f64) -> f64 {
    (seconds * 1e3).round() / 1e3
}
