//! What came of each symbol, and what was told to be missing.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;

/// Ids of one stamp.
const BLOCK: u64 = 32;
/// A hole may begin so long before the gap that tells it, and end so long after, in milliseconds: of a
/// gap is told when the last trade of any symbol came.
const MARGIN_MS: i64 = 3000;

/// So many of what came twice are shown.
const SHOWN: usize = 20;

/// Of all clients.
#[derive(Default)]
pub struct Account(Mutex<Books>);

#[derive(Default)]
struct Books {
    ids: HashMap<String, Ids>,
    /// Since when and until when, in milliseconds.
    gaps: HashMap<String, Vec<(i64, i64)>>,
    trades: HashMap<&'static str, u64>,
    breaks: Vec<String>,
    /// Times at which the bot itself was too slow.
    slow: Vec<i64>,
    twice: u64,
    /// The first of those that came twice: symbol, id, and when.
    doubles: Vec<(String, u64, i64)>,
    /// What was struck, and when.
    faults: Vec<(&'static str, i64)>,
    fetched: u64,
    /// By how much the market's clock is ahead, in milliseconds.
    shift: Option<i64>,
}

/// The ids of one symbol.
#[derive(Default)]
struct Ids {
    first: u64,
    newest: u64,
    seen: Vec<u64>,
    stamps: Vec<i64>,
}

impl Account {
    /// A trade came to the bot.
    pub fn id(&self, symbol: &str, id: u64, at: &str) {
        let mut books = self.lock();
        if books.shift.is_none() {
            books.shift = milliseconds(at).map(|at| at - Timestamp::now().as_millisecond());
        }
        let shift = books.shift.unwrap_or_default();
        if !books.ids.contains_key(symbol) {
            let ids = Ids {
                first: id,
                newest: id,
                ..Ids::default()
            };
            books.ids.insert(symbol.to_owned(), ids);
        }
        let Some(ids) = books.ids.get_mut(symbol) else {
            return;
        };
        if !ids.note(id, at, shift) {
            books.twice += 1;
            if books.doubles.len() < SHOWN {
                let now = Timestamp::now().as_millisecond();
                books.doubles.push((symbol.to_owned(), id, now));
            }
        }
    }

    /// A fault is struck.
    pub fn struck(&self, name: &'static str) {
        let now = Timestamp::now().as_millisecond();
        self.lock().faults.push((name, now));
    }

    /// A trade came to a client of the stream's own protocol.
    pub fn trade(&self, client: &'static str, backfill: bool) {
        let mut books = self.lock();
        *books.trades.entry(client).or_default() += 1;
        books.fetched += u64::from(backfill && client == "8765");
    }

    /// A gap was told.
    pub fn gap(&self, symbol: &str, since: Option<&str>, until: Option<&str>) {
        let ms = |text: Option<&str>, default| text.and_then(milliseconds).unwrap_or(default);
        let now = Timestamp::now().as_millisecond();
        let span = (ms(since, now - 10_000), ms(until, now));
        self.lock().gaps.entry(symbol.to_owned()).or_default().push(span);
    }

    /// Numbers do not follow each other, and nothing was said.
    pub fn broken(&self, what: String) {
        self.lock().breaks.push(what);
    }

    /// The bot was told that it was too slow.
    pub fn too_slow(&self) {
        let now = Timestamp::now().as_millisecond();
        self.lock().slow.push(now);
    }

    /// How far each symbol has come.
    pub fn newest(&self) -> HashMap<String, u64> {
        let books = self.lock();
        books
            .ids
            .iter()
            .map(|(symbol, ids)| (symbol.clone(), ids.newest))
            .collect()
    }

    /// One line on the way.
    pub fn line(&self) -> String {
        let books = self.lock();
        let gaps: usize = books.gaps.values().map(Vec::len).sum();
        format!(
            "{:?} trades, {} fetched later, {gaps} gaps told, {} twice, {} breaks",
            books.trades,
            books.fetched,
            books.twice,
            books.breaks.len()
        )
    }

