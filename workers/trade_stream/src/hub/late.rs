//! Which trades were lost while there was no upstream connection, or while a symbol was mute, and which
//! of those that are fetched later are new. Pure.
//!
//! Alpaca replays nothing, so a symbol that was confirmed before a loss has a hole until it is
//! confirmed again. What is fetched to fill it overlaps with what came before and after; a trade is
//! told from another by its symbol, exchange and id.
//!
//! A hole ends a moment after the confirmation, and is nobody's business any more once it is filled or
//! told: a later loss is a hole of its own, also while the first is still being filled. Of each symbol
//! is remembered what came live of late (`Recent`) and what was fetched of late (`Fetched`), by the
//! times of the trades, not by ours: a feed may be late.

mod fetched;
mod hole;

use std::collections::HashMap;
use std::time::{Duration, Instant, SystemTime};

use alpaca::Trade;
use jiff::Timestamp;

use super::recent::{Key, Recent, made};
use fetched::Fetched;
pub use hole::Hole;
use hole::{Filling, Lost};

/// Live trades of one symbol that may wait for a backfill.
const MOST_HELD: usize = 20_000;
/// Trades come in order of their times but for so much.
const MARGIN: Duration = Duration::from_secs(2);
/// A feed is not later than this.
const LATEST: Duration = Duration::from_secs(120);
/// The clocks of the exchanges, of the server of past trades and ours may differ by this.
const CLOCKS_DIFFER: Duration = Duration::from_secs(5);

/// See the module.
#[derive(Debug, Default)]
pub struct Late {
    symbols: HashMap<String, Symbol>,
    /// How many of them paused, and `pauses` has not said yet what that meant.
    pausing: usize,
    /// When the first of what is held may have waited long enough.
    hold_until: Option<Instant>,
    holes: u64,
    /// Live trades that came twice.
    doubles: u64,
}

/// When something was lost.
#[derive(Clone, Debug)]
pub struct Loss {
    /// The last moment at which all was known to be well, as `gap` tells it.
    pub since: String,
    /// The same by the market's clock, a little earlier.
    pub start: SystemTime,
}

#[derive(Debug, Default)]
struct Symbol {
    /// When its subscription was confirmed, by the market's clock, and how many trades had come by then;
    /// `None` while it is not.
    confirmed: Option<(SystemTime, u64)>,
    recent: Recent,
    lost: Option<Lost>,
    fillings: Vec<Filling>,
    fetched: Fetched,
    /// Live trades that wait for older ones, and until when.
    held: Option<(Instant, Vec<Trade>)>,
    /// It was silent for so long, as far as is known.
    pause: Option<Duration>,
}

impl Late {
    /// Takes note of a live trade; gives it back unless it has to wait or has come before.
    pub fn pass(&mut self, trade: Trade) -> Option<Trade> {
        let key = Key::of(&trade);
        let passed = match self.symbols.get_mut(&trade.symbol) {
            Some(symbol) => symbol.pass(trade, key),
            None => {
                let symbol = self.symbols.entry(trade.symbol.clone()).or_default();
                symbol.pass(trade, key)
            }
        };
        match passed {
            Passed::On(trade) => Some(trade),
            Passed::Held => None,
            Passed::Twice => {
                self.doubles += 1;
                None
            }
        }
    }

    /// Live trades that came twice, and were passed on once.
    pub fn doubles(&self) -> u64 {
        self.doubles
    }

    /// The connection is gone. What is being filled still is; the rest begins with the confirmation.
    pub fn disconnected(&mut self, loss: &Loss) {
        for symbol in self.symbols.values_mut() {
            if symbol.confirmed.is_some() {
                symbol.lose(loss);
                symbol.confirmed = None;
            }
        }
    }

    /// A symbol is subscribed anew, since nothing came of it, or not all that came could be read.
    pub fn muted(&mut self, symbol: &str, loss: &Loss) {
        if let Some(symbol) = self.symbols.get_mut(symbol)
            && symbol.confirmed.is_some()
        {
            symbol.lose(loss);
        }
    }

    /// A symbol was silent for so long, which chance cannot explain, and trades come again: `pauses`
    /// will say whether any were left out.
    pub fn paused(&mut self, symbol: &str, silence: Duration) {
        if let Some(symbol) = self.symbols.get_mut(symbol)
            && symbol.confirmed.is_some()
        {
            self.pausing += usize::from(symbol.pause.is_none());
            symbol.pause = Some(silence);
        }
    }

