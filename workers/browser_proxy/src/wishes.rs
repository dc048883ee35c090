//! What a browser has asked for and how far it has got, learned from the frames that pass. Pure.
//!
//! This is all that has to be understood to ask a new backend for the same.

use std::collections::{BTreeSet, HashMap};

use bytes::BytesMut;
use stream_protocol::{Channel, ClientMessage, Gap, Position, ServerMessage};
use ws_listener::frame::{self, Kind, Whole};

use crate::counts::Passed;
use crate::relay::After;
use crate::unanswered::{Awaits, Unanswered};

/// How a trade begins, to the letter of stream_protocol; what is not spelled so is read in full.
const TRADE: &[u8] = br#"{"type":"trade","symbol":""#;
const SEQ: &[u8] = br#""seq":"#;

/// As many symbols as the stream grants a client; no more are taken note of.
const MAX_SYMBOLS: usize = 10_000;

/// One browser's subscriptions, and what it waits for.
#[derive(Debug, Default)]
pub(crate) struct Wishes {
    /// It speaks the stream's own protocol; of others only the end is understood.
    is_understood: bool,
    /// The symbols it is subscribed to, and the last trade of each that was passed on.
    symbols: HashMap<Box<str>, Option<Position>>,
    /// Channels besides trades: asked for anew, since only trades are replayed.
    besides: BTreeSet<(Box<str>, Channel)>,
    orders: bool,
    heartbeat: bool,
    is_closing: bool,
    row: Row,
    unanswered: Unanswered,
    /// The payload of its last ping that was not answered.
    ping: Option<Box<[u8]>>,
    passed: Passed,
}

/// What a frame of the backend's is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    /// The answer to `health`, to which this hop adds its own.
    Health,
    /// To be passed on as it is.
    Other,
}

/// Trades of one symbol in a row: only the last one's number counts, so that most are merely
/// looked at.
#[derive(Debug, Default)]
struct Row {
    /// How they begin, symbol included; empty without a row.
    start: Vec<u8>,
    seq: u64,
}

impl Wishes {
    /// Those of a browser that speaks the stream's own protocol, or another.
    pub(crate) fn new(is_understood: bool) -> Self {
        Self {
            is_understood,
            ..Self::default()
        }
    }

    /// Takes note of a frame of the browser's.
    pub(crate) fn note(&mut self, frame: &Whole<'_>) -> After {
        match frame.kind {
            Kind::Text if self.is_understood => self.asked(frame),
            // It is told that this is of no use.
            Kind::Binary if self.is_understood => self.unanswered.ask(Awaits::Error, frame.bytes, None),
            Kind::Ping => self.ping = Some(frame.payload().into()),
            Kind::Close => self.is_closing = true,
            Kind::Text | Kind::Binary | Kind::Pong | Kind::Other => {}
        }
        After::Pass
    }

    fn asked(&mut self, frame: &Whole<'_>) {
        let payload = frame.payload();
        let message = std::str::from_utf8(&payload).ok().map(ClientMessage::parse);
        let (awaits, since) = match message {
            Some(Ok(message)) => (Awaits::of(&message), since(message)),
            Some(Err(_)) | None => (Awaits::Error, None),
        };
        self.unanswered.ask(awaits, frame.bytes, since);
    }

    /// Whether the browser has said goodbye.
    pub(crate) fn is_closing(&self) -> bool {
        self.is_closing
    }

    /// Takes note of a frame of the backend's.
    pub(crate) fn heard(&mut self, frame: &Whole<'_>) -> Heard {
        match frame.kind {
            Kind::Text if self.is_understood => return self.told(&frame.payload()),
            Kind::Pong if self.ping.as_deref() == Some(&frame.payload()) => self.ping = None,
            Kind::Text | Kind::Binary | Kind::Ping | Kind::Pong | Kind::Close | Kind::Other => {}
        }
        Heard::Other
    }

    /// How much has passed since this was asked last.
    pub(crate) fn take_passed(&mut self) -> Passed {
        std::mem::take(&mut self.passed)
    }

