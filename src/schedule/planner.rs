//! What is due now, what was missed, and when to look again.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::{Schedule, Schedules};

/// A run that begins this much later than it should is on time: hosts are busy.
const GRACE: SignedDuration = SignedDuration::from_secs(60);

/// A clock that goes back by more than this was wrong before; less is a correction, and repeats nothing.
const SET_BACK: SignedDuration = SignedDuration::from_hours(3);

/// More missed times than this are not counted one by one.
const COUNTED: usize = 1000;

/// Something to be done about a schedule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Due {
    /// It is to run.
    Run {
        /// Whose.
        name: String,
        /// The time that it was due.
        at: Timestamp,
        /// It is made up for: nobody was there then.
        late: bool,
    },
    /// Nobody was there, and it is not made up for.
    Missed {
        /// Whose.
        name: String,
        /// The last time that was missed.
        at: Timestamp,
        /// How many times were.
        count: usize,
    },
}

/// Which times of which schedules have been dealt with.
#[derive(Clone, Debug, Default)]
pub struct Planner {
    host: u64,
    entries: Vec<Entry>,
}

#[derive(Clone, Debug)]
struct Entry {
    schedule: Arc<Schedule>,
    /// Everything due up to then has been dealt with.
    seen: Timestamp,
}

impl Planner {
    /// Of these schedules; `seen` says how far an earlier supervisor got with each. `host` is what tells this
    /// host from others.
    #[must_use]
    pub fn new(schedules: &Schedules, seen: &BTreeMap<String, Timestamp>, now: Timestamp, host: u64) -> Self {
        let entry = |schedule: &Arc<Schedule>| Entry {
            schedule: schedule.clone(),
            seen: seen.get(&schedule.name).copied().unwrap_or(now),
        };
        Self {
            host,
            entries: schedules.iter().map(entry).collect(),
        }
    }

    /// Takes in other schedules. One that is due at other times than before begins now.
    pub fn replace(&mut self, schedules: &Schedules, now: Timestamp) {
        let old = std::mem::take(&mut self.entries);
        for schedule in schedules {
            let same = |entry: &&Entry| {
                let earlier = &entry.schedule;
                earlier.name == schedule.name
                    && earlier.cron == schedule.cron
                    && earlier.zone == schedule.zone
            };
            self.entries.push(Entry {
                schedule: schedule.clone(),
                seen: old.iter().find(same).map_or(now, |entry| entry.seen),
            });
        }
    }

    /// The schedule of this name.
    #[must_use]
    pub fn schedule(&self, name: &str) -> Option<&Arc<Schedule>> {
        let found = self.entries.iter().find(|entry| entry.schedule.name == name);
        found.map(|entry| &entry.schedule)
    }

    /// How far each schedule has been dealt with.
    pub fn seen(&self) -> impl Iterator<Item = (&str, Timestamp)> {
        self.entries
            .iter()
            .map(|entry| (entry.schedule.name.as_str(), entry.seen))
    }

    /// When each schedule is due next.
    pub fn next_of_each(&self) -> impl Iterator<Item = (&Arc<Schedule>, Option<Timestamp>)> {
        self.entries
            .iter()
            .map(|entry| (&entry.schedule, entry.schedule.next(entry.seen, self.host)))
    }

    /// When to look again; never without schedules.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Timestamp> {
        self.next_of_each().filter_map(|(_, next)| next).min()
    }

    /// What is to be done now. Each time of a schedule is answered once.
    pub fn due(&mut self, now: Timestamp) -> Vec<Due> {
        let host = self.host;
        self.entries
            .iter_mut()
            .flat_map(|entry| entry.due(now, host))
            .collect()
    }
}

impl Entry {
    fn due(&mut self, now: Timestamp, host: u64) -> Vec<Due> {
        if now.duration_since(self.seen) < -SET_BACK {
            self.seen = now;
            return Vec::new();
        }
        let mut times = self.times(now, host);
        let Some(last) = times.pop() else {
            return Vec::new();
        };
        let within = self.schedule.missed_within;
        let late = now.duration_since(last + self.schedule.delay(last, host)) > GRACE;
        let made_up = within.is_some_and(|within| now.duration_since(last).unsigned_abs() <= within);
        let name = || self.schedule.name.clone();
        let run = (!late || made_up).then(|| Due::Run {
            name: name(),
            at: last,
            late,
        });
        // One run makes up for all times before it.
        let missed = match (&run, within) {
            (None, _) => Some((last, times.len() + 1)),
            (Some(_), None) => times.last().map(|at| (*at, times.len())),
            (Some(_), Some(_)) => None,
        };
        let missed = missed.map(|(at, count)| Due::Missed {
            name: name(),
            at,
            count,
        });
        missed.into_iter().chain(run).collect()
    }

    /// Every time until now that was not dealt with; with that, it is.
    fn times(&mut self, now: Timestamp, host: u64) -> Vec<Timestamp> {
        let mut times = Vec::new();
        while let Some(at) = self.schedule.cron.next(self.seen, &self.schedule.zone) {
            if at + self.schedule.delay(at, host) > now {
                break;
            }
            self.seen = at;
            times.push(at);
            if times.len() == COUNTED {
                // Years of minutes: go on from yesterday.
                self.seen = self.seen.max(now - SignedDuration::from_hours(24));
            }
        }
        times
    }
}