    /// Of the symbols that paused, those whose trades leave out as much time as nothing came: the others
    /// were late.
    pub fn pauses(&mut self, trades: &[Trade]) -> Vec<(String, Duration)> {
        let mut lacking = Vec::new();
        for trade in trades {
            if self.pausing == 0 {
                break;
            }
            let Some(symbol) = self.symbols.get_mut(&trade.symbol) else {
                continue;
            };
            let Some(silence) = symbol.pause.take() else {
                continue;
            };
            self.pausing -= 1;
            let left_out = symbol.recent.last().zip(made(trade));
            let left_out = left_out.map(|(last, next)| next.duration_since(last).unsigned_abs());
            if left_out.is_none_or(|left_out| left_out > silence / 2) {
                lacking.push((trade.symbol.clone(), silence));
            }
        }
        lacking
    }

    /// What was known of a symbol by the process before this one.
    pub fn resume(&mut self, symbol: &str, loss: &Loss, recent: Recent) {
        let (known, old_before) = recent.since(None);
        let lost = Lost::new(loss.since.clone(), loss.start, known, old_before);
        let resumed = Symbol {
            recent,
            lost: Some(lost),
            ..Symbol::default()
        };
        self.symbols.insert(symbol.to_owned(), resumed);
    }

    /// The upstream confirmed these, at this time of the market. Returns the holes that are to be
    /// filled; live trades wait for that, until `hold_until`.
    pub fn confirmed<'a>(
        &mut self,
        symbols: impl IntoIterator<Item = &'a str>,
        market: SystemTime,
        hold_until: Instant,
    ) -> Vec<Hole> {
        let mut holes = Vec::new();
        for name in symbols {
            let symbol = self.symbols.entry(name.to_owned()).or_default();
            symbol.confirmed = Some((market, symbol.recent.count()));
            let Some(lost) = symbol.lost.take() else {
                continue;
            };
            self.holes += 1;
            let end = market + CLOCKS_DIFFER;
            holes.push(Hole {
                symbol: name.to_owned(),
                since: lost.since.clone(),
                start: lost.start,
                end,
                number: self.holes,
            });
            symbol.fillings.push(lost.fill(self.holes, market, end));
            symbol.held.get_or_insert_with(|| (hold_until, Vec::new()));
            self.hold_until = Some(self.hold_until.map_or(hold_until, |until| until.min(hold_until)));
        }
        holes
    }

    /// What is fetched next belongs to these.
    pub fn fetch(&mut self, holes: &[Hole]) {
        for hole in holes {
            if let Some(symbol) = self.symbols.get_mut(&hole.symbol) {
                for filling in &mut symbol.fillings {
                    filling.is_fetched = filling.is(hole);
                }
            }
        }
    }

    /// Whether a fetched trade is one that nobody has got.
    pub fn is_new(&mut self, trade: &Trade) -> bool {
        self.symbols
            .get_mut(&trade.symbol)
            .is_some_and(|symbol| symbol.is_new(trade))
    }

    /// The holes among these between whose fetched and live trades something may be missing.
    pub fn unmet(&self, holes: &[Hole]) -> Vec<Hole> {
        let rest = |hole: &Hole| {
            let fillings = &self.symbols.get(&hole.symbol)?.fillings;
            fillings
                .iter()
                .find(|filling| filling.is(hole))?
                .rest(hole, MARGIN)
        };
        holes.iter().filter_map(rest).collect()
    }

    /// The filling of these is over: what waited may go on.
    pub fn finish(&mut self, holes: &[Hole]) -> Vec<Trade> {
        let mut free = Vec::new();
        for hole in holes {
            if let Some(symbol) = self.symbols.get_mut(&hole.symbol) {
                free.append(&mut symbol.finish(hole));
            }
        }
        free
    }

    /// What has waited long enough.
    pub fn overdue(&mut self, now: Instant) -> Vec<Trade> {
        let mut free = Vec::new();
        for symbol in self.symbols.values_mut() {
            if let Some((_, mut held)) = symbol.held.take_if(|(until, _)| *until <= now) {
                free.append(&mut held);
            }
        }
        let held = self.symbols.values().filter_map(|symbol| symbol.held.as_ref());
        self.hold_until = held.map(|(until, _)| *until).min();
        free
    }

    /// When `overdue` may have something to do.
    pub fn next_overdue(&self) -> Option<Instant> {
        self.hold_until
    }

    /// The symbol is no longer carried.
    pub fn forget(&mut self, symbol: &str) {
        let gone = self.symbols.remove(symbol);
        self.pausing -= usize::from(gone.is_some_and(|gone| gone.pause.is_some()));
    }

    /// What came of a symbol lately, for the process after this one, and since when something is lost.
    pub fn leave(&self, symbol: &str) -> (Recent, Option<SystemTime>) {
        let Some(symbol) = self.symbols.get(symbol) else {
            return Default::default();
        };
        let lost = symbol.lost.as_ref().map(|lost| lost.start);
        (symbol.recent.with(symbol.fetched.keys()), lost)
    }

    /// Symbols with holes that are not filled, and since when.
    pub fn open(&self) -> Vec<(String, String)> {
        let mut open = Vec::new();
        for (name, symbol) in &self.symbols {
            let since = symbol.fillings.iter().map(Filling::since);
            open.extend(since.map(|since| (name.clone(), since.to_owned())));
        }
        open
    }
}

