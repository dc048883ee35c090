//! Which trades were lost while there was no upstream connection, and which of those that are
//! fetched later are new. Pure.
//!
//! Alpaca replays nothing, so a symbol that was confirmed before a loss has a hole until it is
//! confirmed again. What is fetched to fill it overlaps with what came before and after; a trade is
//! told from another by its symbol, exchange and id.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::time::{Duration, Instant, SystemTime};

use alpaca::Trade;

use super::recent::{Key, Recent};

/// Live trades of one symbol that may wait for a backfill.
const MOST_HELD: usize = 20_000;
/// Live trades of one symbol that are remembered during a backfill, which bounds what is fetched.
const MOST_REMEMBERED: usize = 1_000_000;

/// Live trades after a backfill among which some may be that it had fetched.
const OVERLAP: u32 = 100_000;

/// Trades come in order of their times but for so much.
const MARGIN: Duration = Duration::from_secs(2);
/// A feed is not later than this.
const LATEST: Duration = Duration::from_secs(120);

/// See the module.
#[derive(Debug, Default)]
pub struct Late {
    confirmed: BTreeSet<String>,
    recent: HashMap<String, Recent>,
    lost: HashMap<String, Lost>,
    filling: HashMap<String, Filling>,
    /// What was fetched of a symbol, and how many live trades came since: the last of it may come
    /// live as well.
    fetched: HashMap<String, (HashSet<Key>, u32)>,
    /// Live trades that came twice.
    doubles: u64,
}

/// A symbol's hole.
#[derive(Clone, Debug)]
pub struct Lost {
    /// Since when, as `gap` tells it.
    pub since: String,
    /// The same by the market's clock, a little earlier.
    pub start: SystemTime,
    /// What came shortly before, or is filled already.
    known: HashSet<Key>,
    /// Whatever was made before then had come.
    floor: Option<String>,
}

#[derive(Debug)]
struct Filling {
    lost: Lost,
    /// Live trades that wait; `None` once they are passed on as they come.
    held: Option<Vec<Trade>>,
    hold_until: Instant,
}

impl Late {
    /// Takes note of a live trade; gives it back unless it has to wait or has come before.
    pub fn pass(&mut self, trade: Trade) -> Option<Trade> {
        let key = Key::of(&trade);
        let was_fetched = self.has_come(trade.symbol(), key);
        let is_double = self.is_double(&trade, key);
        if was_fetched || is_double {
            self.doubles += 1;
            return None;
        }
        // Of a symbol that is being subscribed anew: what comes before that need not be fetched.
        if !self.lost.is_empty()
            && let Some(lost) = self.lost.get_mut(trade.symbol())
            && lost.known.len() < MOST_REMEMBERED
        {
            lost.known.insert(key);
        }
        if self.filling.is_empty() {
            return Some(trade);
        }
        let Some(filling) = self.filling.get_mut(trade.symbol()) else {
            return Some(trade);
        };
        if filling.lost.known.len() < MOST_REMEMBERED {
            filling.lost.known.insert(key);
        }
        match &mut filling.held {
            Some(held) if held.len() < MOST_HELD => held.push(trade),
            Some(_) | None => return Some(trade),
        }
        None
    }

    /// Remembers a live trade; true when it came a moment ago.
    fn is_double(&mut self, trade: &Trade, key: Key) -> bool {
        match self.recent.get_mut(trade.symbol()) {
            Some(recent) => !recent.note_live(trade, key),
            None => {
                let recent = self.recent.entry(trade.symbol().to_owned()).or_default();
                !recent.note_live(trade, key)
            }
        }
    }

    /// Live trades that came twice, and were passed on once.
    pub fn doubles(&self) -> u64 {
        self.doubles
    }

    /// The connection is gone; `since` is when it was last known to be good, `start` the same by the
    /// market's clock. Returns the trades that waited for a backfill which is of no use now.
    pub fn disconnected(&mut self, since: &str, start: SystemTime) -> Vec<Trade> {
        let held = self.release(|_| true);
        for (symbol, filling) in self.filling.drain() {
            self.confirmed.remove(&symbol);
            self.lost.insert(symbol, filling.lost);
        }
        for symbol in std::mem::take(&mut self.confirmed) {
            self.lose(symbol, since, start);
        }
        held
    }

    /// A symbol was silent from `since` on and is subscribed anew; `start` as above.
    pub fn muted(&mut self, symbol: &str, since: &str, start: SystemTime) {
        if self.confirmed.contains(symbol) && !self.filling.contains_key(symbol) {
            self.lose(symbol.to_owned(), since, start);
        }
    }

