//! What a client may ask.

use std::fmt;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::{Channel, Position, parse_symbol};

/// A request of a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientMessage {
    /// Send me the trades, or these channels, of these symbols (at least one, upper-case, no duplicates).
    Subscribe {
        /// The symbols, in the order they were named.
        symbols: Vec<String>,
        /// What of them; at least one, trades where none was named.
        channels: Vec<Channel>,
        /// Where the client already is in the one symbol and channel it names: what came after is
        /// replayed.
        since: Option<Position>,
    },
    /// No longer send me these channels of these symbols (at least one each, as above).
    Unsubscribe {
        /// The symbols, in the order they were named.
        symbols: Vec<String>,
        /// What of them.
        channels: Vec<Channel>,
    },
    /// Tell me what becomes of the orders of this account. Answered by `orders_subscribed`.
    SubscribeOrders,
    /// No longer tell me. Answered by `orders_unsubscribed`.
    UnsubscribeOrders,
    /// Are you there? Answered by `pong`.
    Ping,
    /// How are you? Answered by `health`.
    Health,
    /// Tell me by `heartbeat` that you are there whenever nothing else is to be told.
    Heartbeat,
    /// Drop the upstream connection and connect again. Answered by `reconnect_initiated`.
    Reconnect,
}

/// Why a client's message could not be used: one sentence that tells how to do better.
/// It goes back to the client by `ServerMessage::from`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadRequest(pub String);

const EXAMPLE: &str = r#"send for example {"action":"subscribe","symbol":"AAPL"}"#;
const ACTIONS: &str =
    "subscribe, unsubscribe, subscribe_orders, unsubscribe_orders, ping, health, heartbeat, reconnect";

#[derive(Deserialize)]
struct Wire {
    action: Option<Value>,
    symbol: Option<OneOrMany>,
    symbols: Option<OneOrMany>,
    channel: Option<OneOrMany>,
    channels: Option<OneOrMany>,
    since: Option<Value>,
}

/// `symbol` and `symbols` each take a text or a list, since people mix them up.
#[derive(Clone, Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
    Other(Value),
}

impl ClientMessage {
    /// Reads one text frame. Unknown fields are ignored.
    pub fn parse(text: &str) -> Result<Self, BadRequest> {
        let wire: Wire = serde_json::from_str(text).map_err(|error| not_an_object(&error))?;
        let action = match &wire.action {
            Some(Value::String(action)) => action.trim().to_ascii_lowercase(),
            Some(other) => {
                return bad(format!("\"action\" must be a text, not {other}; {EXAMPLE}"));
            }
            None => return bad(format!("the message has no \"action\"; {EXAMPLE}")),
        };
        match action.as_str() {
            "subscribe" => wire.subscribe(&action),
            "unsubscribe" => Ok(Self::Unsubscribe {
                channels: channels([&wire.channel, &wire.channels])?,
                symbols: wire.symbols(&action)?,
            }),
            "subscribe_orders" => Ok(Self::SubscribeOrders),
            "unsubscribe_orders" => Ok(Self::UnsubscribeOrders),
            "ping" => Ok(Self::Ping),
            "health" => Ok(Self::Health),
            "heartbeat" => Ok(Self::Heartbeat),
            "reconnect" => Ok(Self::Reconnect),
            unknown => bad(format!("unknown action {unknown:?}; there are {ACTIONS}")),
        }
    }

    /// The message as a client writes it, `symbol` for one and `symbols` for many.
    pub fn to_json(&self) -> String {
        let value = match self {
            Self::Subscribe {
                symbols,
                channels,
                since,
            } => {
                let mut value = with_symbols("subscribe", symbols, channels);
                if let Some(since) = since {
                    value["since"] = json!(since);
                }
                value
            }
            Self::Unsubscribe { symbols, channels } => with_symbols("unsubscribe", symbols, channels),
            Self::SubscribeOrders => json!({"action": "subscribe_orders"}),
            Self::UnsubscribeOrders => json!({"action": "unsubscribe_orders"}),
            Self::Ping => json!({"action": "ping"}),
            Self::Health => json!({"action": "health"}),
            Self::Heartbeat => json!({"action": "heartbeat"}),
            Self::Reconnect => json!({"action": "reconnect"}),
        };
        value.to_string()
    }
}

fn with_symbols(action: &str, symbols: &[String], channels: &[Channel]) -> Value {
    let mut value = match symbols {
        [symbol] => json!({"action": action, "symbol": symbol}),
        symbols => json!({"action": action, "symbols": symbols}),
    };
    if channels != [Channel::Trades] {
        value["channels"] = json!(channels);
    }
    value
}

/// The channels that are named in either field; trades when none is.
fn channels(fields: [&Option<OneOrMany>; 2]) -> Result<Vec<Channel>, BadRequest> {
    let mut channels = Vec::new();
    for named in fields.into_iter().flatten() {
        for text in named.clone().texts()? {
            let Some(channel) = Channel::named(&text) else {
                let names = Channel::names();
                return bad(format!("unknown channel {text:?}; there are {names}"));
            };
            if !channels.contains(&channel) {
                channels.push(channel);
            }
        }
    }
    if channels.is_empty() {
        channels.push(Channel::Trades);
    }
    Ok(channels)
}

impl Wire {
    fn subscribe(mut self, action: &str) -> Result<ClientMessage, BadRequest> {
        let since = self.since.take().filter(|since| !since.is_null());
        let channels = channels([&self.channel, &self.channels])?;
        let symbols = self.symbols(action)?;
        let is_one = symbols.len() == 1 && channels.len() == 1;
        let since = since.map(|since| position(since, is_one)).transpose()?;
        Ok(ClientMessage::Subscribe {
            symbols,
            channels,
            since,
        })
    }

