//! What the server tells a client.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{BadRequest, Channel, Gap, Health, Number, Position};

/// A message of the server. Borrows where it can, so that a trade is written without copies.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ServerMessage<'a> {
    /// A trade of a symbol the client is subscribed to.
    Trade {
        /// The symbol, upper-case.
        symbol: Cow<'a, str>,
        /// The trade itself.
        data: TradeData<'a>,
        /// True for a trade that was fetched later, to fill a gap: it may be older than the one before.
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        backfill: bool,
        /// Its number within the symbol and the epoch that `subscribed` named, one more than that
        /// of the message before.
        #[serde(skip_serializing_if = "Option::is_none")]
        seq: Option<u64>,
    },
    /// The subscription stands.
    Subscribed {
        /// The symbol, upper-case.
        symbol: Cow<'a, str>,
        /// For a person.
        message: String,
        /// Where the symbol's numbering is: the next trade has the number after this one's, unless
        /// earlier ones are replayed first.
        #[serde(flatten)]
        position: Option<Position>,
        /// The answer to `since`: true when all that came after it follows, false when nothing
        /// of it does and a `gap` says so.
        #[serde(skip_serializing_if = "Option::is_none")]
        recovered: Option<bool>,
        /// What of the symbol, where it is not its trades.
        #[serde(skip_serializing_if = "Option::is_none")]
        channel: Option<Channel>,
    },
    /// Trades that this client does not get.
    Gap(Gap<'a>),
    /// Nothing else was to be told for a while; only sent to clients that asked for it.
    Heartbeat {
        /// The upstream connection is authenticated and in use.
        alpaca_connected: bool,
        /// What the upstream connection is doing, such as `LIVE` or `SLOT_HELD`.
        state: Cow<'a, str>,
        /// Seconds since the last trade of any symbol; null while there is no connection.
        silence_s: Option<f64>,
    },
    /// The subscription has ended.
    Unsubscribed {
        /// The symbol, upper-case.
        symbol: Cow<'a, str>,
        /// For a person.
        message: String,
        /// What of the symbol, where it is not its trades.
        #[serde(skip_serializing_if = "Option::is_none")]
        channel: Option<Channel>,
    },
    /// The upstream is not connected; the subscription is kept and takes effect by itself.
    Connecting {
        /// The symbol, upper-case.
        symbol: Cow<'a, str>,
        /// For a person.
        message: String,
    },
    /// The answer to `ping`.
    Pong {
        /// The upstream connection is authenticated and in use.
        alpaca_connected: bool,
    },
    /// The answer to `health`.
    Health(Box<Health>),
    /// Order updates are sent from now on.
    OrdersSubscribed {
        /// For a person.
        message: String,
    },
    /// Order updates are no longer sent.
    OrdersUnsubscribed {
        /// For a person.
        message: String,
    },
    /// Order updates may have been missed, since there was no connection: ask Alpaca for the orders.
    OrdersGap {
        /// Since when, RFC 3339.
        since: String,
        /// Until when.
        until: String,
    },
    /// The answer to `reconnect`.
    ReconnectInitiated {
        /// For a person.
        message: String,
    },
    /// A message could not be used, or a subscription was refused; the connection stays open.
    Error {
        /// `bad_request`, or what else went wrong, for programs.
        code: Cow<'a, str>,
        /// For a person.
        message: String,
    },
}

/// A trade. What the upstream wrote is passed on as it was written.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TradeData<'a> {
    /// When it happened, RFC 3339, with as many digits as the upstream sent.
    pub timestamp: Cow<'a, str>,
    /// Price in dollars.
    pub price: Cow<'a, Number>,
    /// Shares, whole for stocks.
    pub size: Cow<'a, Number>,
    /// The exchange's name, or its code where the name is unknown.
    pub exchange: Cow<'a, str>,
    /// Sale condition codes, such as `@` and `I`.
    pub conditions: Cow<'a, [String]>,
}

/// A message that is not one of the server's.
#[derive(Debug)]
pub struct Unreadable(String);

impl<'a> ServerMessage<'a> {
    /// `Subscribed to AAPL trades`
    pub fn subscribed(symbol: &'a str) -> Self {
        Self::Subscribed {
            symbol: symbol.into(),
            message: format!("Subscribed to {symbol} trades"),
            position: None,
            recovered: None,
            channel: None,
        }
    }

    /// The same with the place in the symbol's numbering, and the answer to `since` if it was asked.
    pub fn subscribed_at(
        channel: Channel,
        symbol: &'a str,
        position: Position,
        recovered: Option<bool>,
    ) -> Self {
        Self::Subscribed {
            symbol: symbol.into(),
            message: format!("Subscribed to {symbol} {}", channel.name()),
            position: Some(position),
            recovered,
            channel: channel.told(),
        }
    }

    /// `Unsubscribed from AAPL trades`
    pub fn unsubscribed(channel: Channel, symbol: &'a str) -> Self {
        Self::Unsubscribed {
            symbol: symbol.into(),
            message: format!("Unsubscribed from {symbol} {}", channel.name()),
            channel: channel.told(),
        }
    }

