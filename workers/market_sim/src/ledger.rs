//! The trades that were made, for those who ask later. Pure.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

use jiff::Timestamp;
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use crate::feed::Feed;
use crate::trade::Trade;

/// Trades whose times may be out of order, at a million a second.
const UNSORTED: usize = 2000;
/// Alpaca's limits for `limit`, and what it takes without one.
const LARGEST_PAGE: usize = 10_000;
const PAGE: usize = 1000;

/// All trades of late.
#[derive(Debug)]
pub(crate) struct Ledger {
    books: HashMap<(Feed, Arc<str>), VecDeque<Trade>>,
    /// The most trades that are kept of one symbol on one feed; the oldest go first.
    keep: usize,
}

/// What somebody asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Query {
    feed: Feed,
    /// In alphabetical order, which is that of the pages.
    symbols: Vec<String>,
    start: Timestamp,
    end: Timestamp,
    limit: usize,
    /// The symbol and id of the last trade of the page before.
    after: Option<(String, u64)>,
    latest: bool,
}

/// Why it cannot be answered.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Refusal(pub(crate) String);

/// One page of trades, symbol after symbol, in the order in which they were made.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Page {
    pub(crate) trades: BTreeMap<String, Vec<Past>>,
    pub(crate) next_page_token: Option<String>,
}

/// A trade as REST tells it.
#[derive(Debug)]
pub(crate) struct Past(pub(crate) Trade);

impl Serialize for Past {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(trade) = self;
        let mut map = serializer.serialize_map(Some(7))?;
        map.serialize_entry("t", &trade.at.to_string())?;
        map.serialize_entry("x", trade.exchange)?;
        map.serialize_entry("p", &trade.price)?;
        map.serialize_entry("s", &trade.size)?;
        map.serialize_entry("c", trade.conditions)?;
        map.serialize_entry("i", &trade.id)?;
        map.serialize_entry("z", trade.tape)?;
        map.end()
    }
}

impl Ledger {
    pub(crate) fn keeping(keep: usize) -> Self {
        Self {
            books: HashMap::new(),
            keep: keep.max(1),
        }
    }

    pub(crate) fn enter(&mut self, feed: Feed, trade: &Trade) {
        let book = self.books.entry((feed, Arc::clone(&trade.symbol))).or_default();
        while book.len() >= self.keep {
            book.pop_front();
        }
        book.push_back(trade.clone());
    }

    pub(crate) fn page(&self, query: &Query) -> Page {
        let mut page = Page::default();
        let mut left = query.limit;
        for symbol in &query.symbols {
            let Some(book) = self.books.get(&(query.feed, Arc::from(symbol.as_str()))) else {
                continue;
            };
            if query.latest {
                let newest = book.back().into_iter().cloned().map(Past).collect();
                page.trades.insert(symbol.clone(), newest);
                continue;
            }
            // Ids and times count up, times but for the digits that a venue leaves out.
            let id = query.after_in(symbol);
            let of_id = book.partition_point(|trade| trade.id <= id);
            let of_time = book.partition_point(|trade| trade.at < query.start);
            let first = of_id.max(of_time.saturating_sub(UNSORTED));
            for trade in book.range(first..).filter(|trade| query.includes(symbol, trade)) {
                if left == 0 {
                    page.next_page_token = page.last();
                    return page;
                }
                left -= 1;
                let told = page.trades.entry(symbol.clone()).or_default();
                told.push(Past(trade.clone()));
            }
        }
        page
    }
}

impl Page {
    fn last(&self) -> Option<String> {
        let (symbol, trades) = self.trades.last_key_value()?;
        Some(format!("{symbol}:{}", trades.last()?.0.id))
    }
}

