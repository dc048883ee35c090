//! What a connection tells those who use it.

use std::ops::Deref;
use std::time::{Duration, Instant};

use stream_protocol::Number;

use crate::datum::Datum;
use crate::{Exchange, Topic};

/// A fact about the connection, or the data that it carries.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// Trades, in the order Alpaca sent them; never empty. For a short while after an unsubscribe
    /// trades of that symbol may still come.
    Trades(Batch),
    /// Quotes, bars, statuses, corrections and cancels, in the order Alpaca sent them; never empty.
    Data(Vec<Datum>),
    /// Authenticated; what is desired is being subscribed.
    Connected,
    /// The connection is gone. Unless `Fatal` follows it is being made again, and everything that
    /// was desired still is.
    Disconnected {
        /// One sentence for a person.
        reason: String,
    },
    /// Alpaca confirmed these, which it had not before on this connection.
    Subscribed {
        /// In alphabetical order.
        topics: Vec<Topic>,
    },
    /// These symbols were silent for longer than chance can explain while others were not. Their trades
    /// are subscribed anew, and `Subscribed` follows; what was made meanwhile may be missing.
    Muted {
        /// In alphabetical order, each with its silence.
        symbols: Vec<(String, Duration)>,
    },
    /// These symbols were silent for longer than chance can explain, and trades come again by themselves:
    /// what was made meanwhile may be missing.
    Paused {
        /// Each with its silence.
        symbols: Vec<(String, Duration)>,
    },
    /// Of any symbol something may be missing that was made within this time: a message could not be read
    /// (then the time is zero), or data comes again on a connection that was made because the feed was
    /// mute, and was mute itself for so long.
    Doubted {
        /// How long ago all was well.
        silence: Duration,
    },
    /// Alpaca will not send these. They are no longer desired; the others are not affected.
    Refused {
        /// In alphabetical order.
        topics: Vec<Topic>,
        /// Alpaca's code: 400 for what is no symbol, 405 over the plan's limit, 410 for a channel
        /// that the feed does not have.
        code: u16,
        /// Alpaca's own words, or ours where it said nothing.
        message: String,
    },
    /// Given up, for good: only a person can help (credentials, plan, address).
    Fatal {
        /// Alpaca's code, such as 402; or the HTTP status of the upgrade.
        code: u16,
        /// What to do about it.
        message: String,
    },
}

/// Trades that came together.
#[derive(Clone, Debug, PartialEq)]
pub struct Batch {
    /// When they were read from the socket.
    pub received: Instant,
    /// At least one.
    pub trades: Vec<Trade>,
}

impl Deref for Batch {
    type Target = [Trade];

    fn deref(&self) -> &[Trade] {
        &self.trades
    }
}

/// One trade.
#[derive(Clone, Debug, PartialEq)]
pub struct Trade {
    /// The symbol, upper-case.
    pub symbol: String,
    /// The exchange's id of this trade; unique together with symbol and exchange, 0 if not sent.
    pub id: u64,
    /// Where it happened.
    pub exchange: Exchange,
    /// Price in dollars, as written.
    pub price: Number,
    /// Shares, as written; whole for stocks.
    pub size: Number,
    /// Sale condition codes, such as `@` and `I`.
    pub conditions: Vec<String>,
    /// When it happened: RFC 3339 as sent, up to nine digits of a second.
    pub timestamp: String,
    /// The tape: `A`, `B` or `C`; empty for crypto.
    pub tape: String,
    /// Who took the offer, `B` or `S`, where that is told: of crypto only.
    pub taker: String,
}