    fn symbols(self, action: &str) -> Result<Vec<String>, BadRequest> {
        let mut symbols = Vec::new();
        for named in [self.symbol, self.symbols].into_iter().flatten() {
            for text in named.texts()? {
                let symbol = parse_symbol(&text).map_err(BadRequest)?;
                if !symbols.contains(&symbol) {
                    symbols.push(symbol);
                }
            }
        }
        if symbols.is_empty() {
            return bad(format!(
                "{action} needs \"symbol\":\"AAPL\" or \"symbols\":[\"AAPL\",\"TSLA\"]"
            ));
        }
        Ok(symbols)
    }
}

/// Every symbol is numbered by itself, and so is every channel of it: a position belongs to one.
fn position(since: Value, is_one: bool) -> Result<Position, BadRequest> {
    if !is_one {
        return bad("\"since\" goes with one \"symbol\" and one channel: subscribe each with its own".into());
    }
    serde_json::from_value(since).map_err(|_| {
        BadRequest(r#""since" is what was last seen of the symbol: {"epoch":"5f3a.1","seq":42}"#.into())
    })
}

impl OneOrMany {
    fn texts(self) -> Result<Vec<String>, BadRequest> {
        match self {
            Self::One(text) => Ok(vec![text]),
            Self::Many(texts) => Ok(texts),
            Self::Other(Value::Null) => Ok(Vec::new()),
            Self::Other(_) => bad("a symbol or channel must be a text, or a list of texts".into()),
        }
    }
}

fn bad<T>(message: String) -> Result<T, BadRequest> {
    Err(BadRequest(message))
}

fn not_an_object(error: &serde_json::Error) -> BadRequest {
    BadRequest(format!("not a JSON object ({error}); {EXAMPLE}"))
}

impl fmt::Display for BadRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for BadRequest {}

#[cfg(test)]
mod tests {
    use super::ClientMessage;
    use crate::{Channel, Position};

    fn symbols(text: &str) -> Vec<String> {
        match ClientMessage::parse(text) {
            Ok(ClientMessage::Subscribe { symbols, .. } | ClientMessage::Unsubscribe { symbols, .. }) => {
                symbols
            }
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn one_symbol_or_many_in_either_field() {
        assert_eq!(symbols(r#"{"action":"subscribe","symbol":"aapl"}"#), ["AAPL"]);
        assert_eq!(
            symbols(r#"{"action":"unsubscribe","symbols":["AAPL"," tsla ","aapl"]}"#),
            ["AAPL", "TSLA"]
        );
        assert_eq!(
            symbols(r#"{"action":"Subscribe","symbol":["a"],"symbols":"b","id":7}"#),
            ["A", "B"]
        );
        assert_eq!(
            symbols(r#"{"action":"subscribe","symbol":null,"symbols":["a"]}"#),
            ["A"]
        );
    }

    #[test]
    fn every_message_reads_back() {
        let symbols = vec!["AAPL".to_owned(), "TSLA".to_owned()];
        for message in [
            ClientMessage::Subscribe {
                symbols: symbols[..1].to_vec(),
                channels: vec![Channel::Trades],
                since: None,
            },
            ClientMessage::Subscribe {
                symbols: symbols.clone(),
                channels: vec![Channel::Quotes, Channel::UpdatedBars],
                since: None,
            },
            ClientMessage::Subscribe {
                symbols: symbols[..1].to_vec(),
                channels: vec![Channel::Bars],
                since: Some(Position {
                    epoch: "5f3a.1".into(),
                    seq: 42,
                }),
            },
            ClientMessage::Unsubscribe {
                symbols,
                channels: vec![Channel::Trades],
            },
            ClientMessage::SubscribeOrders,
            ClientMessage::UnsubscribeOrders,
            ClientMessage::Heartbeat,
            ClientMessage::Ping,
            ClientMessage::Health,
            ClientMessage::Reconnect,
        ] {
            assert_eq!(ClientMessage::parse(&message.to_json()), Ok(message));
        }
    }

    #[test]
    fn what_cannot_be_used_is_answered_with_the_way_out() {
        for (text, hint) in [
            ("", "not a JSON object"),
            ("hello", "not a JSON object"),
            ("[]", "not a JSON object"),
            ("{}", "no \"action\""),
            (r#"{"action":7}"#, "must be a text"),
            (r#"{"action":"buy"}"#, "there are subscribe, unsubscribe"),
            (r#"{"action":"subscribe"}"#, "needs \"symbol\""),
            (r#"{"action":"subscribe","symbols":[]}"#, "needs \"symbol\""),
            (r#"{"action":"subscribe","symbol":7}"#, "must be a text"),
            (r#"{"action":"subscribe","symbol":"A B"}"#, "must not contain"),
            (
                r#"{"action":"subscribe","symbol":"A","channels":["news"]}"#,
                "there are trades, quotes",
            ),
            (
                r#"{"action":"subscribe","symbol":"A","since":7}"#,
                "was last seen",
            ),
            (
                r#"{"action":"subscribe","symbols":["A","B"],"since":{"epoch":"e","seq":7}}"#,
                "one \"symbol\"",
            ),
        ] {
            let error = ClientMessage::parse(text).expect_err(text);
            assert!(error.0.contains(hint), "{text}: {error}");
        }
    }
}
