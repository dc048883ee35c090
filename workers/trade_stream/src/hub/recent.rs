//! The last trades of a symbol, by what tells them apart. Pure, bounded.

use std::collections::{HashSet, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::SystemTime;

use alpaca::Trade;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::doubles::Doubles;

/// Trades that are remembered, and how often the time of one is.
const REMEMBERED: usize = 1024;
const MARK_EVERY: u64 = 128;
/// Of an RFC 3339 time, the date.
const DAY: usize = 10;

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

/// The last trades of one symbol.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Recent {
    keys: VecDeque<Key>,
    /// How many there have been.
    count: u64,
    /// The number and the time of some, so that it is known how far back the keys reach.
    marks: VecDeque<(u64, String)>,
    #[serde(skip)]
    live: Doubles,
}

impl Recent {
    /// One more came.
    pub fn note(&mut self, key: Key, timestamp: &str) {
        if self.keys.len() == REMEMBERED {
            self.keys.pop_front();
        }
        self.keys.push_back(key);
        if self.count.is_multiple_of(MARK_EVERY) {
            self.marks.push_back((self.count, timestamp.to_owned()));
            let reach = (self.count + 1).saturating_sub(REMEMBERED as u64);
            while self.marks.front().is_some_and(|(number, _)| *number < reach) {
                self.marks.pop_front();
            }
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

    /// All that are remembered.
    pub fn keys(&self) -> HashSet<Key> {
        self.keys.iter().copied().collect()
    }

    /// When one of the last was made: at most so many before the last as have no mark.
    pub fn made(&self) -> Option<SystemTime> {
        let (_, time) = self.marks.back()?;
        time.parse::<Timestamp>().ok().map(SystemTime::from)
    }

    /// The time from which on all are remembered; `None` when all there ever were are.
    pub fn floor(&self) -> Option<String> {
        let is_whole = self.count <= REMEMBERED as u64;
        let reach = self.count.saturating_sub(REMEMBERED as u64);
        let mut marks = self.marks.iter().filter(|(number, _)| *number >= reach);
        marks.next().filter(|_| !is_whole).map(|(_, time)| time.clone())
    }
}
