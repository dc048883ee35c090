//! What a browser has asked for and how far it has got, learned from the frames that pass. Pure.
//!
//! This is all that has to be understood to ask a new backend for the same.

use std::collections::{BTreeSet, HashMap};

use foldhash::fast::RandomState;
use stream_protocol::{Channel, ClientMessage, Gap, Position, ServerMessage};
use ws_listener::frame::{Kind, Whole};

use crate::relay::After;

/// How a trade begins, to the letter of stream_protocol; what is not spelled so is read in full.
const TRADE: &[u8] = br#"{"type":"trade","symbol":""#;
const SEQ: &[u8] = br#""seq":"#;
/// As long as `"seq":`, the longest number and the brace can be.
const ENDING: usize = 6 + 20 + 1;

/// As many symbols as the stream grants a client; no more are taken note of.
const MAX_SYMBOLS: usize = 10_000;

/// One browser's subscriptions.
#[derive(Debug, Default)]
pub(crate) struct Wishes {
    symbols: HashMap<Box<str>, Wish, RandomState>,
    /// Channels besides trades: asked for anew, since only trades are replayed.
    besides: BTreeSet<(Box<str>, Channel)>,
    orders: bool,
    heartbeat: bool,
    is_closing: bool,
}

/// How the last trade of a symbol ended. Only the last one's number counts, so that those of most trades
/// are never read.
#[derive(Clone, Copy, Debug, Default)]
struct Ending {
    /// Zeros stand before a shorter one.
    bytes: [u8; ENDING],
}

#[derive(Debug, Default)]
struct Wish {
    /// A trade that was passed on.
    at: Option<Position>,
    /// The last trade after that one.
    ending: Option<Ending>,
    /// The browser no longer wants it, and the backend has not said so yet.
    is_leaving: bool,
}

impl Wishes {
    /// Takes note of what the browser says; what is no request is none of ours.
    fn asked(&mut self, text: &[u8]) {
        let message = std::str::from_utf8(text).ok().map(ClientMessage::parse);
        match message {
            Some(Ok(ClientMessage::Subscribe {
                symbols,
                channels,
                since,
            })) => {
                for (symbol, channel) in pairs(&symbols, &channels) {
                    match channel {
                        Channel::Trades => self.wants(symbol.to_owned(), since.as_ref()),
                        other => self.wants_besides(symbol, other),
                    }
                }
            }
            Some(Ok(ClientMessage::Unsubscribe { symbols, channels })) => {
                for (symbol, channel) in pairs(&symbols, &channels) {
                    self.besides.remove(&(symbol.into(), channel));
                    if let Some(wish) = self.symbols.get_mut(symbol)
                        && channel == Channel::Trades
                    {
                        wish.is_leaving = true;
                    }
                }
            }
            Some(Ok(ClientMessage::SubscribeOrders)) => self.orders = true,
            Some(Ok(ClientMessage::UnsubscribeOrders)) => self.orders = false,
            Some(Ok(ClientMessage::Heartbeat)) => self.heartbeat = true,
            Some(Ok(ClientMessage::Ping | ClientMessage::Health | ClientMessage::Reconnect) | Err(_))
            | None => {}
        }
    }

    /// Takes note of a frame of the browser's.
    pub(crate) fn note(&mut self, frame: &Whole<'_>) -> After {
        match frame.kind {
            Kind::Text => self.asked(&frame.payload()),
            Kind::Close => self.is_closing = true,
            Kind::Ping | Kind::Other => {}
        }
        After::Pass
    }

    /// Whether the browser has said goodbye.
    pub(crate) fn is_closing(&self) -> bool {
        self.is_closing
    }

    /// Takes note of what the backend says.
    pub(crate) fn told(&mut self, text: &[u8]) {
        let Some(symbol) = symbol_of_trade(text) else {
            return self.read(text);
        };
        if let Some(wish) = self.symbols.get_mut(symbol)
            && wish.at.is_some()
        {
            wish.ending = Some(Ending::of(text));
        }
    }

