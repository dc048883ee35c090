//! PURE: what a fact means for alerts: something is wrong, or no more.

use super::Kind;
use crate::api::{Cause, Fact, What};

/// What a fact says about one kind of trouble of one subject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Sign {
    /// It is wrong: tell it.
    Raise(Kind, String),
    /// It is wrong, and worth telling if it stays so.
    Suspect(Kind, String),
    /// It is no more.
    Clear(Kind),
    /// It happened, and is not the kind of thing that ends.
    Once(Kind, String),
    /// It was restarted though nobody asked.
    Restarted,
}

/// The signs in a fact. The subject is its service, or the house.
pub(super) fn signs(fact: &Fact) -> Vec<Sign> {
    let words = || fact.detail.clone().unwrap_or_default();
    match fact.what {
        What::GivenUp => vec![Sign::Raise(Kind::Fatal, words())],
        // With a count: it is past its `failures`, and left as it is.
        What::Unhealthy if fact.detail.is_some() => vec![Sign::Raise(Kind::Unhealthy, cause_words(fact))],
        What::Unhealthy => vec![Sign::Suspect(Kind::Unhealthy, cause_words(fact))],
        What::Healthy => vec![Sign::Clear(Kind::Unhealthy)],
        What::Silent => vec![Sign::Raise(Kind::Silence, words())],
        What::Heard => vec![Sign::Clear(Kind::Silence)],
        What::Flapping => vec![Sign::Raise(Kind::Flapping, words())],
        What::Steady => vec![Sign::Clear(Kind::Flapping)],
        What::Stopped => cared_for(),
        What::Ready => vec![Sign::Clear(Kind::Fatal), Sign::Clear(Kind::Port)],
        What::PortTaken => vec![Sign::Raise(Kind::Port, words())],
        What::PortFree => vec![Sign::Clear(Kind::Port)],
        What::DiskLow => vec![Sign::Raise(Kind::Disk, words())],
        What::DiskFine => vec![Sign::Clear(Kind::Disk)],
        What::Missed => vec![Sign::Once(Kind::Schedule, missed(fact))],
        What::MemoryHigh => vec![Sign::Raise(Kind::Memory, words())],
        What::MemoryFine => vec![Sign::Clear(Kind::Memory)],
        What::Died => vec![Sign::Once(Kind::Supervisor, words())],
        What::Exited => exited(fact),
        What::Started => started(fact),
        What::Stopping => stopping(fact),
        What::Began | What::Left | What::Adopted | What::Ended | What::NotStarted | What::Killed => {
            Vec::new()
        }
        What::Command | What::Refused | What::Reloaded | What::Upgraded | What::Scheduled | What::Flushed => {
            Vec::new()
        }
        What::Lost | What::AlertLost | What::Other => Vec::new(),
    }
}

/// Which schedule it was, too: the subject is the house.
fn missed(fact: &Fact) -> String {
    let words = fact.detail.as_deref().unwrap_or_default();
    match &fact.cause {
        Some(Cause::Schedule { name }) => format!("{name}: {words}"),
        _ => words.to_owned(),
    }
}

fn cause_words(fact: &Fact) -> String {
    match &fact.cause {
        Some(Cause::Health { words } | Cause::Memory { words }) => words.clone(),
        _ => fact.detail.clone().unwrap_or_default(),
    }
}

fn exited(fact: &Fact) -> Vec<Sign> {
    let oom = fact.exit.as_ref().and_then(|exit| exit.oom);
    // A run that is over uses no memory and is not silent; whether it comes back is another alert's business.
    let mut signs = vec![Sign::Clear(Kind::Silence)];
    if oom.is_some() {
        signs.push(Sign::Once(
            Kind::Memory,
            "ended by the kernel's OOM killer".into(),
        ));
    }
    signs
}

fn started(fact: &Fact) -> Vec<Sign> {
    match &fact.cause {
        Some(
            Cause::Exit { .. }
            | Cause::Health { .. }
            | Cause::NotReady { .. }
            | Cause::NotStarted { .. }
            | Cause::Memory { .. },
        ) => vec![Sign::Restarted],
        _ => Vec::new(),
    }
}

fn stopping(fact: &Fact) -> Vec<Sign> {
    match &fact.cause {
        Some(Cause::Health { words }) => {
            vec![Sign::Raise(Kind::Unhealthy, format!("{words}; it is restarted"))]
        }
        Some(Cause::Memory { words }) => vec![Sign::Raise(Kind::Memory, words.clone())],
        Some(Cause::Operator { .. } | Cause::Schedule { .. } | Cause::Reload) => cared_for(),
        _ => Vec::new(),
    }
}

/// Somebody took it down: whatever was wrong with it is so no more.
fn cared_for() -> Vec<Sign> {
    let over = [
        Kind::Fatal,
        Kind::Unhealthy,
        Kind::Flapping,
        Kind::Silence,
        Kind::Port,
        Kind::Memory,
    ];
    over.into_iter().map(Sign::Clear).collect()
}
