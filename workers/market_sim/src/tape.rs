//! One symbol's made-up trades: a random walk around a price that belongs to the symbol.

use std::sync::Arc;

use jiff::Timestamp;

use crate::feed::Feed;
use crate::random::Random;
use crate::trade::Trade;

/// Prices of 2025 and the tape of what people try first; any other symbol gets both from its name.
const KNOWN: [(&str, f64, &str); 12] = [
    ("AAPL", 230.0, "C"),
    ("AMD", 160.0, "C"),
    ("AMZN", 215.0, "C"),
    ("FAKEPACA", 134.0, "C"),
    ("GOOGL", 180.0, "C"),
    ("META", 640.0, "C"),
    ("MSFT", 430.0, "C"),
    ("NVDA", 140.0, "C"),
    ("PLTR", 75.0, "C"),
    ("QQQ", 520.0, "C"),
    ("SPY", 600.0, "B"),
    ("TSLA", 340.0, "C"),
];
/// Deviation of the price from one trade to the next, and the share of its distance from home that
/// it goes back: together they keep the price within a few percent of home.
const STEP: f64 = 0.0002;
const PULL: f64 = 0.0001;
/// Where trades happen, about as often as in reality; `D` is off-exchange.
const EXCHANGES: [&str; 16] = [
    "D", "D", "D", "D", "D", "D", "Q", "Q", "Q", "P", "K", "N", "Z", "V", "U", "B",
];
/// Digits of a second by which venues stamp trades, in nanoseconds.
const GRAINS: [i32; 4] = [1, 1, 1_000, 1_000_000];

/// The tape of one symbol on one feed.
#[derive(Debug)]
pub(crate) struct Tape {
    symbol: Arc<str>,
    feed: Feed,
    home: f64,
    price: f64,
    listing: &'static str,
    next_id: u64,
    random: Random,
}

impl Tape {
    pub(crate) fn new(symbol: Arc<str>, feed: Feed, seed: u64) -> Self {
        let mut character = Random::named(0, &symbol);
        // Between 5 and 500 dollars, low prices as often as high ones.
        let from_name = 5.0 * 100_f64.powf(character.fraction());
        let listing = ["A", "B", "C", "C"][character.below(4)];
        let known = KNOWN.iter().find(|(name, ..)| **name == *symbol);
        let (home, listing) = known.map_or((from_name, listing), |(_, price, tape)| (*price, *tape));
        Self {
            listing,
            random: Random::named(seed, &symbol),
            symbol,
            feed,
            home,
            price: home,
            next_id: 1,
        }
    }

    /// The next trade, at this time.
    pub(crate) fn trade(&mut self, at: Timestamp) -> Trade {
        let random = &mut self.random;
        self.price += self.price * STEP * random.normal() + (self.home - self.price) * PULL;
        let id = self.next_id;
        self.next_id += 1;
        let odd_lot = random.fraction() < 0.6;
        let size = if odd_lot {
            1 + random.below(99)
        } else {
            100 * (1 + random.below(5))
        };
        let sweep = random.fraction() < 0.2;
        Trade {
            symbol: Arc::clone(&self.symbol),
            id,
            exchange: match self.feed {
                Feed::Iex => "V",
                Feed::Crypto => "",
                Feed::Sip | Feed::Test => EXCHANGES[random.below(EXCHANGES.len())],
            },
            price: (self.price.max(0.01) * 100.0).round() / 100.0,
            // At most 500.
            size: size as u32,
            conditions: match (sweep, odd_lot) {
                (false, false) => &["@"],
                (false, true) => &["@", "I"],
                (true, false) => &["@", "F"],
                (true, true) => &["@", "F", "I"],
            },
            tape: self.listing,
            at: coarse(at, GRAINS[random.below(GRAINS.len())]),
        }
    }
}

/// `at` to a number of whole grains, so that its text has fewer digits.
fn coarse(at: Timestamp, grain: i32) -> Timestamp {
    let nanosecond = at.subsec_nanosecond();
    Timestamp::new(at.as_second(), nanosecond - nanosecond % grain).unwrap_or(at)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use jiff::Timestamp;

    use super::Tape;
    use crate::feed::Feed;

    fn tape(symbol: &str, feed: Feed) -> Tape {
        Tape::new(symbol.into(), feed, 1)
    }

    fn now() -> Timestamp {
        "2025-12-14T10:30:45.123456789Z".parse().expect("a time")
    }

    #[test]
    fn prices_stay_plausible_and_move() {
        for symbol in ["AAPL", "F", "ZZZZ", "BRK.B"] {
            let mut tape = tape(symbol, Feed::Sip);
            let home = tape.home;
            let prices: Vec<f64> = (0..20_000).map(|_| tape.trade(now()).price).collect();
            assert!(
                prices
                    .iter()
                    .all(|price| (price / home - 1.0).abs() < 0.2 && *price > 1.0)
            );
            let different: HashSet<u64> = prices.iter().map(|price| price.to_bits()).collect();
            assert!(different.len() > 10, "{symbol}: {different:?}");
        }
    }

    #[test]
    fn ids_count_up_and_a_seed_repeats_the_tape() {
        let (mut one, mut same) = (tape("AAPL", Feed::Sip), tape("AAPL", Feed::Sip));
        for id in 1..100 {
            let trade = one.trade(now());
            assert_eq!(trade.id, id);
            assert_eq!(trade, same.trade(now()));
        }
    }

    #[test]
    fn timestamps_vary_in_length_and_iex_is_one_exchange() {
        let mut tape = tape("AAPL", Feed::Iex);
        let trades: Vec<_> = (0..100).map(|_| tape.trade(now())).collect();
        let lengths: HashSet<usize> = trades.iter().map(|t| t.at.to_string().len()).collect();
        assert_eq!(lengths, HashSet::from([30, 27, 24]));
        assert!(trades.iter().all(|trade| trade.exchange == "V"));
    }
}
