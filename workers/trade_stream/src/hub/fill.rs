//! Fills the hole that a loss of the upstream left, from Alpaca's REST endpoint, or says that it
//! cannot: every lost trade comes late or is told as a `gap`.

use std::collections::VecDeque;
use std::time::{Duration, Instant, SystemTime};

use alpaca::{Backfill, Page, Trade};
use stream_protocol::{Gap, GapReason, rfc3339};
use tracing::{info, warn};

use super::Hub;
use super::late::{Hole, Loss};
use super::upstream::put_one;

/// Trades of the last moment before a loss may have been on their way.
const BEFORE: Duration = Duration::from_secs(2);

/// What the server of past trades does not have yet is asked for again so often, each time after twice
/// the wait.
const TRIES: u32 = 4;
const FIRST_WAIT: Duration = Duration::from_secs(1);
/// Symbols that trade rarely miss a longer time than others: theirs is fetched for them alone.
const TOGETHER: Duration = Duration::from_secs(5);

/// What is being filled, and what is to be filled then.
#[derive(Debug, Default)]
pub struct Fillings {
    now: Option<(Backfill, Job)>,
    then: VecDeque<Job>,
}

/// Holes that are filled together.
#[derive(Debug)]
struct Job {
    holes: Vec<Hole>,
    not_before: Instant,
    /// How often they were asked for.
    tries: u32,
}

impl Fillings {
    /// The next part of what is being filled; never when nothing is. Cancel-safe.
    pub async fn next(&mut self) -> Page {
        match &mut self.now {
            Some((backfill, _)) => backfill.next().await,
            None => std::future::pending().await,
        }
    }

    /// When there is something to fill.
    pub fn next_due(&self) -> Option<Instant> {
        let waiting = self.then.iter().filter(|_| self.now.is_none());
        waiting.map(|job| job.not_before).min()
    }

    fn take_due(&mut self, now: Instant) -> Option<Job> {
        let place = self.then.iter().position(|job| job.not_before <= now)?;
        self.then.remove(place).filter(|_| self.now.is_none())
    }
}

impl Hub {
    /// The upstream's connection is gone.
    pub(super) fn lost(&mut self) {
        self.down_since.get_or_insert_with(Instant::now);
        let good = self.status.borrow().last_data.unwrap_or_else(SystemTime::now);
        let age = SystemTime::now().duration_since(good).unwrap_or_default();
        let loss = self.loss(age);
        self.channels.lose(&loss.since);
        self.late.disconnected(&loss);
    }

    /// All was well so long ago.
    fn loss(&self, age: Duration) -> Loss {
        Loss {
            since: rfc3339(SystemTime::now() - age),
            start: self.upstream.market_time() - age - BEFORE,
        }
    }

    /// These were silent for so long while others were not, and are subscribed anew.
    pub(super) fn muted(&mut self, symbols: &[(String, Duration)]) {
        for (symbol, silence) in symbols {
            let loss = self.loss(*silence);
            self.late.muted(symbol, &loss);
        }
    }

    /// These were silent for so long, and are not any more.
    pub(super) fn paused(&mut self, symbols: &[(String, Duration)]) {
        for (symbol, silence) in symbols {
            self.late.paused(symbol, *silence);
        }
    }

    /// Whether something was made while they paused is looked up, before what comes after it.
    pub(super) fn look_into_pauses(&mut self, trades: &[Trade]) {
        let lacking = self.late.pauses(trades);
        if lacking.is_empty() {
            return;
        }
        warn!("trades were left out: {}", silences(&lacking));
        self.muted(&lacking);
        let named: Vec<&str> = lacking.iter().map(|(symbol, _)| symbol.as_str()).collect();
        self.confirmed(&named);
    }

    /// Something may be missing, and whose is not known: all are looked up, but not for each doubt that
    /// follows soon.
    pub(super) fn doubted(&mut self, silence: Duration) {
        if self.doubted_until.is_some() {
            return;
        }
        self.doubted_until = Some(Instant::now() + FIRST_WAIT);
        let loss = self.loss(silence);
        self.channels.lose(&loss.since);
        for symbol in self.topics.carried() {
            self.late.muted(symbol, &loss);
        }
    }

    /// No more doubts are waited for.
    pub(super) fn look_into_doubts(&mut self) {
        self.doubted_until = None;
        // Otherwise what is confirmed again is looked up then.
        if self.is_connected() {
            let confirmed = self.status.borrow().confirmed.clone();
            self.subscribed(&confirmed);
        }
    }