    /// Prints the account up to these ids; true when nothing is missing unnoticed and nothing came twice.
    pub fn verdict(&self, cut: &HashMap<String, u64>) -> bool {
        let books = self.lock();
        let (mut had, mut told, mut unnoticed) = (0, 0, 0);
        for (symbol, ids) in &books.ids {
            let upto = cut.get(symbol).copied().unwrap_or_default();
            had += (ids.first..=upto).filter(|id| ids.has(*id)).count();
            for (from, to) in ids.holes(upto) {
                let (began, ended) = (ids.stamp(from, false), ids.stamp(to, true));
                let overlaps =
                    |(since, until): &(i64, i64)| *since - MARGIN_MS <= ended && began <= *until + MARGIN_MS;
                let gaps = books.gaps.get(symbol);
                let is_told = gaps.is_some_and(|gaps| gaps.iter().any(overlaps))
                    || books.slow.iter().any(|at| overlaps(&(at - 10_000, *at)));
                match is_told {
                    true => told += to - from + 1,
                    false => {
                        unnoticed += to - from + 1;
                        println!(
                            "  UNNOTICED: {symbol} {from}..={to}, {} ms long, {}",
                            ended - began,
                            books.after_what(began)
                        );
                    }
                }
            }
        }
        for (symbol, id, at) in &books.doubles {
            println!("  TWICE: {symbol} {id}, {}", books.after_what(*at));
        }
        for what in &books.breaks {
            println!("  BROKEN: {what}");
        }
        println!(
            "\ntrades that came: {had} by id, once each; {} came twice",
            books.twice
        );
        println!(
            "fetched later (marked): {}; missing and told as gaps: {told}; missing UNNOTICED: {unnoticed}",
            books.fetched
        );
        println!(
            "trades with numbers that follow each other: {:?}; breaks: {}",
            books.trades,
            books.breaks.len()
        );
        unnoticed == 0 && books.twice == 0 && books.breaks.is_empty() && had > 0
    }

    fn lock(&self) -> MutexGuard<'_, Books> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Books {
    /// The faults before this time.
    fn after_what(&self, at: i64) -> String {
        let before = self.faults.iter().rev().filter(|(_, struck)| *struck <= at + 100);
        let named = before
            .take(2)
            .map(|(name, struck)| format!("{} ms after {name:?}", at - struck));
        named.collect::<Vec<_>>().join(", ")
    }
}

impl Ids {
    /// False when it had come.
    fn note(&mut self, id: u64, at: &str, shift: i64) -> bool {
        // What is older than the first was made before the subscription.
        let Some(index) = id.checked_sub(self.first) else {
            return true;
        };
        let (word, bit) = ((index / 64) as usize, 1 << (index % 64));
        if self.seen.len() <= word {
            self.seen.resize(word + 1024, 0);
        }
        let is_new = self.seen[word] & bit == 0;
        self.seen[word] |= bit;
        self.newest = self.newest.max(id);
        let block = (index / BLOCK) as usize;
        if self.stamps.len() <= block {
            self.stamps.resize(block + 1024, 0);
        }
        if self.stamps[block] == 0 {
            self.stamps[block] = milliseconds(at).unwrap_or_default() - shift;
        }
        is_new
    }

    fn has(&self, id: u64) -> bool {
        let index = id - self.first;
        self.seen
            .get((index / 64) as usize)
            .is_some_and(|word| word & (1 << (index % 64)) != 0)
    }

    fn holes(&self, upto: u64) -> Vec<(u64, u64)> {
        let mut holes: Vec<(u64, u64)> = Vec::new();
        for id in (self.first..=upto).filter(|id| !self.has(*id)) {
            match holes.last_mut() {
                Some((_, to)) if *to + 1 == id => *to = id,
                _ => holes.push((id, id)),
            }
        }
        holes
    }

    /// When the trades near this one were made: the nearest known before it, or after.
    fn stamp(&self, id: u64, after: bool) -> i64 {
        let block = ((id - self.first) / BLOCK) as usize;
        let known = |stamp: &&i64| **stamp != 0;
        let found = if after {
            self.stamps[block..].iter().find(known)
        } else {
            self.stamps[..=block].iter().rev().find(known)
        };
        found.copied().unwrap_or_default()
    }
}

fn milliseconds(text: &str) -> Option<i64> {
    text.parse::<Timestamp>().ok().map(Timestamp::as_millisecond)
}
