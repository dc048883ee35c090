//! What a market tells: trades, quotes, and bars, as it makes them.

use std::sync::Arc;

use jiff::Timestamp;

/// One trade.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Trade {
    pub(crate) symbol: Arc<str>,
    /// Counts up per symbol.
    pub(crate) id: u64,
    /// The exchange's one-letter code.
    pub(crate) exchange: &'static str,
    /// In dollars, to the cent.
    pub(crate) price: f64,
    /// In shares.
    pub(crate) size: u32,
    /// Sale conditions of the tape.
    pub(crate) conditions: &'static [&'static str],
    /// `A`, `B` or `C`.
    pub(crate) tape: &'static str,
    pub(crate) at: Timestamp,
}

/// The best offers at a moment, just before a trade.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Quote {
    pub(crate) symbol: Arc<str>,
    pub(crate) exchange: &'static str,
    /// In dollars, to the cent; below the ask.
    pub(crate) bid: f64,
    pub(crate) ask: f64,
    /// In round lots.
    pub(crate) bid_size: u32,
    pub(crate) ask_size: u32,
    pub(crate) tape: &'static str,
    pub(crate) at: Timestamp,
}

/// The trades of one minute.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Bar {
    pub(crate) symbol: Arc<str>,
    pub(crate) open: f64,
    pub(crate) high: f64,
    pub(crate) low: f64,
    pub(crate) close: f64,
    /// In shares.
    pub(crate) volume: u64,
    /// How many trades.
    pub(crate) count: u64,
    /// The mean price of a share.
    pub(crate) mean: f64,
    /// When the minute began.
    pub(crate) at: Timestamp,
}

/// Which bar it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BarKind {
    Minute,
    Updated,
    Daily,
}

/// A halt or a resumption.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Status {
    pub(crate) symbol: Arc<str>,
    pub(crate) is_halted: bool,
    pub(crate) at: Timestamp,
}

/// Anything that is told of a symbol.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Item {
    Trade(Trade),
    Quote(Quote),
    Bar(BarKind, Bar),
    Status(Status),
    /// The trade as it was, and the price that it should have been.
    Correction(Trade, f64),
    /// The trade never was.
    Cancel(Trade),
}

impl Item {
    pub(crate) fn symbol(&self) -> &str {
        match self {
            Self::Trade(trade) => &trade.symbol,
            Self::Quote(quote) => &quote.symbol,
            Self::Bar(_, bar) => &bar.symbol,
            Self::Status(status) => &status.symbol,
            Self::Correction(trade, _) | Self::Cancel(trade) => &trade.symbol,
        }
    }
}

impl Item {
    /// When it happened.
    pub(crate) fn at(&self) -> Timestamp {
        match self {
            Self::Trade(trade) | Self::Correction(trade, _) | Self::Cancel(trade) => trade.at,
            Self::Quote(quote) => quote.at,
            Self::Bar(_, bar) => bar.at,
            Self::Status(status) => status.at,
        }
    }

    /// It happened at another time.
    pub(crate) fn set_at(&mut self, at: Timestamp) {
        match self {
            Self::Trade(trade) | Self::Correction(trade, _) | Self::Cancel(trade) => trade.at = at,
            Self::Quote(quote) => quote.at = at,
            Self::Bar(_, bar) => bar.at = at,
            Self::Status(status) => status.at = at,
        }
    }

    /// The id of the trade that it is, or is about.
    pub(crate) fn id(&self) -> Option<u64> {
        match self {
            Self::Trade(trade) | Self::Correction(trade, _) | Self::Cancel(trade) => Some(trade.id),
            Self::Quote(_) | Self::Bar(..) | Self::Status(_) => None,
        }
    }

    /// It has another id, by so much higher.
    pub(crate) fn add_to_id(&mut self, step: u64) {
        match self {
            Self::Trade(trade) | Self::Correction(trade, _) | Self::Cancel(trade) => {
                trade.id = trade.id.wrapping_add(step);
            }
            Self::Quote(_) | Self::Bar(..) | Self::Status(_) => {}
        }
    }
}

