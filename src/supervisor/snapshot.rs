//! What the machine shows of itself: one entry a service, in words for people.

use std::sync::Arc;

use super::Supervisor;
use super::moment::Moment;
use super::unit::{Cause, Goal, State, Stopped, Unit};
use crate::service::{Exit, ServiceName, Spec};

/// supervisord's words for a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Shown {
    /// Not running: never started, stopped, or waiting for another service.
    Stopped,
    /// Spawned, not ready.
    Starting,
    /// Ready.
    Running,
    /// Waits after a failure.
    Backoff,
    /// On its way down.
    Stopping,
    /// Ended by itself and left alone.
    Exited,
    /// Given up.
    Fatal,
}

/// Why the present run is on its way down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TakenDown {
    /// Somebody asked for it.
    Asked,
    /// For a new run: why, which is not that it failed.
    Replaced(String),
    /// Its first process ended by itself.
    Ended,
    /// Its health probe failed too often: its words.
    Unhealthy(String),
    /// It missed its watchdog.
    Watchdog(String),
    /// Its memory stayed over what it may use.
    Memory(String),
    /// It was not ready in time.
    Fault(String),
}

/// One service, as others may see it.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// Its declaration.
    pub spec: Arc<Spec>,
    /// Whether it should run.
    pub wanted: bool,
    /// What it is doing.
    pub shown: Shown,
    /// One sentence, whenever the state is not the wanted one.
    pub reason: Option<String>,
    /// The number of the present or last run; 0 before the first.
    pub run: u64,
    /// Whether that run has, or may have, processes.
    pub live: bool,
    /// Runs that followed an end that nobody asked for.
    pub restarts: u64,
    /// Failed runs in a row.
    pub failures: u32,
    /// How the last run ended, and when.
    pub last_exit: Option<(Exit, Moment)>,
    /// Why the last run ended, for people.
    pub last_cause: Option<String>,
    /// When it is tried again by itself, if it waits for that.
    pub retry_at: Option<Moment>,
}

impl Supervisor {
    /// All services, in dependency order.
    #[must_use]
    pub fn snapshot(&self) -> Vec<Entry> {
        self.units.iter().map(entry).collect()
    }

    /// One service.
    #[must_use]
    pub fn entry(&self, name: &ServiceName) -> Option<Entry> {
        self.position(name).map(|index| entry(&self.units[index]))
    }
}

impl Supervisor {
    /// Why this service's present run is on its way down; none while it is not.
    #[must_use]
    pub fn taken_down(&self, name: &ServiceName) -> Option<TakenDown> {
        let (State::Stopping { cause, .. } | State::Killing { cause, .. }) =
            &self.units[self.position(name)?].state
        else {
            return None;
        };
        Some(match cause {
            Cause::Asked => TakenDown::Asked,
            Cause::Ended => TakenDown::Ended,
            Cause::Fault(why) => fault(why),
            Cause::Replaced(why) => TakenDown::Replaced(why.clone()),
        })
    }
}

/// How the reason of a run begins that its health probe brought down.
pub(super) const UNHEALTHY: &str = "unhealthy: ";
/// The same for its watchdog.
pub(super) const WATCHDOG: &str = "watchdog: ";
/// The same for its memory.
pub(super) const MEMORY: &str = "memory: ";

fn fault(why: &str) -> TakenDown {
    let after = |beginning| why.strip_prefix(beginning).map(str::to_owned);
    after(UNHEALTHY)
        .map(TakenDown::Unhealthy)
        .or_else(|| after(WATCHDOG).map(TakenDown::Watchdog))
        .or_else(|| after(MEMORY).map(TakenDown::Memory))
        .unwrap_or_else(|| TakenDown::Fault(why.to_owned()))
}