    fn told(&mut self, text: &[u8]) -> Heard {
        if let Some(seq) = seq_at_end(text) {
            if !self.row.start.is_empty() && text.starts_with(&self.row.start) {
                self.row.seq = seq;
                self.passed.trades += 1;
                return Heard::Other;
            }
            if let Some(start) = start_of_trade(text) {
                self.finish_row();
                self.row.start.extend_from_slice(start);
                self.row.seq = seq;
                self.passed.trades += 1;
                return Heard::Other;
            }
        }
        self.finish_row();
        let Ok(text) = std::str::from_utf8(text) else {
            return Heard::Other;
        };
        // It is long, and all that matters is that it came.
        if ServerMessage::type_of(text).as_deref() == Some("health") {
            self.unanswered.answered(Awaits::Health);
            return Heard::Health;
        }
        self.read(text);
        Heard::Other
    }

    fn finish_row(&mut self) {
        let Some(symbol) = self.row.start.strip_prefix(TRADE) else {
            return;
        };
        let symbol = symbol
            .strip_suffix(b"\"")
            .and_then(|symbol| std::str::from_utf8(symbol).ok());
        if let Some(Some(at)) = symbol.and_then(|symbol| self.symbols.get_mut(symbol)) {
            at.seq = self.row.seq;
        }
        self.row.start.clear();
    }

    fn read(&mut self, text: &str) {
        match ServerMessage::parse(text) {
            Ok(ServerMessage::Subscribed {
                symbol,
                position,
                recovered,
                channel,
                ..
            }) => self.subscribed(&symbol, channel, position, recovered == Some(true)),
            Ok(ServerMessage::Unsubscribed { symbol, channel, .. }) => {
                self.unanswered.answered(Awaits::Unsubscribed(1));
                match channel {
                    None => drop(self.symbols.remove(&*symbol)),
                    Some(channel) => drop(self.besides.remove(&((&*symbol).into(), channel))),
                }
            }
            Ok(ServerMessage::Gap(gap)) => {
                self.passed.gaps += 1;
                self.missed(&gap);
            }
            Ok(ServerMessage::Error { code, .. }) => self.refused(&code),
            Ok(
                message @ (ServerMessage::OrdersSubscribed { .. }
                | ServerMessage::OrdersUnsubscribed { .. }
                | ServerMessage::Heartbeat { .. }
                | ServerMessage::Pong { .. }
                | ServerMessage::Health(_)
                | ServerMessage::ReconnectInitiated { .. }
                | ServerMessage::Trade { .. }
                | ServerMessage::OrdersGap { .. }
                | ServerMessage::Connecting { .. }),
            ) => self.answered(&message),
            Err(_) => {}
        }
    }

    /// An answer that there is one of.
    fn answered(&mut self, message: &ServerMessage<'_>) {
        let answer = match message {
            ServerMessage::OrdersSubscribed { .. } => {
                self.orders = true;
                Awaits::OrdersOn
            }
            ServerMessage::OrdersUnsubscribed { .. } => {
                self.orders = false;
                Awaits::OrdersOff
            }
            ServerMessage::Heartbeat { .. } => {
                self.heartbeat = true;
                Awaits::Heartbeat
            }
            ServerMessage::Pong { .. } => Awaits::Pong,
            ServerMessage::Health(_) => Awaits::Health,
            ServerMessage::ReconnectInitiated { .. } => Awaits::Reconnecting,
            ServerMessage::Trade { .. }
            | ServerMessage::Gap(_)
            | ServerMessage::OrdersGap { .. }
            | ServerMessage::Connecting { .. }
            | ServerMessage::Subscribed { .. }
            | ServerMessage::Unsubscribed { .. }
            | ServerMessage::Error { .. } => return,
        };
        self.unanswered.answered(answer);
    }

    fn refused(&mut self, code: &str) {
        match code {
            "bad_request" => self.unanswered.refused(),
            "orders_off" | "forbidden" => drop(self.unanswered.answered(Awaits::OrdersOn)),
            // It answers nothing: what was subscribed is no more.
            _ => {}
        }
    }

