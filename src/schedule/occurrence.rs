//! When a schedule is due next: the wall clock of a zone, with its days of 23 and 25 hours.
//!
//! The rule, as vixie-cron has it. Named hours (`30 2 * * *`) happen once for each day: a time that the clocks
//! skip happens when they jump, and one that comes twice happens the first time. Hours of `*` (`*/15 * * * *`)
//! follow elapsed time: nothing is skipped, and the hour that comes twice has its runs twice.

use jiff::civil::{Date, DateTime};
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{SignedDuration, Timestamp};

use super::cron::Cron;

/// The 29th of February comes at least every eight years, and on a given weekday every forty.
const LONGEST_DAYS: usize = 366 * 41;

impl Cron {
    /// The first time after this instant; none when it never comes.
    #[must_use]
    pub fn next(&self, after: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        if self.rolling {
            self.next_rolling(after, zone)
        } else {
            self.next_named(after, zone)
        }
    }

    fn next_named(&self, after: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        // A day earlier: what the clocks skip may happen on the day after its own.
        let first = zone.to_datetime(after).date().yesterday().ok()?;
        std::iter::successors(Some(first), |date| date.tomorrow().ok())
            .take(LONGEST_DAYS)
            .filter(|date| self.has_date(*date))
            .flat_map(|date| self.times(date))
            .find_map(|time| instant(time, zone).filter(|instant| *instant > after))
    }

    fn times(&self, date: Date) -> impl Iterator<Item = DateTime> {
        let minutes = values(self.minutes, 59);
        values(self.hours, 23).into_iter().flat_map(move |hour| {
            minutes
                .clone()
                .into_iter()
                .map(move |minute| date.at(hour, minute, 0, 0))
        })
    }

    fn next_rolling(&self, after: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        let minute = SignedDuration::from_mins(1);
        let mut at = Timestamp::from_second(after.as_second().div_euclid(60) * 60).ok()? + minute;
        for _ in 0..LONGEST_DAYS * 2 {
            let local = zone.to_datetime(at);
            let has = |set: u64, value: i8| u32::try_from(value).is_ok_and(|value| set >> value & 1 == 1);
            if !self.has_date(local.date()) {
                at = instant(local.date().tomorrow().ok()?.at(0, 0, 0, 0), zone)?;
            } else if !has(self.hours, local.hour()) {
                at += minute * i32::from(60 - local.minute());
            } else if has(self.minutes, local.minute()) {
                return Some(at);
            } else {
                let later = (local.minute() + 1..60).find(|minute| has(self.minutes, *minute));
                at += minute * i32::from(later.unwrap_or(60) - local.minute());
            }
        }
        None
    }
}

fn values(set: u64, most: i8) -> Vec<i8> {
    (0..=most)
        .filter(|value| u32::try_from(*value).is_ok_and(|value| set >> value & 1 == 1))
        .collect()
}

/// When the clocks of a zone first show this; when they jump over it, if they never do.
fn instant(time: DateTime, zone: &TimeZone) -> Option<Timestamp> {
    let ambiguous = zone.to_ambiguous_timestamp(time);
    match ambiguous.offset() {
        AmbiguousOffset::Unambiguous { .. } => ambiguous.unambiguous().ok(),
        AmbiguousOffset::Fold { .. } => ambiguous.earlier().ok(),
        AmbiguousOffset::Gap { .. } => {
            // Read with the later offset it lies before the jump.
            let before = ambiguous.earlier().ok()?;
            zone.following(before).next().map(|jump| jump.timestamp())
        }
    }
}