    fn read(&mut self, text: &[u8]) {
        let Some(message) = std::str::from_utf8(text).ok().map(ServerMessage::parse) else {
            return;
        };
        match message {
            Ok(ServerMessage::Subscribed {
                symbol,
                position,
                recovered,
                channel: None,
                ..
            }) => {
                self.subscribed(&symbol, position, recovered == Some(true));
            }
            Ok(ServerMessage::Unsubscribed {
                symbol,
                channel: None,
                ..
            }) => self.unsubscribed(&symbol),
            Ok(ServerMessage::Gap(Gap {
                symbol,
                seq,
                to,
                channel: None,
                ..
            })) => {
                if let Some(seq) = seq.or(to) {
                    self.reached(&symbol, seq);
                }
            }
            Ok(
                ServerMessage::Trade { .. }
                | ServerMessage::Subscribed { .. }
                | ServerMessage::Unsubscribed { .. }
                | ServerMessage::Gap(_)
                | ServerMessage::OrdersSubscribed { .. }
                | ServerMessage::OrdersUnsubscribed { .. }
                | ServerMessage::OrdersGap { .. }
                | ServerMessage::Heartbeat { .. }
                | ServerMessage::Connecting { .. }
                | ServerMessage::Pong { .. }
                | ServerMessage::Health(_)
                | ServerMessage::ReconnectInitiated { .. }
                | ServerMessage::Error { .. },
            )
            | Err(_) => {}
        }
    }

    fn wants(&mut self, symbol: String, since: Option<&Position>) {
        if self.symbols.len() >= MAX_SYMBOLS && !self.symbols.contains_key(symbol.as_str()) {
            return;
        }
        let wish = self.symbols.entry(symbol.into()).or_default();
        wish.is_leaving = false;
        if let Some(since) = since {
            wish.reach(since.clone());
        }
    }

    fn wants_besides(&mut self, symbol: &str, channel: Channel) {
        if self.besides.len() < MAX_SYMBOLS {
            self.besides.insert((symbol.into(), channel));
        }
    }

    /// After a recovery the replay follows: the browser is where it was, not yet where the backend is.
    fn subscribed(&mut self, symbol: &str, position: Option<Position>, recovered: bool) {
        if let Some(wish) = self.symbols.get_mut(symbol)
            && (!recovered || wish.at.is_none())
        {
            wish.at = position;
            wish.ending = None;
        }
    }

    fn unsubscribed(&mut self, symbol: &str) {
        if self.symbols.get(symbol).is_some_and(|wish| wish.is_leaving) {
            self.symbols.remove(symbol);
        }
    }

    fn reached(&mut self, symbol: &str, seq: u64) {
        if let Some(Wish {
            at: Some(at), ending, ..
        }) = self.symbols.get_mut(symbol)
        {
            at.seq = seq;
            *ending = None;
        }
    }

    /// The symbols that are subscribed, for telling the browser about them.
    pub(crate) fn subscribed_symbols(&self) -> impl Iterator<Item = &str> {
        let wanted = self.symbols.iter().filter(|(_, wish)| !wish.is_leaving);
        wanted.map(|(symbol, _)| symbol.as_ref())
    }

    /// What to ask of a new backend.
    pub(crate) fn requests(&self) -> Vec<ClientMessage> {
        let heartbeat = self.heartbeat.then_some(ClientMessage::Heartbeat);
        let symbols = self.symbols.iter().map(|(symbol, wish)| {
            let (symbols, channels) = (vec![symbol.to_string()], vec![Channel::Trades]);
            if wish.is_leaving {
                ClientMessage::Unsubscribe { symbols, channels }
            } else {
                let since = wish.reached();
                ClientMessage::Subscribe {
                    symbols,
                    channels,
                    since,
                }
            }
        });
        let besides = self
            .besides
            .iter()
            .map(|(symbol, channel)| ClientMessage::Subscribe {
                symbols: vec![symbol.to_string()],
                channels: vec![*channel],
                since: None,
            });
        let orders = self.orders.then_some(ClientMessage::SubscribeOrders);
        symbols.chain(besides).chain(orders).chain(heartbeat).collect()
    }
}

/// Each symbol with each channel.
fn pairs<'a>(symbols: &'a [String], channels: &'a [Channel]) -> impl Iterator<Item = (&'a str, Channel)> {
    let each = |symbol: &'a String| channels.iter().map(move |channel| (symbol.as_str(), *channel));
    symbols.iter().flat_map(each)
}

impl Wish {
    /// Where the browser is now.
    fn reach(&mut self, position: Position) {
        self.at = Some(position);
        self.ending = None;
    }

