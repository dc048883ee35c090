//! What the hub makes of the upstream's events.

use std::borrow::Cow;
use std::time::{Instant, SystemTime};

use alpaca::{Batch, Event, Kind, Topic, Trade};
use jiff::Timestamp;
use stream_protocol::{Gap, GapReason, ServerMessage, TradeData, rfc3339};
use tracing::warn;

use super::Hub;
use super::channels::channel_of;
use super::topics::Topics;
use crate::Fatal;
use crate::client::Format;

/// RFC 6455 §7.4.1: the server cannot fulfil the request.
const INTERNAL_ERROR: u16 = 1011;

impl Hub {
    /// Takes one event; returns the end if it is one, with all clients told.
    pub(super) fn event(&mut self, event: Event) -> Option<Fatal> {
        match event {
            Event::Trades(batch) => self.trades(batch),
            Event::Data(data) => {
                self.counted.data_in += data.len() as u64;
                let bars = data.iter().filter(|datum| datum.kind == Kind::Bar);
                self.dashboard.bars(Instant::now(), bars.count());
                self.channels.add(&data);
            }
            // The client logs its connection itself.
            Event::Connected => {
                self.down_since = None;
                self.dashboard.connected(Instant::now());
            }
            Event::Disconnected { .. } => {
                self.lost();
                self.dashboard.disconnected(Instant::now());
            }
            Event::Muted { symbols } => self.muted(&symbols),
            Event::Paused { symbols } => self.paused(&symbols),
            Event::Doubted { silence } => self.doubted(silence),
            Event::Subscribed { topics } => self.subscribed(&topics),
            Event::Refused {
                topics,
                code,
                message,
            } => self.refused(&topics, code, &message),
            Event::Fatal { code, message } => {
                let fatal = Fatal { code, message };
                self.give_up(&fatal);
                return Some(fatal);
            }
        }
        None
    }

    /// The upstream confirmed these, so that what was lost of them is known by now.
    pub(super) fn subscribed(&mut self, topics: &[Topic]) {
        let trades = topics.iter().filter(|topic| topic.is_trades());
        let symbols: Vec<&str> = trades.map(|topic| topic.symbol.as_str()).collect();
        self.confirmed(&symbols);
        let now = rfc3339(SystemTime::now());
        self.counted.gaps_upstream += self.channels.confirmed(topics, &now);
    }

    fn trades(&mut self, batch: Batch) {
        self.look_into_pauses(&batch);
        let count = batch.trades.len();
        self.counted.trades_in += count as u64;
        self.rate.add(Instant::now(), count);
        if let Some(first) = batch
            .first()
            .and_then(|trade| trade.timestamp.parse::<Timestamp>().ok())
        {
            let took = self.upstream.market_time().duration_since(first.into());
            self.feed_latency.add(took.unwrap_or_default(), count);
        }
        self.unmeasured.push((batch.received, count));
        for trade in batch.trades {
            if let Some(trade) = self.late.pass(trade) {
                put_one(&mut self.topics, &trade, false);
            }
        }
    }

    /// How long what has just been published was inside.
    pub(super) fn measure(&mut self) {
        for (received, count) in self.unmeasured.drain(..) {
            self.inside.add(received.elapsed(), count);
        }
    }

    /// The upstream's client had to drop trades, since this hub was too slow for them: whose is
    /// not known, so all are told.
    pub(super) fn tell_overruns(&mut self) {
        let dropped = self.status.borrow().dropped_trades;
        if dropped <= self.overruns {
            return;
        }
        warn!("{} trades were dropped: too slow", dropped - self.overruns);
        self.overruns = dropped;
        self.gap_everywhere();
    }

    pub(super) fn gap_everywhere(&mut self) {
        for (channel, symbol) in self.channels.carried() {
            self.counted.gaps_overrun += 1;
            self.channels
                .gap(channel, &Gap::unknown(&*symbol, GapReason::Overrun));
        }
        let carried: Vec<_> = self.topics.carried().cloned().collect();
        for symbol in carried {
            self.gap(&Gap::unknown(&*symbol, GapReason::Overrun));
        }
    }

    /// Puts a gap where the trades would have been; those who come back later find it there too.
    pub(super) fn gap(&mut self, gap: &Gap<'_>) {
        match gap.reason {
            GapReason::Upstream => self.counted.gaps_upstream += 1,
            GapReason::Overrun => self.counted.gaps_overrun += 1,
            // Told to one client, not to a topic.
            GapReason::Slow | GapReason::History => {}
        }
        let symbol = gap.symbol.to_string();
        self.topics.add(&symbol, |format, text, seq| {
            let numbered = Gap {
                seq: Some(seq),
                ..gap.clone()
            };
            format.write_gap(text, numbered);
        });
    }

    /// A refused symbol costs its own subscribers that symbol, and nobody anything else.
    fn refused(&mut self, topics: &[Topic], code: u16, message: &str) {
        for topic in topics {
            let told = ServerMessage::Error {
                code: "refused".into(),
                message: format!("Alpaca refused {topic}: {message} ({code})"),
            };
            let told = told.to_json();
            let wanted = if topic.is_trades() {
                self.late.forget(&topic.symbol);
                self.topics.remove(&topic.symbol)
            } else {
                self.channels.remove(topic)
            };
            let pair = (channel_of(topic.channel), topic.symbol.clone());
            for (id, outbox) in wanted {
                match outbox.format() {
                    Format::Stream => outbox.reply(&told),
                    format => outbox.push_frame(format.error(code, message)),
                }
                if let Some(client) = self.clients.get_mut(&id) {
                    client.pairs.remove(&pair);
                }
            }
        }
    }

    fn give_up(&self, fatal: &Fatal) {
        let told = ServerMessage::Error {
            code: "upstream_refused".into(),
            message: fatal.to_string(),
        };
        let told = told.to_json();
        for client in self.clients.values() {
            if client.outbox.format() == Format::Stream {
                client.outbox.reply(&told);
            }
            client
                .outbox
                .close(INTERNAL_ERROR, "Alpaca refuses this key or plan");
        }
    }
}

/// Passes one trade on.
pub(super) fn put_one(topics: &mut Topics, trade: &Trade, backfill: bool) {
    topics.add(&trade.symbol, |format, text, seq| match format {
        Format::Stream => write_trade(text, trade, backfill, seq),
        Format::AlpacaJson | Format::AlpacaMsgpack => format.write_trade(text, trade),
    });
}

fn write_trade(text: &mut Vec<u8>, trade: &Trade, backfill: bool, seq: u64) {
    let message = ServerMessage::Trade {
        symbol: trade.symbol.as_str().into(),
        data: TradeData {
            timestamp: trade.timestamp.as_str().into(),
            price: Cow::Borrowed(&trade.price),
            size: Cow::Borrowed(&trade.size),
            exchange: trade.exchange.name().into(),
            conditions: trade.conditions.as_slice().into(),
        },
        backfill,
        seq: Some(seq),
    };
    write(text, &message);
}

fn write(text: &mut Vec<u8>, message: &ServerMessage<'_>) {
    serde_json::to_writer(text, message).expect("texts and numbers, into memory");
}