/// What a unit shows of itself.
pub(super) fn entry(unit: &Unit) -> Entry {
    Entry {
        spec: unit.spec.clone(),
        wanted: unit.goal == Goal::Up,
        shown: shown(unit),
        reason: reason(unit),
        run: unit.next_run - 1,
        live: unit.live_run().is_some(),
        restarts: unit.restarts,
        failures: unit.failures,
        last_exit: unit.last_exit,
        last_cause: unit.last_cause.clone(),
        retry_at: unit.retry_at(),
    }
}

fn shown(unit: &Unit) -> Shown {
    match &unit.state {
        State::Stopped(Stopped::Ended(_)) => Shown::Exited,
        State::Stopped(Stopped::Never | Stopped::Asked) | State::Blocked { .. } => Shown::Stopped,
        State::Failed { .. } => Shown::Fatal,
        State::Waiting { .. } => Shown::Backoff,
        State::Spawning { .. } | State::Starting { .. } | State::Running { .. } if unit.departing() => {
            Shown::Stopping
        }
        State::Running { leaving: Some(_), .. } => Shown::Stopping,
        State::Spawning { .. } | State::Starting { .. } => Shown::Starting,
        State::Running { .. } => Shown::Running,
        State::Stopping { .. } | State::Killing { .. } => Shown::Stopping,
    }
}

fn reason(unit: &Unit) -> Option<String> {
    match &unit.state {
        State::Stopped(Stopped::Never) if !unit.spec.autostart => {
            Some("not started: autostart is false".into())
        }
        State::Stopped(Stopped::Never) => Some("not started".into()),
        State::Stopped(Stopped::Asked) => Some("stopped on request".into()),
        State::Stopped(Stopped::Ended(exit)) => {
            Some(format!("ended with {exit}, and its restart policy leaves it"))
        }
        State::Failed { why, .. } => Some(given_up(unit, why)),
        State::Waiting { why, .. } => Some(format!("failure {} in a row: {why}", unit.failures)),
        State::Blocked { on } => Some(format!("waits for {}", join(on))),
        State::Spawning { .. } if unit.departing() => Some("to be asked to end once it has a process".into()),
        State::Starting { .. } | State::Running { .. } if unit.departing() => {
            Some("waits for what needs it to stop first".into())
        }
        State::Spawning { .. } | State::Starting { why: None, .. } => Some("not ready yet".into()),
        State::Starting { why: Some(why), .. } => Some(format!("not ready yet: {why}")),
        State::Running { leaving: Some(_), .. } => Some("says that it is stopping".into()),
        State::Running { leaving: None, .. } => None,
        State::Stopping { cause, exit, .. } => Some(stopping(cause, *exit)),
        State::Killing {
            survivors: Some(who), ..
        } => Some(format!("sent SIGKILL, still there: {who}")),
        State::Killing { survivors: None, .. } => Some("its grace is over, sent SIGKILL".into()),
    }
}

fn given_up(unit: &Unit, why: &str) -> String {
    match unit.failures {
        0 | 1 if unit.recent.len() > 1 => {
            let window = unit.spec.recovery.window.as_secs_f64();
            let count = unit.recent.len() + 1;
            format!("given up after {count} failed runs within {window} s: {why}")
        }
        0 | 1 => format!("given up: {why}"),
        count => format!("given up after {count} failed runs in a row: {why}"),
    }
}

fn stopping(cause: &Cause, exit: Option<Exit>) -> String {
    match (cause, exit) {
        (Cause::Asked, None) => "asked to end".into(),
        (Cause::Fault(why), None) => format!("taken down: {why}"),
        (Cause::Replaced(why), None) => format!("makes room for a new run: {why}"),
        (Cause::Ended, None) => "ended".into(),
        (Cause::Asked | Cause::Ended | Cause::Fault(_) | Cause::Replaced(_), Some(exit)) => {
            format!("ended with {exit}; whatever it left is being taken down")
        }
    }
}

fn join(names: &[ServiceName]) -> String {
    names
        .iter()
        .map(ServiceName::as_str)
        .collect::<Vec<_>>()
        .join(", ")
}
