//! What a connection is subscribed to, channel by channel.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::codec::Fields;
use crate::feed::Feed;
use crate::peer::Subscription;

/// Channels of stock feeds, in the order in which answers name them.
const STOCK: [&str; 8] = [
    "trades",
    "quotes",
    "bars",
    "updatedBars",
    "dailyBars",
    "statuses",
    "lulds",
    "imbalances",
];
/// Channels of the test feed.
const TEST: [&str; 3] = ["trades", "quotes", "bars"];
/// Channels of crypto.
const CRYPTO: [&str; 6] = [
    "trades",
    "quotes",
    "orderbooks",
    "bars",
    "updatedBars",
    "dailyBars",
];
/// What is made here, in the order of `Wants`.
const MADE: [&str; 6] = ["trades", "quotes", "bars", "updatedBars", "dailyBars", "statuses"];
/// Channels that follow `trades` by themselves; a client may name them, which changes nothing.
const FOLLOWING: [&str; 2] = ["corrections", "cancelErrors"];
/// The longest symbol, an option's.
const LONGEST: usize = 21;

/// The symbols whose trades, quotes, bars, updated and daily bars, and statuses are sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Wants(pub(crate) [BTreeSet<String>; 6]);

/// Why a change is not applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    InvalidSyntax,
    NotOfThisFeed,
}

/// The symbols of every channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Channels {
    feed: Feed,
    lists: Vec<(&'static str, BTreeSet<String>)>,
}

impl Channels {
    pub(crate) fn new(feed: Feed) -> Self {
        let names = match feed {
            Feed::Iex | Feed::Sip => &STOCK[..],
            Feed::Test => &TEST[..],
            Feed::Crypto => &CRYPTO[..],
        };
        let lists = names.iter().map(|name| (*name, BTreeSet::new()));
        Self {
            feed,
            lists: lists.collect(),
        }
    }

    /// With the symbols of a subscribe message.
    pub(crate) fn with(&self, fields: &Fields) -> Result<Self, Refusal> {
        self.changed(fields, |list, symbol| {
            list.insert(symbol);
        })
    }

    /// Without the symbols of an unsubscribe message.
    pub(crate) fn without(&self, fields: &Fields) -> Result<Self, Refusal> {
        self.changed(fields, |list, symbol| {
            list.remove(&symbol);
        })
    }

    /// Whether more symbols are subscribed than allowed. Only trades and quotes count; `*` is more
    /// than any number.
    pub(crate) fn exceed(&self, limit: usize) -> bool {
        let counted = self.lists.iter().take(2);
        let (mut count, mut all) = (0, false);
        for (_, symbols) in counted {
            count += symbols.len();
            all |= symbols.contains("*");
        }
        all || count > limit
    }

    /// What is to be sent.
    pub(crate) fn wants(&self) -> Wants {
        let list = |name| self.lists.iter().find(|(channel, _)| *channel == name);
        Wants(MADE.map(|name| list(name).map(|(_, symbols)| symbols.clone()).unwrap_or_default()))
    }

    /// The whole, as answers tell it. `imbalances` is named only when it is used.
    pub(crate) fn told(&self) -> Subscription {
        let list = |symbols: &BTreeSet<String>| symbols.iter().cloned().collect();
        let used = self.lists.iter();
        let used = used.filter(|(name, symbols)| *name != "imbalances" || !symbols.is_empty());
        let mut lists: Vec<(&'static str, Vec<String>)> =
            used.map(|(name, symbols)| (*name, list(symbols))).collect();
        match self.feed {
            Feed::Iex | Feed::Sip => {
                lists.extend(FOLLOWING.map(|name| (name, list(&self.lists[0].1))));
            }
            Feed::Test | Feed::Crypto => {}
        }
        Subscription(lists)
    }

    fn changed(&self, fields: &Fields, apply: fn(&mut BTreeSet<String>, String)) -> Result<Self, Refusal> {
        let mut next = self.clone();
        let mut named = 0;
        for (name, value) in fields.iter().filter(|(name, _)| *name != "action") {
            let symbols = symbols(value).ok_or(Refusal::InvalidSyntax)?;
            named += 1;
            if FOLLOWING.contains(&name.as_str()) {
                continue;
            }
            let mut lists = next.lists.iter_mut();
            let (_, list) = lists
                .find(|(channel, _)| channel == name)
                .ok_or(Refusal::NotOfThisFeed)?;
            for symbol in symbols {
                apply(list, symbol);
            }
        }
        if named == 0 {
            return Err(Refusal::InvalidSyntax);
        }
        Ok(next)
    }
}

/// The symbols of a list; `None` when it is no list of well-formed symbols.
fn symbols(value: &Value) -> Option<Vec<String>> {
    let symbol = |value: &Value| {
        let symbol = value.as_str()?;
        is_symbol(symbol).then(|| symbol.to_owned())
    };
    value.as_array()?.iter().map(symbol).collect()
}

fn is_symbol(symbol: &str) -> bool {
    let allowed = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || ".-/".contains(c);
    symbol == "*" || ((1..=LONGEST).contains(&symbol.len()) && symbol.chars().all(allowed))
}
