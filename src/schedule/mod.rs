//! What is to be done when, by the clock: `[schedules.NAME]`. Pure: the time is an argument, and what is due an
//! answer.
//!
//! ```text
//! cron, zone ── occurrence ──> the next time ─┐
//!                                             planner ──> due now, missed, next deadline
//! what was dealt with already (the diary) ────┘
//! ```
//! `market` says whether a condition such as `market_open` holds.

mod cron;
mod market;
mod occurrence;
mod planner;
#[cfg(test)]
mod test;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

pub use cron::{Cron, Wrong};
use jiff::Timestamp;
use jiff::tz::TimeZone;
pub use market::{Condition, Market, Phase, WORDS};
pub use planner::{Due, Planner};

/// Names, to whatever a schedule runs, the schedule.
pub const SCHEDULE: &str = "SENTINEL_SCHEDULE";

/// One schedule, valid and complete.
#[derive(Clone, Debug, PartialEq)]
pub struct Schedule {
    /// Its name.
    pub name: String,
    /// When it is due.
    pub cron: Cron,
    /// Whose clock counts.
    pub zone: TimeZone,
    /// What is done.
    pub deed: Deed,
    /// When it is not done though it is due.
    pub condition: Option<Condition>,
    /// What becomes of a time at which nobody was there: done as soon as somebody is, if that is within this time.
    pub missed_within: Option<Duration>,
    /// Each run is put off by up to this much, so that not all hosts act at once.
    pub spread: Duration,
}

/// What a schedule does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Deed {
    /// The words of a `sentinel` command, such as `restart trade_stream`.
    Sentinel(Vec<String>),
    /// A program.
    Program {
        /// The program and its arguments.
        command: Vec<String>,
        /// Its whole environment. May hold secrets.
        env: BTreeMap<String, String>,
    },
}

impl Deed {
    /// In one line, as a person would type it.
    #[must_use]
    pub fn words(&self) -> String {
        let (Deed::Sentinel(words) | Deed::Program { command: words, .. }) = self;
        words.join(" ")
    }
}

impl Schedule {
    /// When it is due after this instant, the delay of `spread` included.
    #[must_use]
    pub fn next(&self, after: Timestamp, host: u64) -> Option<Timestamp> {
        let due = self.cron.next(after, &self.zone)?;
        Some(due + self.delay(due, host))
    }

    /// How long a run is put off: the same for the same host, schedule and time, so that a supervisor that
    /// is replaced meanwhile comes to the same answer. FNV-1a (Fowler, Noll, Vo).
    fn delay(&self, due: Timestamp, host: u64) -> Duration {
        let bytes = self.name.bytes().chain(due.as_second().to_le_bytes());
        let hash = bytes
            .chain(host.to_le_bytes())
            .fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
                (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
            });
        let spread = u64::try_from(self.spread.as_millis()).unwrap_or(u64::MAX);
        // The upper bits are the better mixed.
        Duration::from_millis((hash >> 16).checked_rem(spread.saturating_add(1)).unwrap_or(0))
    }
}

/// The schedules of a house.
pub type Schedules = Vec<Arc<Schedule>>;