    /// The upstream confirmed the trades of these symbols.
    pub(super) fn confirmed(&mut self, symbols: &[&str]) {
        let market = self.upstream.market_time();
        let until = Instant::now() + self.hold;
        let holes = self.late.confirmed(symbols.iter().copied(), market, until);
        let Some(latest) = holes.iter().map(|hole| hole.start).max() else {
            return;
        };
        let (holes, longer): (Vec<Hole>, Vec<Hole>) = holes
            .into_iter()
            .partition(|hole| hole.start + TOGETHER >= latest);
        for holes in [holes, longer] {
            self.fill_then(holes, Duration::ZERO, 0);
        }
        self.fill_next();
    }

    fn fill_then(&mut self, holes: Vec<Hole>, wait: Duration, tries: u32) {
        if !holes.is_empty() {
            self.fillings.then.push_back(Job {
                holes,
                not_before: Instant::now() + wait,
                tries,
            });
        }
    }

    /// Begins to fill what is due, unless something is being filled.
    pub(super) fn fill_next(&mut self) {
        if self.fillings.now.is_some() {
            return;
        }
        let Some(job) = self.fillings.take_due(Instant::now()) else {
            return;
        };
        let symbols: Vec<String> = job.holes.iter().map(|hole| hole.symbol.clone()).collect();
        let now = SystemTime::now();
        let start = job.holes.iter().map(|hole| hole.start).min().unwrap_or(now);
        let end = job.holes.iter().map(|hole| hole.end).max().unwrap_or(now);
        info!(
            "fetching the trades of {} symbols since {}",
            symbols.len(),
            rfc3339(start)
        );
        self.late.fetch(&job.holes);
        let backfill = self.upstream.backfill(symbols, start, end);
        self.fillings.now = Some((backfill, job));
    }

    /// Takes a part of what is fetched.
    pub(super) fn filled(&mut self, page: Page) {
        match page {
            Page::Trades(mut trades) => {
                trades.retain(|trade| self.late.is_new(trade));
                self.counted.backfilled += trades.len() as u64;
                self.put(&trades, true);
            }
            Page::Done => self.fetched_all(),
            Page::Failed(why) => {
                if let Some((_, job)) = self.fillings.now.take() {
                    self.give_up_filling(&job.holes, &why);
                }
                self.fill_next();
            }
        }
    }

    fn fetched_all(&mut self) {
        let Some((_, job)) = self.fillings.now.take() else {
            return;
        };
        let unmet = self.late.unmet(&job.holes);
        let mut filled = job.holes;
        filled.retain(|hole| unmet.iter().all(|open| open.symbol != hole.symbol));
        self.counted.backfills += filled.len() as u64;
        self.finish(&filled);
        if job.tries < TRIES {
            self.fill_then(unmet, FIRST_WAIT * 2_u32.pow(job.tries), job.tries + 1);
        } else if !unmet.is_empty() {
            self.give_up_filling(&unmet, "past trades are not there yet");
        }
        self.fill_next();
    }

    fn give_up_filling(&mut self, holes: &[Hole], why: &str) {
        warn!("the trades that were missed cannot be fetched: {why}");
        self.counted.backfills_failed += holes.len() as u64;
        self.tell_holes(holes.iter().map(|hole| (&*hole.symbol, &*hole.since)));
        self.finish(holes);
    }

    fn finish(&mut self, holes: &[Hole]) {
        let held = self.late.finish(holes);
        self.put(&held, false);
    }

    /// What is not filled by now nobody will fill.
    pub(super) fn tell_open_holes(&mut self) {
        let open = self.late.open();
        self.tell_holes(open.iter().map(|(symbol, since)| (&**symbol, &**since)));
        self.topics.publish();
    }

    fn tell_holes<'a>(&mut self, holes: impl Iterator<Item = (&'a str, &'a str)>) {
        let now = rfc3339(SystemTime::now());
        for (symbol, since) in holes {
            self.gap(&Gap {
                since: Some(since.to_owned()),
                until: Some(now.clone()),
                ..Gap::unknown(symbol, GapReason::Upstream)
            });
        }
    }

    /// Live trades have waited long enough for those before them.
    pub(super) fn let_go_overdue(&mut self) {
        let held = self.late.overdue(Instant::now());
        self.put(&held, false);
    }

    /// Passes trades on, out of their turn.
    fn put(&mut self, trades: &[Trade], backfill: bool) {
        self.topics.add_late(|topics| {
            for trade in trades {
                put_one(topics, trade, backfill);
            }
        });
    }
}

/// `AAPL (2.0 s), TSLA (2.1 s)`
fn silences(symbols: &[(String, Duration)]) -> String {
    let named = symbols.iter();
    let named = named.map(|(symbol, silence)| format!("{symbol} ({:.1} s)", silence.as_secs_f64()));
    named.collect::<Vec<_>>().join(", ")
}
