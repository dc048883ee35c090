//! What a browser has asked for and how far it has got, learned from the frames that pass. Pure.
//!
//! This is all that has to be understood to ask a new backend for the same.

use std::collections::{BTreeSet, HashMap};

use bytes::BytesMut;
use foldhash::fast::RandomState;
use stream_protocol::{Channel, ClientMessage, Gap, Position, ServerMessage};
use ws_listener::frame::{self, Kind, Whole};

use crate::counts::Passed;
use crate::fragments::Fragments;
use crate::place::Place;
use crate::relay::After;
use crate::unanswered::{Awaits, Unanswered};

/// How a trade begins, to the letter of stream_protocol; what is not spelled so is read in full.
const TRADE: &[u8] = br#"{"type":"trade","symbol":""#;

/// As many symbols as the stream grants a client; no more are taken note of.
const MAX_SYMBOLS: usize = 10_000;

/// One browser's subscriptions, and what it waits for.
#[derive(Debug, Default)]
pub(crate) struct Wishes {
    /// It speaks the stream's own protocol; of others only the end is understood.
    is_understood: bool,
    /// The symbols it is subscribed to, and the last trade of each that was passed on.
    symbols: HashMap<Box<str>, Place, RandomState>,
    /// Channels besides trades: asked for anew, since only trades are replayed.
    besides: BTreeSet<(Box<str>, Channel)>,
    orders: bool,
    heartbeat: bool,
    is_closing: bool,
    unanswered: Unanswered,
    fragments: Fragments,
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
            Kind::Text if self.is_understood => self.asked(&frame.payload(), frame.bytes),
            Kind::Other if self.is_understood => {
                if let Some(message) = self.fragments.take(frame) {
                    self.asked(&message.payload, &message.frames);
                }
            }
            // It is told that this is of no use.
            Kind::Binary if self.is_understood => self.unanswered.ask(Awaits::Error, frame.bytes, None),
            Kind::Ping => self.ping = Some(frame.payload().into()),
            Kind::Close => self.is_closing = true,
            Kind::Text | Kind::Binary | Kind::Pong | Kind::Other => {}
        }
        After::Pass
    }

    fn asked(&mut self, payload: &[u8], frames: &[u8]) {
        let message = std::str::from_utf8(payload).ok().map(ClientMessage::parse);
        let (awaits, since) = match message {
            Some(Ok(message)) => (Awaits::of(&message), since(message)),
            Some(Err(_)) | None => (Awaits::Error, None),
        };
        self.unanswered.ask(awaits, frames, since);
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
        if let Some(symbol) = symbol_of_trade(text) {
            self.passed.trades += 1;
            if let Some(place) = self.symbols.get_mut(symbol) {
                place.pass(text);
            }
            return Heard::Other;
        }
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
        let place = self.symbols.entry(symbol.into()).or_default();
        if !recovered {
            place.set(position);
        } else if let Some(since) = since {
            place.set(Some(since));
        } else if !place.is_known() {
            place.set(position);
        }
    }

    fn missed(&mut self, gap: &Gap<'_>) {
        if gap.channel.is_none()
            && let Some(seq) = gap.seq.or(gap.to)
            && let Some(place) = self.symbols.get_mut(&*gap.symbol)
        {
            place.reach(seq);
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
        // Its rest is still to come from the browser.
        frames.extend_from_slice(self.fragments.begun());
        frames
    }

    fn requests(&self) -> Vec<ClientMessage> {
        let heartbeat = self.heartbeat.then_some(ClientMessage::Heartbeat);
        let subscribe = |symbol: &str, channel, since| ClientMessage::Subscribe {
            symbols: vec![symbol.to_owned()],
            channels: vec![channel],
            since,
        };
        let symbols = self.symbols.iter();
        let symbols = symbols.map(|(symbol, place)| subscribe(symbol, Channel::Trades, place.position()));
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

/// The AAPL of `{"type":"trade","symbol":"AAPL",…`
fn symbol_of_trade(text: &[u8]) -> Option<&str> {
    let rest = text.strip_prefix(TRADE)?;
    let end = rest.iter().position(|byte| *byte == b'"')?;
    std::str::from_utf8(&rest[..end]).ok()
}

#[cfg(test)]
#[path = "wishes/tests.rs"]
mod tests;
