//! Which trade happens when, and who sees it. Pure: time is an argument, the next deadline an answer.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;

use crate::bars::Bars;
use crate::channels::Wants;
use crate::feed::Feed;
use crate::ledger::{Ledger, Page, Query};
use crate::random::Random;
use crate::tape::Tape;
use crate::trade::{BarKind, Item, Quote, Status};

/// What `*` stands for.
const EVERYTHING: [&str; 8] = ["AAPL", "AMD", "AMZN", "MSFT", "NVDA", "QQQ", "SPY", "TSLA"];
/// After a pause of the host longer than this the missed trades are not made up for.
const LONGEST_LAG: Duration = Duration::from_secs(1);

/// Trades of so short a time go out together, as they do when a market is busy.
const BURST: Duration = Duration::from_millis(1);

/// The most trades that are made in one go, so that they go out before there are more.
const MOST_AT_ONCE: usize = 5000;

/// The number of a connection that sees trades.
pub(crate) type Viewer = u64;

/// Whether trades, quotes, bars, updated and daily bars, and statuses are seen.
pub(crate) type Kinds = [bool; 6];

/// A symbol on a feed.
type Listing = (Feed, Arc<str>);

/// The trading floor.
#[derive(Debug)]
pub(crate) struct Floor {
    /// Trades per second and symbol.
    rate: f64,
    seed: u64,
    random: Random,
    viewers: HashMap<Viewer, (Feed, BTreeMap<Arc<str>, Kinds>)>,
    /// Every tape ever asked for; it goes on where it stopped.
    tapes: HashMap<Listing, Tape>,
    /// What is traded now, and who sees it.
    active: Vec<(Listing, Vec<(Viewer, Kinds)>)>,
    /// The present minute of what is traded.
    bars: HashMap<Listing, Bars>,
    /// Symbols that are not traded until further notice.
    halted: BTreeSet<String>,
    /// How long a symbol goes on being traded when nobody sees it any more.
    goes_on: Duration,
    unseen: HashMap<Listing, Instant>,
    pub(crate) ledger: Ledger,
    /// How many trades there have been.
    pub(crate) made: u64,
    /// Nothing is made up: what happens is brought from outside.
    is_quiet: bool,
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
            bars: HashMap::new(),
            halted: BTreeSet::new(),
            goes_on: Duration::ZERO,
            unseen: HashMap::new(),
            ledger: Ledger::keeping(20_000),
            made: 0,
            is_quiet: false,
            next_at: None,
            burst_until: None,
        }
    }

    /// A market that goes on for so long when nobody looks, so that there is something to miss.
    pub(crate) fn going_on(mut self, goes_on: Duration) -> Self {
        self.goes_on = goes_on;
        self
    }

    /// A market that keeps so many trades of each symbol.
    pub(crate) fn keeping(mut self, trades: usize) -> Self {
        self.ledger = Ledger::keeping(trades);
        self
    }

    /// A market that makes nothing up.
    pub(crate) fn quiet(mut self) -> Self {
        self.is_quiet = true;
        self
    }

    /// Whether anything is subscribed.
    pub(crate) fn is_watched(&self) -> bool {
        !self.active.is_empty()
    }

    /// Who sees this symbol, and what of it.
    pub(crate) fn viewers_of<'a>(&'a self, symbol: &'a str) -> impl Iterator<Item = (Feed, Viewer, Kinds)> {
        let listed = self.active.iter().filter(move |((_, one), _)| **one == *symbol);
        listed.flat_map(|((feed, _), viewers)| viewers.iter().map(|(viewer, kinds)| (*feed, *viewer, *kinds)))
    }

    /// From now on this viewer sees exactly this.
    pub(crate) fn watch(&mut self, now: Instant, viewer: Viewer, feed: Feed, wants: &Wants) {
        let mut seen: BTreeMap<Arc<str>, Kinds> = BTreeMap::new();
        for (kind, symbols) in wants.0.iter().enumerate() {
            let named = symbols.iter().map(String::as_str).filter(|s| *s != "*");
            let all = if symbols.contains("*") {
                &EVERYTHING[..]
            } else {
                &[]
            };
            for symbol in named.chain(all.iter().copied()).filter(|s| feed.trades(s)) {
                seen.entry(Arc::from(symbol)).or_default()[kind] = true;
            }
        }
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

    /// Makes all trades that are due at this time of the market, with their quotes and the bars that
    /// are over, and sorts them by viewer.
    pub(crate) fn trade(&mut self, now: Instant, clock: Timestamp) -> HashMap<Viewer, Vec<Item>> {
        let mut seen: HashMap<Viewer, Vec<Item>> = HashMap::new();
        if self.unseen.values().any(|until| *until <= now) {
            self.arrange(now);
        }
        self.burst_until = Some(now + BURST);
        let mut left = MOST_AT_ONCE;
        while let Some(at) = self.next_at.filter(|at| *at <= now) {
            if left == 0 {
                // The rest is due at once.
                self.burst_until = None;
                break;
            }
            left -= 1;
            let lag = now - at;
            self.next_at = Some(at.max(now - LONGEST_LAG.min(lag)) + self.interval());
            let index = self.random.below(self.active.len());
            let (key, viewers) = &self.active[index];
            // What is halted makes no trade, and uses up no id.
            if self.halted.contains(&*key.1) {
                continue;
            }
            let Some(tape) = self.tapes.get_mut(key) else {
                continue;
            };
            let trade = tape.trade(clock.saturating_sub(lag).unwrap_or(clock));
            self.made += 1;
            self.ledger.enter(key.0, &trade);
            let told = match self.bars.get_mut(key) {
                Some(bars) => bars.take(&trade),
                None => {
                    self.bars.insert(key.clone(), Bars::begun_by(&trade));
                    Vec::new()
                }
            };
            for (viewer, [trades, quotes, bars @ .., _]) in viewers {
                let seen = seen.entry(*viewer).or_default();
                let wanted = told.iter().filter(|item| wants_bar(*bars, item));
                seen.extend(wanted.cloned());
                seen.extend(quotes.then(|| Item::Quote(Quote::before(&trade))));
                seen.extend(trades.then(|| Item::Trade(trade.clone())));
            }
        }
        seen.retain(|_, items| !items.is_empty());
        seen
    }

    /// Halts these, or lets them be traded again; what is to be told to whom.
    pub(crate) fn halt(
        &mut self,
        symbols: &[String],
        is_halted: bool,
        at: Timestamp,
    ) -> HashMap<Viewer, Vec<Item>> {
        let mut seen: HashMap<Viewer, Vec<Item>> = HashMap::new();
        for symbol in symbols {
            if is_halted {
                self.halted.insert(symbol.clone());
            } else {
                self.halted.remove(symbol);
            }
        }
        for (viewer, (_, watched)) in &self.viewers {
            for (symbol, kinds) in watched {
                if kinds[5] && symbols.iter().any(|one| **one == **symbol) {
                    let symbol = Arc::clone(symbol);
                    let status = Status {
                        symbol,
                        is_halted,
                        at,
                    };
                    seen.entry(*viewer).or_default().push(Item::Status(status));
                }
            }
        }
        seen
    }

    /// A page of the trades made.
    pub(crate) fn page(&self, query: &Query) -> Page {
        self.ledger.page(query)
    }

    fn arrange(&mut self, now: Instant) {
        let mut active: HashMap<Listing, Vec<(Viewer, Kinds)>> = HashMap::new();
        for (viewer, (feed, symbols)) in &self.viewers {
            for (symbol, kinds) in symbols {
                let key = (*feed, Arc::clone(symbol));
                active.entry(key).or_default().push((*viewer, *kinds));
            }
        }
        for (listing, _) in &self.active {
            if !active.contains_key(listing) && !self.goes_on.is_zero() {
                self.unseen.entry(listing.clone()).or_insert(now + self.goes_on);
            }
        }
        self.unseen
            .retain(|listing, until| *until > now && !active.contains_key(listing));
        for listing in self.unseen.keys() {
            active.entry(listing.clone()).or_default();
        }
        for (feed, symbol) in active.keys() {
            let key = (*feed, Arc::clone(symbol));
            let seed = self.seed;
            let tape = self.tapes.entry(key);
            tape.or_insert_with(|| Tape::new(Arc::clone(symbol), *feed, seed));
        }
        // A minute in which nobody watched is not whole.
        self.bars.retain(|listing, _| active.contains_key(listing));
        self.active = active.into_iter().collect();
        // In a stable order, so that a seed repeats a run.
        self.active
            .sort_unstable_by(|a, b| (&a.0.1, a.0.0 as u8).cmp(&(&b.0.1, b.0.0 as u8)));
        let goes_on = !self.active.is_empty() && !self.is_quiet;
        // A change of who sees what does not put off what is due.
        self.next_at = goes_on.then(|| self.next_at.unwrap_or_else(|| now + self.interval()));
    }

    /// The time between two trades of whatever symbol.
    fn interval(&mut self) -> Duration {
        let per_second = self.rate * self.active.len() as f64;
        Duration::from_secs_f64(self.random.interval() / per_second)
    }
}