impl Query {
    /// From the fields of a request; `latest` asks for the newest trade of each symbol.
    pub(crate) fn read(fields: &BTreeMap<String, String>, latest: bool) -> Result<Self, Refusal> {
        let bad = |name: &str, value: &str| Refusal(format!("invalid {name}: {value:?}"));
        let field = |name: &str| fields.get(name).map(String::as_str);
        let time = |name: &str, default: Timestamp| match field(name) {
            None => Ok(default),
            Some(text) => text.parse().map_err(|_| bad(name, text)),
        };
        let listed = field("symbols").unwrap_or_default();
        let mut symbols: Vec<String> = listed
            .split(',')
            .filter(|s| !s.is_empty())
            .map(Into::into)
            .collect();
        symbols.sort_unstable();
        symbols.dedup();
        if symbols.is_empty() {
            return Err(Refusal("symbols is required".into()));
        }
        let feed = match field("feed") {
            Some("iex") => Feed::Iex,
            None | Some("sip") => Feed::Sip,
            Some("test") => Feed::Test,
            Some("crypto") => Feed::Crypto,
            Some(other) => return Err(bad("feed", other)),
        };
        let limit = match field("limit") {
            None => PAGE,
            Some(text) => {
                let number = text.parse().ok().filter(|n| (1..=LARGEST_PAGE).contains(n));
                number.ok_or_else(|| bad("limit", text))?
            }
        };
        let after = match field("page_token") {
            None | Some("") => None,
            Some(token) => Some(read_token(token).ok_or_else(|| bad("page_token", token))?),
        };
        Ok(Self {
            feed,
            symbols,
            start: time("start", Timestamp::MIN)?,
            end: time("end", Timestamp::MAX)?,
            limit,
            after,
            latest,
        })
    }

    /// Ids of this symbol up to this were on the pages before.
    fn after_in(&self, symbol: &str) -> u64 {
        match &self.after {
            Some((last, id)) if last == symbol => *id,
            Some(_) | None => 0,
        }
    }

    fn includes(&self, symbol: &str, trade: &Trade) -> bool {
        let is_after = match &self.after {
            Some((last, id)) => (symbol, trade.id) > (last.as_str(), *id),
            None => true,
        };
        is_after && (self.start..=self.end).contains(&trade.at)
    }
}

fn read_token(token: &str) -> Option<(String, u64)> {
    let (symbol, id) = token.split_once(':')?;
    Some((symbol.to_owned(), id.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::{Ledger, Query};
    use crate::feed::Feed;
    use crate::tape::Tape;

    fn fields(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        let owned = pairs
            .iter()
            .map(|(name, value)| ((*name).into(), (*value).into()));
        owned.collect()
    }

    fn ledger() -> Ledger {
        let mut ledger = Ledger::keeping(100);
        for symbol in ["AAPL", "TSLA"] {
            let mut tape = Tape::new(symbol.into(), Feed::Iex, 1);
            for second in 0..10 {
                let at = jiff::Timestamp::new(second, 0).expect("a time");
                ledger.enter(Feed::Iex, &tape.trade(at));
            }
        }
        ledger
    }

    #[test]
    fn pages_follow_each_other_without_a_gap_or_a_double() {
        let ledger = ledger();
        let mut seen = Vec::new();
        let mut token = String::new();
        loop {
            let asked = [
                ("symbols", "TSLA,AAPL,NONE"),
                ("feed", "iex"),
                ("limit", "7"),
                ("page_token", &token),
            ];
            let page = ledger.page(&Query::read(&fields(&asked), false).expect("well formed"));
            for (symbol, trades) in &page.trades {
                seen.extend(trades.iter().map(|trade| (symbol.clone(), trade.0.id)));
            }
            match page.next_page_token {
                Some(next) => token = next,
                None => break,
            }
        }
        let expected: Vec<_> = ["AAPL", "TSLA"]
            .iter()
            .flat_map(|symbol| (1..=10).map(|id| (symbol.to_string(), id)))
            .collect();
        assert_eq!(seen, expected);
    }

    #[test]
    fn times_and_feeds_limit_what_is_told_and_the_latest_is_the_newest() {
        let ledger = ledger();
        let asked = [
            ("symbols", "AAPL"),
            ("feed", "iex"),
            ("start", "1970-01-01T00:00:03Z"),
            ("end", "1970-01-01T00:00:05Z"),
        ];
        let count = |asked: &[(&str, &str)], latest| {
            let page = ledger.page(&Query::read(&fields(asked), latest).expect("well formed"));
            page.trades.get("AAPL").map_or(0, Vec::len)
        };
        assert_eq!(count(&asked, false), 3);
        assert_eq!(count(&[("symbols", "AAPL")], false), 0, "sip saw nothing");
        assert_eq!(count(&asked, true), 1);
    }

    #[test]
    fn what_cannot_be_answered_is_refused_by_name() {
        for (name, value) in [
            ("limit", "0"),
            ("limit", "10001"),
            ("start", "noon"),
            ("feed", "x"),
            ("page_token", "x"),
        ] {
            let refusal = Query::read(&fields(&[("symbols", "A"), (name, value)]), false);
            assert!(refusal.expect_err(name).0.contains(name));
        }
        assert!(Query::read(&fields(&[("feed", "iex")]), false).is_err());
    }
}
