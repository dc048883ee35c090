//! Which trade happens when, and who sees it. Pure: time is an argument, the next deadline an answer.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use jiff::Timestamp;

use crate::feed::Feed;
use crate::ledger::{Ledger, Page, Query};
use crate::random::Random;
use crate::tape::Tape;
use crate::trade::Trade;

/// What `*` stands for.
const EVERYTHING: [&str; 8] = ["AAPL", "AMD", "AMZN", "MSFT", "NVDA", "QQQ", "SPY", "TSLA"];
/// After a pause of the host longer than this the missed trades are not made up for.
const LONGEST_LAG: Duration = Duration::from_secs(1);

/// Trades of so short a time go out together, as they do when a market is busy.
const BURST: Duration = Duration::from_millis(1);

/// The number of a connection that sees trades.
pub(crate) type Viewer = u64;

/// A symbol on a feed.
type Listing = (Feed, Arc<str>);

/// The trading floor.
#[derive(Debug)]
pub(crate) struct Floor {
    /// Trades per second and symbol.
    rate: f64,
    seed: u64,
    random: Random,
    viewers: HashMap<Viewer, (Feed, BTreeSet<Arc<str>>)>,
    /// Every tape ever asked for; it goes on where it stopped.
    tapes: HashMap<Listing, Tape>,
    /// What is traded now, and who sees it.
    active: Vec<(Listing, Vec<Viewer>)>,
    ledger: Ledger,
    next_at: Option<Instant>,
    /// No trade is told before then.
    burst_until: Option<Instant>,
}

impl Floor {
    pub(crate) fn new(rate: f64, seed: u64) -> Self {
        Self {
            rate,
            seed,
            random: Random::new(seed),
            viewers: HashMap::new(),
            tapes: HashMap::new(),
            active: Vec::new(),
            ledger: Ledger::default(),
            next_at: None,
            burst_until: None,
        }
    }

    /// From now on this viewer sees exactly these symbols.
    pub(crate) fn watch(&mut self, now: Instant, viewer: Viewer, feed: Feed, symbols: &BTreeSet<String>) {
        let named = symbols.iter().map(String::as_str).filter(|s| *s != "*");
        let all = if symbols.contains("*") {
            &EVERYTHING[..]
        } else {
            &[]
        };
        let seen = named.chain(all.iter().copied());
        let seen = seen.filter(|s| feed.trades(s)).map(Arc::from).collect();
        self.viewers.insert(viewer, (feed, seen));
        self.arrange(now);
    }

    /// This viewer has gone.
    pub(crate) fn leave(&mut self, now: Instant, viewer: Viewer) {
        self.viewers.remove(&viewer);
        self.arrange(now);
    }