/// What becomes of a live trade.
enum Passed {
    On(Trade),
    Held,
    Twice,
}

impl Symbol {
    fn pass(&mut self, trade: Trade, key: Key) -> Passed {
        let was_fetched = self.fetched.has(key);
        let came_before = !self.recent.note_live(&trade, key);
        if was_fetched || came_before {
            for filling in &mut self.fillings {
                filling.meet();
            }
            return Passed::Twice;
        }
        if !self.fetched.is_empty()
            && self.recent.is_at_mark()
            && let Some(last) = self.recent.last()
        {
            self.fetched.passed(last);
        }
        // Of a symbol that is being subscribed anew: what comes before that need not be fetched.
        if let Some(lost) = &mut self.lost {
            lost.note(key);
        }
        if !self.fillings.is_empty() {
            let at = made(&trade);
            for filling in &mut self.fillings {
                filling.note_live(key, at);
            }
        }
        match &mut self.held {
            Some((_, held)) if held.len() < MOST_HELD => {
                held.push(trade);
                Passed::Held
            }
            Some(_) | None => Passed::On(trade),
        }
    }

    /// A loss begins, unless one has begun.
    fn lose(&mut self, loss: &Loss) {
        if self.lost.is_some() {
            return;
        }
        // What came last may have been late, so that more is missing than our clock says. If nothing came
        // since the confirmation, what was made before that is the business of the hole before this one.
        let last = self.recent.last();
        let fresh = self.confirmed.filter(|(_, count)| *count == self.recent.count());
        let fresh = fresh.and_then(|(at, _)| Timestamp::try_from(at).ok());
        let begins = last.max(fresh).and_then(|at| at.checked_sub(MARGIN).ok());
        let start = begins.map_or(loss.start, SystemTime::from);
        let start = start.clamp(loss.start - LATEST, loss.start);
        let known_from = last.and_then(|last| last.checked_sub(MARGIN).ok());
        let (mut known, floor) = self.recent.since(known_from.min(begins));
        known.extend(self.fetched.keys());
        // What is fetched for others begins earlier.
        let old_before = begins.max(floor);
        self.lost = Some(Lost::new(loss.since.clone(), start, known, old_before));
    }

    fn is_new(&mut self, trade: &Trade) -> bool {
        let Some(filling) = self.fillings.iter_mut().find(|filling| filling.is_fetched) else {
            return false;
        };
        let (key, at) = (Key::of(trade), made(trade));
        filling.is_missing(key, at) && self.fetched.add(key, at)
    }

    fn finish(&mut self, hole: &Hole) -> Vec<Trade> {
        let Some(place) = self.fillings.iter().position(|filling| filling.is(hole)) else {
            return Vec::new();
        };
        let filled = self.fillings.swap_remove(place);
        if !self.fillings.is_empty() {
            return Vec::new();
        }
        if let Some(overlap) = filled.overlap().and_then(|at| at.checked_sub(CLOCKS_DIFFER).ok()) {
            self.fetched.forget_before(overlap);
        }
        self.held.take().map(|(_, held)| held).unwrap_or_default()
    }
}

#[cfg(test)]
#[path = "late/tests.rs"]
mod tests;