impl Quote {
    /// The quote that this trade met: it bought at the ask or sold at the bid.
    pub(crate) fn before(trade: &Trade) -> Self {
        let cents = |cents: f64| (trade.price * 100.0 + cents).round().max(1.0) / 100.0;
        let (bid, ask) = if trade.id.is_multiple_of(2) {
            (0.0, 1.0)
        } else {
            (-1.0, 0.0)
        };
        let lots = |n: u64| 1 + u32::try_from((trade.id * n) % 9).unwrap_or_default();
        Self {
            symbol: Arc::clone(&trade.symbol),
            exchange: trade.exchange,
            bid: cents(bid),
            ask: cents(ask).max(cents(bid) + 0.01),
            bid_size: lots(5),
            ask_size: lots(7),
            tape: trade.tape,
            at: trade.at,
        }
    }
}

impl Bar {
    /// The bar of a minute that begins with this trade.
    pub(crate) fn begun_by(trade: &Trade) -> Self {
        let mut bar = Self {
            symbol: Arc::clone(&trade.symbol),
            open: trade.price,
            high: trade.price,
            low: trade.price,
            close: trade.price,
            volume: 0,
            count: 0,
            mean: 0.0,
            at: minute(trade.at),
        };
        bar.add(trade);
        bar
    }

    /// Takes one more trade; the bar that is over when the trade belongs to a later minute.
    pub(crate) fn take(&mut self, trade: &Trade) -> Option<Self> {
        if minute(trade.at) > self.at {
            return Some(std::mem::replace(self, Self::begun_by(trade)));
        }
        self.add(trade);
        None
    }

    /// Takes one more trade, whenever it was.
    pub(crate) fn join(&mut self, trade: &Trade) {
        self.add(trade);
    }

    /// A share more at its last price: what a late trade does.
    pub(crate) fn take_late(&mut self, trade: &Trade) {
        let price = self.close;
        self.add(&Trade {
            price,
            size: 1,
            ..trade.clone()
        });
    }

    fn add(&mut self, trade: &Trade) {
        self.high = self.high.max(trade.price);
        self.low = self.low.min(trade.price);
        self.close = trade.price;
        let before = self.volume as f64;
        self.volume += u64::from(trade.size);
        self.count += 1;
        let paid = self.mean * before + trade.price * f64::from(trade.size);
        self.mean = paid / self.volume as f64;
    }
}

fn minute(at: Timestamp) -> Timestamp {
    let second = at.as_second();
    Timestamp::from_second(second - second.rem_euclid(60)).unwrap_or(at)
}

#[cfg(test)]
mod tests {
    use super::{Bar, Quote, Trade};

    fn trade(id: u64, price: f64, size: u32, at: &str) -> Trade {
        Trade {
            symbol: "SPY".into(),
            id,
            exchange: "V",
            price,
            size,
            conditions: &["@"],
            tape: "B",
            at: at.parse().expect("a time"),
        }
    }

    #[test]
    fn a_bar_is_told_when_its_minute_is_over() {
        let mut bar = Bar::begun_by(&trade(1, 10.0, 100, "2025-10-08T14:29:05Z"));
        assert_eq!(bar.take(&trade(2, 12.0, 300, "2025-10-08T14:29:59.9Z")), None);
        assert_eq!(bar.take(&trade(3, 9.0, 100, "2025-10-08T14:29:59.99Z")), None);
        let told = bar
            .take(&trade(4, 11.0, 1, "2025-10-08T14:30:00Z"))
            .expect("it is over");
        assert_eq!(
            (told.open, told.high, told.low, told.close),
            (10.0, 12.0, 9.0, 9.0)
        );
        assert_eq!((told.volume, told.count, told.mean), (500, 3, 11.0));
        assert_eq!(told.at.to_string(), "2025-10-08T14:29:00Z");
        assert_eq!((bar.open, bar.count), (11.0, 1));
    }

    #[test]
    fn a_quote_surrounds_its_trade_and_is_not_crossed() {
        for id in 1..50 {
            let made = trade(id, 0.01 + id as f64, 1, "2025-10-08T14:29:05Z");
            let quote = Quote::before(&made);
            assert!(quote.bid < quote.ask);
            assert!(quote.bid <= made.price && made.price <= quote.ask, "{quote:?}");
        }
    }
}