    /// When the next trades are to be told; `None` when nothing is traded.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        // `None` is less than any time.
        self.next_at
            .map(|at| Some(at).max(self.burst_until).unwrap_or(at))
    }

    /// Makes all trades that are due, and sorts them by viewer.
    pub(crate) fn trade(&mut self, now: Instant, clock: SystemTime) -> HashMap<Viewer, Vec<Trade>> {
        let mut seen: HashMap<Viewer, Vec<Trade>> = HashMap::new();
        self.burst_until = Some(now + BURST);
        while let Some(at) = self.next_at.filter(|at| *at <= now) {
            let lag = now - at;
            self.next_at = Some(at.max(now - LONGEST_LAG.min(lag)) + self.interval());
            let index = self.random.below(self.active.len());
            let (key, viewers) = &self.active[index];
            let Some(tape) = self.tapes.get_mut(key) else {
                continue;
            };
            let time = Timestamp::try_from(clock - lag).unwrap_or(Timestamp::UNIX_EPOCH);
            let trade = tape.trade(time);
            self.ledger.enter(key.0, &trade);
            for viewer in viewers {
                seen.entry(*viewer).or_default().push(trade.clone());
            }
        }
        seen
    }

    /// A page of the trades made.
    pub(crate) fn page(&self, query: &Query) -> Page {
        self.ledger.page(query)
    }

    fn arrange(&mut self, now: Instant) {
        let mut active: HashMap<Listing, Vec<Viewer>> = HashMap::new();
        for (viewer, (feed, symbols)) in &self.viewers {
            for symbol in symbols {
                let key = (*feed, Arc::clone(symbol));
                active.entry(key).or_default().push(*viewer);
            }
        }
        for (feed, symbol) in active.keys() {
            let key = (*feed, Arc::clone(symbol));
            let seed = self.seed;
            let tape = self.tapes.entry(key);
            tape.or_insert_with(|| Tape::new(Arc::clone(symbol), *feed, seed));
        }
        self.active = active.into_iter().collect();
        // In a stable order, so that a seed repeats a run.
        self.active
            .sort_unstable_by(|a, b| (&a.0.1, a.0.0 as u8).cmp(&(&b.0.1, b.0.0 as u8)));
        self.next_at = (!self.active.is_empty()).then(|| now + self.interval());
    }

    /// The time between two trades of whatever symbol.
    fn interval(&mut self) -> Duration {
        let per_second = self.rate * self.active.len() as f64;
        Duration::from_secs_f64(self.random.interval() / per_second)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::time::{Duration, Instant, SystemTime};

    use super::Floor;
    use crate::feed::Feed;

    fn symbols(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn only_what_is_watched_is_traded_at_the_rate_that_was_asked() {
        let mut floor = Floor::new(50.0, 1);
        let now = Instant::now();
        assert_eq!(floor.next_deadline(), None);
        floor.watch(now, 1, Feed::Sip, &symbols(&["AAPL", "TSLA"]));
        floor.watch(now, 2, Feed::Sip, &symbols(&["TSLA"]));
        floor.watch(now, 3, Feed::Sip, &symbols(&[]));
        let mut seen = [0_usize; 4];
        for second in 1..=100 {
            let at = now + Duration::from_secs(second);
            for (viewer, trades) in floor.trade(at, SystemTime::now()) {
                seen[viewer as usize] += trades.len();
                assert!(viewer == 1 || trades.iter().all(|trade| &*trade.symbol == "TSLA"));
            }
        }
        assert!((9_000..11_000).contains(&seen[1]), "{seen:?}");
        assert!((4_500..5_500).contains(&seen[2]), "{seen:?}");
        assert_eq!(seen[3], 0);
        floor.leave(now, 1);
        floor.leave(now, 2);
        assert_eq!(floor.next_deadline(), None, "idle means no timer");
    }

    #[test]
    fn all_who_watch_see_the_same_trades() {
        let mut floor = Floor::new(50.0, 1);
        let now = Instant::now();
        floor.watch(now, 1, Feed::Iex, &symbols(&["AAPL"]));
        floor.watch(now, 2, Feed::Iex, &symbols(&["AAPL"]));
        let seen = floor.trade(now + Duration::from_secs(1), SystemTime::now());
        assert!(!seen[&1].is_empty());
        assert_eq!(seen[&1], seen[&2]);
    }

    #[test]
    fn a_busy_market_tells_its_trades_in_bursts() {
        let mut floor = Floor::new(100_000.0, 1);
        let now = Instant::now();
        floor.watch(now, 1, Feed::Iex, &symbols(&["AAPL"]));
        let later = now + Duration::from_millis(10);
        assert!(floor.trade(later, SystemTime::now())[&1].len() > 500);
        let next = floor.next_deadline().expect("it goes on");
        assert_eq!(next, later + Duration::from_millis(1));
    }

    #[test]
    fn a_pause_of_the_host_is_not_made_up_for() {
        let mut floor = Floor::new(10.0, 1);
        let now = Instant::now();
        floor.watch(now, 1, Feed::Iex, &symbols(&["AAPL"]));
        let seen = floor.trade(now + Duration::from_secs(3600), SystemTime::now());
        assert!(seen[&1].len() < 40, "{}", seen[&1].len());
    }

    #[test]
    fn the_test_feed_trades_its_own_symbol_only_and_a_star_is_a_choice() {
        let mut floor = Floor::new(10.0, 1);
        let now = Instant::now();
        floor.watch(now, 1, Feed::Test, &symbols(&["AAPL"]));
        assert_eq!(floor.next_deadline(), None);
        floor.watch(now, 1, Feed::Test, &symbols(&["AAPL", "FAKEPACA"]));
        assert!(floor.next_deadline().is_some());
        floor.watch(now, 1, Feed::Sip, &symbols(&["*"]));
        let seen = floor.trade(now + Duration::from_secs(1), SystemTime::now());
        assert!(seen[&1].len() > 20);
    }
}
