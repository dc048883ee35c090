//! A client that speaks Alpaca's own protocol: everything until it is authenticated, and the
//! reading of its requests. A program with an official SDK gets here by changing its URL.
//!
//! Channels that the feed does not have are refused with 410, as Alpaca does. With tokens configured the secret must be one of them, whatever the key.

use std::sync::Arc;

use serde_json::{Map, Value};
use stream_protocol::{Channel, parse_symbol};
use tokio_tungstenite::tungstenite::http::{HeaderMap, HeaderValue};
use ws_listener::Tokens;

use super::format::offered;
use super::{Format, Outbox};

/// RFC 6455 §7.4.1.
const POLICY: u16 = 1008;

/// What a bot asks of the hub.
#[derive(Debug, PartialEq, Eq)]
pub enum Ask {
    /// It is authenticated.
    Join,
    /// It wants these too; answered by the whole subscription.
    Subscribe(Vec<(Channel, String)>),
    /// It listens to order updates, or no longer.
    Orders(bool),
    /// It no longer wants these; answered likewise.
    Unsubscribe(Vec<(Channel, String)>),
}

/// One such client.
pub(super) struct Bot {
    format: Format,
    outbox: Arc<Outbox>,
    tokens: Tokens,
    /// The feed that there is, if it is the one asked for.
    feed: Option<Arc<str>>,
    is_authenticated: bool,
}

/// The spelling that a request's headers ask for.
pub(super) fn format(headers: &HeaderMap) -> Format {
    match headers.get("content-type").map(HeaderValue::as_bytes) {
        Some(b"application/msgpack") => Format::AlpacaMsgpack,
        Some(_) | None => Format::AlpacaJson,
    }
}

impl Bot {
    /// A bot that connected to this feed, or to one that there is not.
    pub(super) fn new(outbox: Arc<Outbox>, tokens: Tokens, feed: Option<Arc<str>>) -> Self {
        Self {
            format: outbox.format(),
            outbox,
            tokens,
            feed,
            is_authenticated: false,
        }
    }

    /// Welcomes it; its request may have carried its credentials.
    pub(super) fn welcome(&mut self, headers: &HeaderMap) -> Option<Ask> {
        self.outbox.push_frame(self.format.success("connected"));
        let header = |name| headers.get(name).and_then(|value| value.to_str().ok());
        let secret = header("apca-api-secret-key")?;
        self.authenticate(header("apca-api-key-id").unwrap_or_default(), secret)
    }

    /// Whether it still has to tell who it is.
    pub(super) fn is_stranger(&self) -> bool {
        !self.is_authenticated
    }

    /// It has not told in time.
    pub(super) fn time_out(&self) {
        self.end::<()>(404, "auth timeout");
    }

    /// Reads one message, and answers it if that is not the hub's to do.
    pub(super) fn hear(&mut self, message: &[u8]) -> Option<Ask> {
        let Some(message) = self.format.read(message) else {
            return self.refuse(400, "invalid syntax");
        };
        let text = |key: &str| message.get(key).and_then(Value::as_str).unwrap_or_default();
        match text("action") {
            "auth" if self.is_authenticated => self.refuse(403, "already authenticated"),
            "auth" => self.authenticate(text("key"), text("secret")),
            "subscribe" | "unsubscribe" if !self.is_authenticated => self.refuse(401, "not authenticated"),
            "subscribe" => self.symbols(&message).map(Ask::Subscribe),
            "unsubscribe" => self.symbols(&message).map(Ask::Unsubscribe),
            _ => self.refuse(400, "invalid syntax"),
        }
    }

    fn authenticate(&mut self, key: &str, secret: &str) -> Option<Ask> {
        let is_known = self.tokens.accept(secret) || self.tokens.is_open();
        if key.is_empty() || secret.is_empty() || !is_known {
            return self.end(402, "auth failed");
        }
        if self.feed.is_none() {
            return self.end(409, "insufficient subscription");
        }
        self.is_authenticated = true;
        self.outbox.push_frame(self.format.success("authenticated"));
        Some(Ask::Join)
    }

    fn symbols(&self, message: &Map<String, Value>) -> Option<Vec<(Channel, String)>> {
        let channels = message.iter().filter(|(key, _)| *key != "action");
        let offered = offered(self.feed.as_deref().unwrap_or_default());
        let mut pairs = Vec::new();
        for (name, named) in channels {
            let Some(named) = named.as_array() else {
                return self.refuse(400, "invalid syntax");
            };
            // These follow the trades by themselves: naming them changes nothing.
            if matches!(name.as_str(), "corrections" | "cancelErrors") || named.is_empty() {
                continue;
            }
            let channel = Channel::named(name).filter(|channel| offered.contains(channel));
            let Some(channel) = channel else {
                return self.refuse(410, "invalid subscribe action for this feed");
            };
            for symbol in named {
                match symbol.as_str().map(parse_symbol) {
                    Some(Ok(symbol)) => pairs.push((channel, symbol)),
                    Some(Err(_)) | None => return self.refuse(400, "invalid syntax"),
                }
            }
        }
        Some(pairs)
    }

    fn refuse<T>(&self, code: u16, msg: &str) -> Option<T> {
        self.outbox.push_frame(self.format.error(code, msg));
        None
    }

    fn end<T>(&self, code: u16, msg: &str) -> Option<T> {
        self.outbox.push_frame(self.format.error(code, msg));
        self.outbox.close(POLICY, msg);
        None
    }
}
