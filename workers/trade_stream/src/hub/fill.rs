//! Fills the hole that a loss of the upstream left, from Alpaca's REST endpoint, or says that it
//! cannot: every lost trade comes late or is told as a `gap`.

use std::collections::VecDeque;
use std::time::{Duration, Instant, SystemTime};

use alpaca::{Backfill, Page, Trade};
use stream_protocol::{Gap, GapReason, rfc3339};
use tracing::{info, warn};

use super::Hub;
use super::late::Lost;
use super::upstream::put_one;

/// Trades of the last moment before a loss may have been on their way.
const BEFORE: Duration = Duration::from_secs(2);

/// What is being filled, and what is to be filled then.
#[derive(Debug, Default)]
pub struct Fillings {
    now: Option<(Backfill, Holes)>,
    then: VecDeque<Holes>,
}

/// Symbols and since when their trades are missing.
type Holes = Vec<(String, Lost)>;

impl Fillings {
    /// The next part of what is being filled; never when nothing is. Cancel-safe.
    pub async fn next(&mut self) -> Page {
        match &mut self.now {
            Some((backfill, _)) => backfill.next().await,
            None => std::future::pending().await,
        }
    }

    /// Gives all of it up.
    fn clear(&mut self) {
        *self = Self::default();
    }
}

impl Hub {
    /// The upstream's connection is gone.
    pub(super) fn lost(&mut self) {
        self.down_since.get_or_insert_with(Instant::now);
        let good = self.status.borrow().last_data.unwrap_or_else(SystemTime::now);
        let age = SystemTime::now().duration_since(good).unwrap_or_default();
        let start = self.upstream.market_time() - age - BEFORE;
        self.fillings.clear();
        self.channels.lose(&rfc3339(good));
        let held = self.late.disconnected(&rfc3339(good), start);
        self.put(&held, false);
    }

    /// These were silent for so long while others were not, and are subscribed anew.
    pub(super) fn muted(&mut self, symbols: &[(String, Duration)]) {
        for (symbol, silence) in symbols {
            let good = SystemTime::now() - *silence;
            let start = self.upstream.market_time() - *silence - BEFORE;
            self.late.muted(symbol, &rfc3339(good), start);
        }
    }

    /// These were silent for so long, and are not any more: whether something was made meanwhile is
    /// looked up.
    pub(super) fn paused(&mut self, symbols: &[(String, Duration)]) {
        self.muted(symbols);
        let named: Vec<&str> = symbols.iter().map(|(symbol, _)| symbol.as_str()).collect();
        self.confirmed(&named);
    }

    /// The upstream confirmed the trades of these symbols.
    pub(super) fn confirmed(&mut self, symbols: &[&str]) {
        let now = Instant::now();
        let holes = self.late.confirmed(symbols.iter().copied(), now, self.hold);
        if holes.is_empty() {
            return;
        }
        self.fillings.then.push_back(holes);
        self.fill_next();
    }

    fn fill_next(&mut self) {
        if self.fillings.now.is_some() {
            return;
        }
        let Some(holes) = self.fillings.then.pop_front() else {
            return;
        };
        let symbols: Vec<String> = holes.iter().map(|(symbol, _)| symbol.clone()).collect();
        let start = holes.iter().map(|(_, lost)| lost.start).min();
        let start = start.unwrap_or_else(SystemTime::now);
        info!(
            "fetching the trades of {} symbols since {}",
            symbols.len(),
            rfc3339(start)
        );
        let backfill = self.upstream.backfill(symbols, start);
        self.fillings.now = Some((backfill, holes));
    }

    /// Takes a part of what is fetched.
    pub(super) fn filled(&mut self, page: Page) {
        match page {
            Page::Trades(mut trades) => {
                trades.retain(|trade| self.late.is_new(trade));
                self.counted.backfilled += trades.len() as u64;
                self.put(&trades, true);
            }
            Page::Done => self.finish_filling(None),
            Page::Failed(why) => self.finish_filling(Some(&why)),
        }
    }

    fn finish_filling(&mut self, failed: Option<&str>) {
        let Some((_, holes)) = self.fillings.now.take() else {
            return;
        };
        let count = holes.len() as u64;
        match failed {
            None => self.counted.backfills += count,
            Some(why) => {
                warn!("the trades that were missed cannot be fetched: {why}");
                self.counted.backfills_failed += count;
                self.tell_holes(&holes);
            }
        }
        let symbols: Vec<String> = holes.into_iter().map(|(symbol, _)| symbol).collect();
        let held = self.late.finish(&symbols);
        self.put(&held, false);
        self.fill_next();
    }

    fn tell_holes(&mut self, holes: &[(String, Lost)]) {
        let now = rfc3339(SystemTime::now());
        for (symbol, lost) in holes {
            self.gap(&Gap {
                since: Some(lost.since.clone()),
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