    fn lose(&mut self, symbol: String, since: &str, start: SystemTime) {
        let recent = self.recent.get(&symbol);
        // What came last may have been late, so that more is missing than the clock says.
        let made = recent.and_then(Recent::made).map_or(start, |made| made - MARGIN);
        let start = made.clamp(start - LATEST, start);
        self.lost.entry(symbol).or_insert_with(|| Lost {
            since: since.to_owned(),
            start,
            known: recent.map(Recent::keys).unwrap_or_default(),
            floor: recent.and_then(Recent::floor),
        });
    }

    /// What was known of a symbol by the process before this one, which ended at `since`.
    pub fn resume(&mut self, symbol: &str, since: &str, start: SystemTime, recent: Recent) {
        let lost = Lost {
            since: since.to_owned(),
            start,
            known: recent.keys(),
            floor: recent.floor(),
        };
        self.lost.insert(symbol.to_owned(), lost);
        self.recent.insert(symbol.to_owned(), recent);
    }

    /// The upstream confirmed these. Returns those with a hole, and since when; their live trades
    /// wait up to `hold` for it to be filled.
    pub fn confirmed<'a>(
        &mut self,
        symbols: impl IntoIterator<Item = &'a str>,
        now: Instant,
        hold: Duration,
    ) -> Vec<(String, Lost)> {
        let mut holes = Vec::new();
        for symbol in symbols {
            self.confirmed.insert(symbol.to_owned());
            let Some(lost) = self.lost.remove(symbol) else {
                continue;
            };
            holes.push((symbol.to_owned(), lost.clone()));
            let filling = Filling {
                lost,
                held: Some(Vec::new()),
                hold_until: now + hold,
            };
            self.filling.insert(symbol.to_owned(), filling);
        }
        holes
    }

    /// Whether a fetched trade is one that nobody has got.
    pub fn is_new(&mut self, trade: &Trade) -> bool {
        let Some(filling) = self.filling.get_mut(trade.symbol()) else {
            return false;
        };
        let lost = &mut filling.lost;
        let is_old = lost
            .floor
            .as_ref()
            .is_some_and(|floor| trade.timestamp() < floor.as_str());
        let key = Key::of(trade);
        let is_new = !is_old && lost.known.insert(key);
        if is_new {
            let fetched = self.fetched.entry(trade.symbol().to_owned()).or_default();
            fetched.0.insert(key);
            fetched.1 = 0;
            // It counts as known at the next loss, too.
            let recent = self.recent.entry(trade.symbol().to_owned()).or_default();
            recent.note(key, trade.timestamp());
        }
        is_new
    }

    /// Whether a live trade was fetched already.
    fn has_come(&mut self, symbol: &str, key: Key) -> bool {
        if self.fetched.is_empty() {
            return false;
        }
        let Some((keys, since)) = self.fetched.get_mut(symbol) else {
            return false;
        };
        let has_come = keys.remove(&key);
        *since += 1;
        if *since > OVERLAP {
            self.fetched.remove(symbol);
        }
        has_come
    }

    /// The filling of these is over: what waited may go on.
    pub fn finish(&mut self, symbols: &[String]) -> Vec<Trade> {
        let held = self.release(|symbol| symbols.iter().any(|one| one == symbol));
        self.filling.retain(|symbol, _| !symbols.contains(symbol));
        held
    }

    /// What has waited long enough.
    pub fn overdue(&mut self, now: Instant) -> Vec<Trade> {
        let due: Vec<String> = self
            .filling
            .iter()
            .filter(|(_, filling)| filling.hold_until <= now)
            .map(|(symbol, _)| symbol.clone())
            .collect();
        self.release(|symbol| due.iter().any(|one| one == symbol))
    }

    /// When `overdue` has something to do.
    pub fn next_overdue(&self) -> Option<Instant> {
        let held = self.filling.values().filter(|filling| filling.held.is_some());
        held.map(|filling| filling.hold_until).min()
    }

    /// The symbol is no longer carried.
    pub fn forget(&mut self, symbol: &str) {
        self.confirmed.remove(symbol);
        self.lost.remove(symbol);
        self.filling.remove(symbol);
        self.recent.remove(symbol);
        self.fetched.remove(symbol);
    }

    /// What came of a symbol lately.
    pub fn recent(&self, symbol: &str) -> Option<&Recent> {
        self.recent.get(symbol)
    }

    fn release(&mut self, which: impl Fn(&str) -> bool) -> Vec<Trade> {
        let mut all = Vec::new();
        for (symbol, filling) in &mut self.filling {
            if which(symbol) {
                all.append(&mut filling.held.take().unwrap_or_default());
            }
        }
        all
    }
}

#[cfg(test)]
#[path = "late/tests.rs"]
mod tests;