/// Whether a bar is one of those that are seen: minute, updated, daily.
fn wants_bar(seen: [bool; 3], item: &Item) -> bool {
    match item {
        Item::Bar(BarKind::Minute, _) => seen[0],
        Item::Bar(BarKind::Updated, _) => seen[1],
        Item::Bar(BarKind::Daily, _) => seen[2],
        Item::Trade(_) | Item::Quote(_) | Item::Status(_) | Item::Correction(..) | Item::Cancel(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use jiff::Timestamp;

    use super::Floor;
    use crate::channels::Wants;
    use crate::feed::Feed;
    use crate::trade::{BarKind, Item};

    /// Wants the trades of these.
    fn symbols(names: &[&str]) -> Wants {
        Wants([names, &[], &[], &[], &[], &[]].map(|names| names.iter().map(ToString::to_string).collect()))
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
            for (viewer, trades) in floor.trade(at, Timestamp::now()) {
                seen[viewer as usize] += trades.len();
                assert!(viewer == 1 || trades.iter().all(|trade| trade.symbol() == "TSLA"));
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
        let seen = floor.trade(now + Duration::from_secs(1), Timestamp::now());
        assert!(!seen[&1].is_empty());
        assert_eq!(seen[&1], seen[&2]);
    }

    #[test]
    fn quotes_come_with_trades_and_bars_after_their_minute() {
        let mut floor = Floor::new(50.0, 1);
        let now = Instant::now();
        let all = Wants([(); 6].map(|()| ["SPY".to_owned()].into()));
        floor.watch(now, 1, Feed::Iex, &all);
        let clock: Timestamp = "2025-10-08T14:29:59.5Z".parse().expect("a time");
        let mut items = Vec::new();
        for half in 1..=3_u32 {
            let later = half * Duration::from_millis(500);
            items.extend(
                floor
                    .trade(now + later, clock + later)
                    .remove(&1)
                    .expect("it is watched"),
            );
        }
        let count = |kind: fn(&Item) -> bool| items.iter().filter(|item| kind(item)).count();
        let trades = count(|item| matches!(item, Item::Trade(_)));
        assert!(trades > 40, "{trades}");
        assert_eq!(count(|item| matches!(item, Item::Quote(_))), trades);
        assert_eq!(count(|item| matches!(item, Item::Bar(BarKind::Minute, _))), 1);
        assert_eq!(count(|item| matches!(item, Item::Bar(BarKind::Daily, _))), 1);
        assert_eq!(
            count(|item| matches!(item, Item::Bar(BarKind::Updated, _))),
            0,
            "no half minute yet"
        );
    }

    #[test]
    fn a_busy_market_tells_its_trades_in_bursts() {
        let mut floor = Floor::new(100_000.0, 1);
        let now = Instant::now();
        floor.watch(now, 1, Feed::Iex, &symbols(&["AAPL"]));
        let later = now + Duration::from_millis(10);
        assert!(floor.trade(later, Timestamp::now())[&1].len() > 500);
        let next = floor.next_deadline().expect("it goes on");
        assert_eq!(next, later + Duration::from_millis(1));
    }

    #[test]
    fn a_pause_of_the_host_is_not_made_up_for() {
        let mut floor = Floor::new(10.0, 1);
        let now = Instant::now();
        floor.watch(now, 1, Feed::Iex, &symbols(&["AAPL"]));
        let seen = floor.trade(now + Duration::from_secs(3600), Timestamp::now());
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
        let seen = floor.trade(now + Duration::from_secs(1), Timestamp::now());
        assert!(seen[&1].len() > 20);
    }
}
