//! A hole in one symbol's trades: what is missing since when, and what is known around it. Pure.

use std::collections::HashSet;
use std::time::SystemTime;

use jiff::Timestamp;

use crate::hub::recent::Key;

/// Live trades of one symbol that are remembered while a hole is filled: more cannot be what it fetches.
const MOST_REMEMBERED: usize = 1_000_000;

/// A hole that is to be filled now.
#[derive(Clone, Debug)]
pub struct Hole {
    /// Whose.
    pub symbol: String,
    /// Since when, as `gap` tells it.
    pub since: String,
    /// The same by the market's clock, a little earlier.
    pub start: SystemTime,
    /// What is made later comes live.
    pub end: SystemTime,
    /// Tells it from others of its symbol.
    pub(super) number: u64,
}

/// A hole that is still open: nothing comes yet.
#[derive(Debug)]
pub(super) struct Lost {
    pub(super) since: String,
    pub(super) start: SystemTime,
    /// What came shortly before, or comes while the symbol is being subscribed anew.
    known: HashSet<Key>,
    /// Whatever was made before then had come, or belongs to an earlier hole.
    old_before: Option<Timestamp>,
}

/// A hole that is being filled, or waits for that.
#[derive(Debug)]
pub(super) struct Filling {
    number: u64,
    lost: Lost,
    began: Option<Timestamp>,
    end: Option<Timestamp>,
    /// Its trades are being fetched.
    pub(super) is_fetched: bool,
    /// When the first trade was made that came live again.
    first_live: Option<Timestamp>,
    /// What was fetched reaches up to here.
    reached: Option<Timestamp>,
    /// What was fetched has met what came live.
    has_met: bool,
}

impl Lost {
    pub(super) fn new(
        since: String,
        start: SystemTime,
        known: HashSet<Key>,
        old_before: Option<Timestamp>,
    ) -> Self {
        Self {
            since,
            start,
            known,
            old_before,
        }
    }

    /// This one came by itself.
    pub(super) fn note(&mut self, key: Key) {
        if self.known.len() < MOST_REMEMBERED {
            self.known.insert(key);
        }
    }

    /// Filled from now on, by the market's clock, up to `end`.
    pub(super) fn fill(self, number: u64, now: SystemTime, end: SystemTime) -> Filling {
        Filling {
            number,
            lost: self,
            began: Timestamp::try_from(now).ok(),
            end: Timestamp::try_from(end).ok(),
            is_fetched: false,
            first_live: None,
            reached: None,
            has_met: false,
        }
    }
}

impl Filling {
    pub(super) fn is(&self, hole: &Hole) -> bool {
        self.number == hole.number
    }

    /// Since when something is missing, as `gap` tells it.
    pub(super) fn since(&self) -> &str {
        &self.lost.since
    }

    /// A live trade came; what is made after the end cannot be fetched as well.
    pub(super) fn note_live(&mut self, key: Key, at: Option<Timestamp>) {
        if self.end.is_some_and(|end| at.is_some_and(|at| at > end)) {
            return;
        }
        self.lost.note(key);
        self.first_live = match (self.first_live, at) {
            (Some(first), Some(at)) => Some(first.min(at)),
            (first, at) => first.or(at),
        };
    }

    /// A live trade turned out to be fetched already: no hole is left between the two.
    pub(super) fn meet(&mut self) {
        self.has_met = true;
    }

    /// Whether a fetched trade is one that has not come.
    pub(super) fn is_missing(&mut self, key: Key, at: Option<Timestamp>) -> bool {
        self.reached = self.reached.max(at);
        let is_old = self
            .lost
            .old_before
            .is_some_and(|old| at.is_some_and(|at| at < old));
        !is_old && !self.lost.known.contains(&key)
    }

    /// Whether something may be missing between what was fetched and what came live; then what is left
    /// of the hole. The server of past trades may be behind the stream.
    pub(super) fn rest(&self, hole: &Hole, margin: std::time::Duration) -> Option<Hole> {
        let first = self.first_live.filter(|_| !self.has_met)?;
        if self.reached.is_some_and(|reached| reached >= first) {
            return None;
        }
        let start = self.reached.map(|reached| SystemTime::from(reached) - margin);
        Some(Hole {
            start: start.map_or(hole.start, |start| start.max(hole.start)),
            ..hole.clone()
        })
    }

    /// The earliest of: when its symbol was confirmed, when the first trade was made that came after that,
    /// and what was fetched. What is older by a margin cannot come live any more, nor be fetched again.
    pub(super) fn overlap(&self) -> Option<Timestamp> {
        let known = [self.began, self.first_live, self.reached];
        known.into_iter().flatten().min()
    }
}
