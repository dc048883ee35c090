//! What a client can subscribe to besides trades.

use serde::{Deserialize, Serialize};

/// A kind of market data, by Alpaca's names. Without one, trades are meant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Channel {
    /// Each trade: messages `trade`.
    #[default]
    Trades,
    /// Each change of the best offers: `quote`.
    Quotes,
    /// Bars of a minute: `bar`.
    Bars,
    /// Bars of a minute again, after late trades: `updated_bar`.
    UpdatedBars,
    /// The bar of the day so far: `daily_bar`.
    DailyBars,
    /// Halts and resumptions: `status`.
    Statuses,
    /// Limit-up-limit-down bands: `luld`.
    Lulds,
    /// Order books, of crypto only: `orderbook`.
    Orderbooks,
    /// Corrections and cancels of trades: `correction` and `cancel`.
    Corrections,
}

impl Channel {
    /// All of them, each at the place of its number.
    pub const ALL: [Self; 9] = [
        Self::Trades,
        Self::Quotes,
        Self::Bars,
        Self::UpdatedBars,
        Self::DailyBars,
        Self::Statuses,
        Self::Lulds,
        Self::Orderbooks,
        Self::Corrections,
    ];

    /// As it is written, such as `updatedBars`.
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
            Self::Corrections => "corrections",
        }
    }

    /// The channel of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|channel| channel.name() == name)
    }

    /// `None` for trades: messages about those do not name them, as they never did.
    pub fn told(self) -> Option<Self> {
        (self != Self::Trades).then_some(self)
    }

    /// The names of all, for a person.
    pub(crate) fn names() -> String {
        Self::ALL.map(Self::name).join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::Channel;

    #[test]
    fn names_are_what_serde_writes_and_places_are_numbers() {
        for (place, channel) in Channel::ALL.into_iter().enumerate() {
            let text = serde_json::to_string(&channel).expect("a word");
            assert_eq!(text, format!("{:?}", channel.name()));
            assert_eq!(Channel::named(channel.name()), Some(channel));
            assert_eq!(channel as usize, place);
        }
    }
}