    /// After a recovery the replay follows: the browser is where it was, not yet where the backend is.
    fn subscribed(
        &mut self,
        symbol: &str,
        channel: Option<Channel>,
        position: Option<Position>,
        recovered: bool,
    ) {
        let since = self.unanswered.answered(Awaits::Subscribed(1));
        let is_full = self.symbols.len() + self.besides.len() >= MAX_SYMBOLS;
        if is_full && !self.symbols.contains_key(symbol) {
            return;
        }
        if let Some(channel) = channel {
            self.besides.insert((symbol.into(), channel));
            return;
        }
        let at = self.symbols.entry(symbol.into()).or_default();
        if !recovered {
            *at = position;
        } else if let Some(since) = since {
            *at = Some(since);
        } else if at.is_none() {
            *at = position;
        }
    }

    fn missed(&mut self, gap: &Gap<'_>) {
        if gap.channel.is_none()
            && let Some(seq) = gap.seq.or(gap.to)
            && let Some(Some(at)) = self.symbols.get_mut(&*gap.symbol)
        {
            at.seq = seq;
        }
    }

    /// The symbols that are subscribed, for telling the browser about them.
    pub(crate) fn subscribed_symbols(&self) -> impl Iterator<Item = &str> {
        self.symbols.keys().map(AsRef::as_ref)
    }

    /// The pong that the last backend did not send any more; it answers all pings before it, too.
    pub(crate) fn take_pong(&mut self) -> Option<bytes::Bytes> {
        Some(frame::pong(&self.ping.take()?))
    }

    /// How many requests `begin_anew` has repeated.
    pub(crate) fn count_unanswered(&self) -> usize {
        self.unanswered.count()
    }

    /// What to send to a new backend: requests for the same subscriptions, and what the last one has
    /// not answered.
    pub(crate) fn begin_anew(&mut self) -> BytesMut {
        let own = self.requests();
        self.unanswered.begin_anew(&own);
        let mut frames = BytesMut::new();
        for request in own {
            frames.extend_from_slice(&frame::masked_text(request.to_json().as_bytes()));
        }
        for asked in self.unanswered.frames() {
            frames.extend_from_slice(asked);
        }
        frames
    }

    fn requests(&mut self) -> Vec<ClientMessage> {
        self.finish_row();
        let heartbeat = self.heartbeat.then_some(ClientMessage::Heartbeat);
        let subscribe = |symbol: &str, channel, since| ClientMessage::Subscribe {
            symbols: vec![symbol.to_owned()],
            channels: vec![channel],
            since,
        };
        let symbols = self.symbols.iter();
        let symbols = symbols.map(|(symbol, at)| subscribe(symbol, Channel::Trades, at.clone()));
        let besides = self.besides.iter();
        let besides = besides.map(|(symbol, channel)| subscribe(symbol, *channel, None));
        let orders = self.orders.then_some(ClientMessage::SubscribeOrders);
        symbols.chain(besides).chain(orders).chain(heartbeat).collect()
    }
}

/// Where a subscription is to go on from.
fn since(message: ClientMessage) -> Option<Position> {
    match message {
        ClientMessage::Subscribe { since, .. } => since,
        ClientMessage::Unsubscribe { .. }
        | ClientMessage::SubscribeOrders
        | ClientMessage::UnsubscribeOrders
        | ClientMessage::Ping
        | ClientMessage::Health
        | ClientMessage::Heartbeat
        | ClientMessage::Reconnect => None,
    }
}

/// `{"type":"trade","symbol":"AAPL"`
fn start_of_trade(text: &[u8]) -> Option<&[u8]> {
    let rest = text.strip_prefix(TRADE)?;
    let end = rest.iter().position(|byte| *byte == b'"')?;
    Some(&text[..=TRADE.len() + end])
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
#[path = "wishes/tests.rs"]
mod tests;