    /// Where it is, with the number of the last trade that was passed on.
    fn reached(&self) -> Option<Position> {
        let at = self.at.clone()?;
        let seq = self.ending.and_then(|ending| seq_at_end(&ending.bytes));
        Some(Position {
            seq: seq.unwrap_or(at.seq),
            ..at
        })
    }
}

impl Ending {
    fn of(text: &[u8]) -> Self {
        let mut bytes = [0; ENDING];
        match text.last_chunk() {
            Some(end) => bytes = *end,
            None => bytes[ENDING - text.len()..].copy_from_slice(text),
        }
        Self { bytes }
    }
}

/// The AAPL of `{"type":"trade","symbol":"AAPL",…`
fn symbol_of_trade(text: &[u8]) -> Option<&str> {
    let rest = text.strip_prefix(TRADE)?;
    let end = rest.iter().position(|byte| *byte == b'"')?;
    std::str::from_utf8(&rest[..end]).ok()
}

/// The 42 of `…,"seq":42}`
fn seq_at_end(text: &[u8]) -> Option<u64> {
    let text = text.strip_suffix(b"}")?;
    let digits = text.iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
    let (rest, digits) = text.split_at(text.len() - digits);
    rest.ends_with(SEQ).then_some(())?;
    std::str::from_utf8(digits).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use stream_protocol::ClientMessage;

    use super::Wishes;

    fn told(wishes: &mut Wishes, texts: &[&str]) {
        for text in texts {
            wishes.told(text.as_bytes());
        }
    }

    fn requests(wishes: &mut Wishes) -> Vec<String> {
        let mut requests: Vec<String> = wishes.requests().iter().map(ClientMessage::to_json).collect();
        requests.sort_unstable();
        requests
    }

    fn trade(symbol: &str, seq: u64) -> String {
        format!(r#"{{"type":"trade","symbol":"{symbol}","data":{{"price":1}},"seq":{seq}}}"#)
    }

    const SUBSCRIBED: &str = r#"{"type":"subscribed","symbol":"A","message":"","epoch":"e.1","seq":40}"#;

    #[test]
    fn what_was_asked_is_asked_again_with_the_place_reached() {
        let mut wishes = Wishes::default();
        wishes.asked(br#"{"action":"subscribe","symbols":["a","b"]}"#);
        wishes.asked(br#"{"action":"heartbeat"}"#);
        wishes.asked(b"hello");
        told(
            &mut wishes,
            &[
                SUBSCRIBED,
                &trade("A", 41),
                &trade("B", 7),
                &trade("A", 42),
                &trade("A", 43),
            ],
        );
        assert_eq!(
            requests(&mut wishes),
            [
                r#"{"action":"heartbeat"}"#,
                r#"{"action":"subscribe","since":{"epoch":"e.1","seq":43},"symbol":"A"}"#,
                r#"{"action":"subscribe","symbol":"B"}"#,
            ],
            "B's subscription was never answered, so nothing of it was missed"
        );
    }

    #[test]
    fn gaps_with_numbers_count_and_a_replay_begins_where_the_browser_was() {
        let mut wishes = Wishes::default();
        wishes.asked(br#"{"action":"subscribe","symbol":"A","since":{"epoch":"e.1","seq":10}}"#);
        let recovered = SUBSCRIBED.replace('}', r#","recovered":true}"#);
        told(&mut wishes, &[&recovered]);
        assert!(requests(&mut wishes)[0].contains(r#""seq":10"#));
        let gap = r#"{"type":"gap","symbol":"A","from":11,"to":20,"missed":10,"reason":"slow"}"#;
        told(&mut wishes, &[gap]);
        assert!(requests(&mut wishes)[0].contains(r#""seq":20"#));
    }

    #[test]
    fn an_unsubscription_is_repeated_until_it_is_answered() {
        let mut wishes = Wishes::default();
        wishes.asked(br#"{"action":"subscribe","symbol":"A"}"#);
        told(&mut wishes, &[SUBSCRIBED]);
        wishes.asked(br#"{"action":"unsubscribe","symbol":"A"}"#);
        assert_eq!(wishes.subscribed_symbols().count(), 0);
        assert_eq!(
            requests(&mut wishes),
            [r#"{"action":"unsubscribe","symbol":"A"}"#]
        );
        told(
            &mut wishes,
            &[r#"{"type":"unsubscribed","symbol":"A","message":""}"#],
        );
        assert_eq!(requests(&mut wishes), [""; 0]);
    }
}