    /// The upstream is not there yet, the subscription waits for it.
    pub fn connecting(symbol: &'a str) -> Self {
        Self::Connecting {
            symbol: symbol.into(),
            message: format!(
                "Connecting to Alpaca stream for {symbol}. \
                 Subscription will be activated when ready."
            ),
        }
    }

    /// The upstream connection is being made anew.
    pub fn reconnect_initiated() -> Self {
        Self::ReconnectInitiated {
            message: "Reconnecting to Alpaca stream. Subscriptions are kept.".into(),
        }
    }

    /// The text frame. Made once, it can be sent to every client.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("every message has only text keys")
    }

    /// What a text frame of the server says its `type` is, whatever else it says.
    pub fn type_of(text: &str) -> Option<Cow<'_, str>> {
        let tag: Tag<'_> = read(text).ok()?;
        Some(tag.r#type)
    }

    /// Reads a text frame of the server. Fields this version does not know are ignored.
    pub fn parse(text: &str) -> Result<ServerMessage<'static>, Unreadable> {
        let tag: Tag<'_> = read(text)?;
        match tag.r#type.as_ref() {
            "trade" => read(text).map(Trade::into_message),
            _ => read(text).map(Plain::into_message),
        }
    }
}

impl From<BadRequest> for ServerMessage<'static> {
    fn from(BadRequest(message): BadRequest) -> Self {
        Self::Error {
            code: "bad_request".into(),
            message,
        }
    }
}

fn read<'t, T: Deserialize<'t>>(text: &'t str) -> Result<T, Unreadable> {
    serde_json::from_str(text).map_err(|error| Unreadable(error.to_string()))
}

#[derive(Deserialize)]
struct Tag<'a> {
    #[serde(borrow)]
    r#type: Cow<'a, str>,
}

/// A trade is read apart: a tagged enum would turn its numbers into floats first.
#[derive(Deserialize)]
struct Trade {
    symbol: String,
    data: TradeData<'static>,
    #[serde(default)]
    backfill: bool,
    seq: Option<u64>,
}

impl Trade {
    fn into_message(self) -> ServerMessage<'static> {
        ServerMessage::Trade {
            symbol: self.symbol.into(),
            data: self.data,
            backfill: self.backfill,
            seq: self.seq,
        }
    }
}

/// Every message but `trade`.
#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Plain {
    Subscribed(Subscribed),
    Gap(Gap<'static>),
    Heartbeat(Heartbeat),
    Unsubscribed(Unsubscribed),
    OrdersSubscribed { message: String },
    OrdersUnsubscribed { message: String },
    OrdersGap { since: String, until: String },
    Connecting { symbol: String, message: String },
    Pong { alpaca_connected: bool },
    Health(Box<Health>),
    ReconnectInitiated { message: String },
    Error { code: String, message: String },
}

#[derive(Deserialize)]
struct Subscribed {
    symbol: String,
    message: String,
    epoch: Option<String>,
    seq: Option<u64>,
    recovered: Option<bool>,
    channel: Option<Channel>,
}

#[derive(Deserialize)]
struct Unsubscribed {
    symbol: String,
    message: String,
    channel: Option<Channel>,
}

#[derive(Deserialize)]
struct Heartbeat {
    alpaca_connected: bool,
    state: String,
    silence_s: Option<f64>,
}

impl From<Subscribed> for ServerMessage<'static> {
    fn from(read: Subscribed) -> Self {
        let at = read.epoch.zip(read.seq);
        Self::Subscribed {
            symbol: read.symbol.into(),
            message: read.message,
            position: at.map(|(epoch, seq)| Position { epoch, seq }),
            recovered: read.recovered,
            channel: read.channel,
        }
    }
}

impl Plain {
    fn into_message(self) -> ServerMessage<'static> {
        match self {
            Self::Subscribed(read) => read.into(),
            Self::Gap(gap) => ServerMessage::Gap(gap),
            Self::Heartbeat(read) => ServerMessage::Heartbeat {
                alpaca_connected: read.alpaca_connected,
                state: read.state.into(),
                silence_s: read.silence_s,
            },
            Self::Unsubscribed(read) => ServerMessage::Unsubscribed {
                symbol: read.symbol.into(),
                message: read.message,
                channel: read.channel,
            },
            Self::OrdersSubscribed { message } => ServerMessage::OrdersSubscribed { message },
            Self::OrdersUnsubscribed { message } => ServerMessage::OrdersUnsubscribed { message },
            Self::OrdersGap { since, until } => ServerMessage::OrdersGap { since, until },
            Self::Connecting { symbol, message } => ServerMessage::Connecting {
                symbol: symbol.into(),
                message,
            },
            Self::Pong { alpaca_connected } => ServerMessage::Pong { alpaca_connected },
            Self::Health(health) => ServerMessage::Health(health),
            Self::ReconnectInitiated { message } => ServerMessage::ReconnectInitiated { message },
            Self::Error { code, message } => ServerMessage::Error {
                code: code.into(),
                message,
            },
        }
    }
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not a message of the stream: {}", self.0)
    }
}

impl std::error::Error for Unreadable {}
