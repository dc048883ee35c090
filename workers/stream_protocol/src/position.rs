//! Where a client is in a symbol's trades, and what it did not get of them.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::Channel;

/// A place in the trades of one symbol. A client that names the last one it has seen when it
/// subscribes again gets what it missed, or is told that it cannot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// Which numbering: another one after the backend was started again, or had dropped the symbol.
    /// Positions of different epochs cannot be compared.
    pub epoch: String,
    /// The number of a trade (or of a gap that has one); 0 is before the first.
    pub seq: u64,
}

/// Trades that a client does not get, in the place where they would have been.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gap<'a> {
    /// The symbol, upper-case.
    pub symbol: Cow<'a, str>,
    /// The number of the first missed trade; null when they were never numbered.
    pub from: Option<u64>,
    /// The number of the last missed trade, `from` included.
    pub to: Option<u64>,
    /// How many were missed; null when nobody knows, and then it may be none.
    pub missed: Option<u64>,
    /// Where they were lost.
    pub reason: GapReason,
    /// When the last trade of any symbol came before an upstream gap, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
    /// When the upstream confirmed the symbol again, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
    /// The number of the gap itself, where it stands for trades that have none: it is replayed
    /// like a trade.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seq: Option<u64>,
    /// What of the symbol, where it is not its trades.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel: Option<Channel>,
}

/// Where trades were lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GapReason {
    /// This client reads more slowly than its symbols trade.
    Slow,
    /// There was no upstream connection.
    Upstream,
    /// The backend itself could not keep up with the upstream.
    Overrun,
    /// `since` is of another epoch, or older than what is kept.
    History,
}

impl<'a> Gap<'a> {
    /// A gap of which only the reason is known.
    pub fn unknown(symbol: impl Into<Cow<'a, str>>, reason: GapReason) -> Self {
        Self {
            symbol: symbol.into(),
            from: None,
            to: None,
            missed: None,
            reason,
            since: None,
            until: None,
            seq: None,
            channel: None,
        }
    }

    /// A gap of the trades `from..=to`, all of them missed.
    pub fn range(symbol: impl Into<Cow<'a, str>>, from: u64, to: u64, reason: GapReason) -> Self {
        Self {
            from: Some(from),
            to: Some(to),
            missed: Some(to.saturating_sub(from) + 1),
            ..Self::unknown(symbol, reason)
        }
    }
}
