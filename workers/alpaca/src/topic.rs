//! What can be subscribed to: a channel of a symbol.

use std::fmt;

/// A kind of market data, as Alpaca divides it. Corrections and cancels come with the trades of
/// stock feeds by themselves, so they are none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Channel {
    /// Each trade.
    Trades,
    /// Each change of the best offers.
    Quotes,
    /// Bars of a minute, after it.
    Bars,
    /// Bars of a minute again, when late trades changed them.
    UpdatedBars,
    /// The bar of the day so far, each minute.
    DailyBars,
    /// Halts and resumptions; of stock feeds only.
    Statuses,
    /// Limit-up-limit-down bands; of stock feeds only.
    Lulds,
    /// Order books; of crypto only.
    Orderbooks,
}

impl Channel {
    /// All of them, each at the place of its number.
    pub const ALL: [Self; 8] = [
        Self::Trades,
        Self::Quotes,
        Self::Bars,
        Self::UpdatedBars,
        Self::DailyBars,
        Self::Statuses,
        Self::Lulds,
        Self::Orderbooks,
    ];

    /// As it is called on the wire, such as `updatedBars`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Trades => "trades",
            Self::Quotes => "quotes",
            Self::Bars => "bars",
            Self::UpdatedBars => "updatedBars",
            Self::DailyBars => "dailyBars",
            Self::Statuses => "statuses",
            Self::Lulds => "lulds",
            Self::Orderbooks => "orderbooks",
        }
    }

    /// The channel of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|channel| channel.name() == name)
    }

    /// Whether its silence says something about the feed: the others may be silent for days.
    pub(crate) fn is_lively(self) -> bool {
        match self {
            Self::Trades | Self::Quotes | Self::Bars | Self::Orderbooks => true,
            Self::UpdatedBars | Self::DailyBars | Self::Statuses | Self::Lulds => false,
        }
    }
}

/// A channel of a symbol. `Display` writes `AAPL`, or `AAPL quotes` where it is not the trades.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Topic {
    /// The symbol, upper-case.
    pub symbol: String,
    /// What of it.
    pub channel: Channel,
}

impl Topic {
    /// A channel of this symbol, whose letters become capitals.
    pub fn new(channel: Channel, symbol: impl Into<String>) -> Self {
        let mut symbol = symbol.into();
        symbol.make_ascii_uppercase();
        Self { symbol, channel }
    }

    /// The trades of this symbol.
    pub fn trades(symbol: impl Into<String>) -> Self {
        Self::new(Channel::Trades, symbol)
    }

    /// Whether it is about trades.
    pub fn is_trades(&self) -> bool {
        self.channel == Channel::Trades
    }
}

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.channel {
            Channel::Trades => f.write_str(&self.symbol),
            other => write!(f, "{} {}", self.symbol, other.name()),
        }
    }
}

/// `AAPL, TSLA quotes`
pub fn list(topics: &[Topic]) -> String {
    let names: Vec<String> = topics.iter().map(ToString::to_string).collect();
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::{Channel, Topic, list};

    #[test]
    fn channels_have_alpacas_names_and_their_own_places() {
        for (place, channel) in Channel::ALL.into_iter().enumerate() {
            assert_eq!(Channel::named(channel.name()), Some(channel));
            assert_eq!(channel as usize, place);
        }
        assert_eq!(Channel::named("corrections"), None);
    }

    #[test]
    fn trades_go_without_saying() {
        let topics = [Topic::trades("aapl"), Topic::new(Channel::Quotes, "TSLA")];
        assert_eq!(list(&topics), "AAPL, TSLA quotes");
    }
}
