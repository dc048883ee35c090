//! The last live trades of a symbol, by what tells them apart. Pure, bounded.

use std::collections::{HashSet, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use alpaca::Trade;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::doubles::Doubles;

/// Trades that are remembered at least, and at most, and how often the time of one is.
const AT_LEAST: usize = 1024;
const AT_MOST: usize = 16 * 1024;
const MARK_EVERY: u64 = 128;
/// What a loss may fetch again is remembered, unless that is too much.
const REACH: SignedDuration = SignedDuration::from_secs(3);
/// Of an RFC 3339 time, the date, and all up to a tenth of a second.
const DAY: usize = 10;
const TO_A_TENTH: usize = 21;
/// Less time is not called left out, nor so many times the mean between two trades: bursts and the rests
/// between them are usual.
const SHORTEST: Duration = Duration::from_millis(500);
const BEYOND_CHANCE: u32 = 62;

/// What tells a trade from others of its symbol: its exchange, its id and its day (ids begin anew),
/// as a hash. `DefaultHasher::new` has fixed keys, so that another process of the same build makes
/// the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Key(u64);

impl Key {
    /// The key of this trade. One that has no id is told by all it has.
    pub fn of(trade: &Trade) -> Self {
        let mut hasher = DefaultHasher::new();
        trade.exchange().code().hash(&mut hasher);
        if trade.id() == 0 {
            trade.timestamp().hash(&mut hasher);
            trade.price().hash(&mut hasher);
            trade.size().hash(&mut hasher);
        } else {
            trade.id().hash(&mut hasher);
            trade.timestamp().as_bytes().get(..DAY).hash(&mut hasher);
        }
        Self(hasher.finish())
    }
}

/// When a trade was made; `None` when that is no time.
pub fn made(trade: &Trade) -> Option<Timestamp> {
    trade.timestamp().parse().ok()
}

/// The last live trades of one symbol.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Recent {
    keys: VecDeque<Key>,
    /// How many there have been.
    count: u64,
    /// The number and the time of some, so that it is known how far back the keys reach.
    marks: VecDeque<(u64, String)>,
    /// The time of the last.
    #[serde(default)]
    last: String,
    #[serde(skip)]
    live: Doubles,
}

impl Recent {
    /// One more came.
    pub fn note(&mut self, key: Key, timestamp: &str) {
        self.keys.push_back(key);
        self.last.clear();
        self.last.push_str(timestamp);
        if self.count.is_multiple_of(MARK_EVERY) {
            self.marks.push_back((self.count, timestamp.to_owned()));
            self.forget_old();
        }
        self.count += 1;
    }

    /// Takes note of a live trade, unless it came a moment ago: then false. Two that have no id are
    /// never the same: equal trades at the same time are usual.
    pub fn note_live(&mut self, trade: &Trade, key: Key) -> bool {
        let is_new = trade.id() == 0 || self.live.is_first((key.0, trade.timestamp()));
        if is_new {
            self.note(key, trade.timestamp());
        }
        is_new
    }

    /// How many there have been.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Whether it is time to look at what depends on these.
    pub fn is_at_mark(&self) -> bool {
        self.count % MARK_EVERY == 1
    }

    /// When the last one was made.
    pub fn last(&self) -> Option<Timestamp> {
        self.last.parse().ok()
    }

    /// How much time lies between the last one and this, if that is far more than between those before
    /// it: trades of that time may be missing, however they arrive. Costs a comparison of a few bytes
    /// but ten times a second.
    pub fn left_out(&self, timestamp: &str) -> Option<Duration> {
        let (last, next) = (self.last.as_bytes(), timestamp.as_bytes());
        let is_soon = |tenth| next.get(..TO_A_TENTH) == Some(tenth);
        if last.get(..TO_A_TENTH).is_some_and(is_soon) {
            return None;
        }
        let (last, next) = (self.last()?, timestamp.parse::<Timestamp>().ok()?);
        let gap = Duration::try_from(next.duration_since(last)).ok()?;
        let (number, since) = self.marks.front().filter(|_| self.marks.len() > 2)?;
        let span = last.duration_since(since.parse().ok()?).unsigned_abs();
        let mean = span / u32::try_from(self.count - number).ok()?;
        (gap >= SHORTEST && gap > mean * BEYOND_CHANCE).then_some(gap)
    }

    /// What was made from `start` on, and the time before which all had come even though it is not
    /// remembered; `None` when all there ever were are.
    pub fn since(&self, start: Option<Timestamp>) -> (HashSet<Key>, Option<Timestamp>) {
        let oldest = self.oldest();
        let is_before = |time: &str| time.parse::<Timestamp>().ok() < start;
        let early = self.marks.iter().rev().filter(|(_, time)| is_before(time));
        // Trades are in order but for a moment, hence the mark before the last one.
        let first = early
            .map(|(number, _)| *number)
            .nth(1)
            .unwrap_or(oldest)
            .max(oldest);
        let keys = self
            .keys
            .range(usize::try_from(first - oldest).unwrap_or_default()..);
        let mut known = self.marks.iter().filter(|(number, _)| *number >= first);
        let floor = known.next().filter(|_| first > 0);
        (
            keys.copied().collect(),
            floor.and_then(|(_, time)| time.parse().ok()),
        )
    }

    /// The same for another process, which knows these besides.
    pub fn with(&self, others: impl Iterator<Item = Key>) -> Self {
        let mut with = self.clone();
        for key in others {
            with.keys.push_front(key);
        }
        with.count = with.count.max(with.keys.len() as u64);
        with
    }

    fn oldest(&self) -> u64 {
        self.count.saturating_sub(self.keys.len() as u64)
    }

    /// Forgets what is too much, and of what is more than enough that which is too old.
    fn forget_old(&mut self) {
        let last = self.last();
        while let Some((_, time)) = self.marks.get(1) {
            let has_reach = time
                .parse::<Timestamp>()
                .ok()
                .zip(last)
                .is_none_or(|(at, last)| last.duration_since(at) > REACH);
            let second = self.marks.get(1).map_or(0, |(number, _)| *number);
            let left = usize::try_from(self.count + 1 - second).unwrap_or_default();
            if left < AT_LEAST || self.keys.len() <= AT_MOST && !has_reach {
                break;
            }
            self.marks.pop_front();
            let gone = self.keys.len().saturating_sub(left);
            self.keys.drain(..gone);
        }
    }
}
