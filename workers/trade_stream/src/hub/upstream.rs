//! What the hub makes of the upstream's events.

use std::borrow::Cow;
use std::time::{Instant, SystemTime};

use alpaca::{Event, Trade};
use stream_protocol::{Gap, GapReason, ServerMessage, TradeData, rfc3339};
use tracing::warn;

use super::Hub;
use crate::Fatal;
use crate::client::Format;

/// RFC 6455 §7.4.1: the server cannot fulfil the request.
const INTERNAL_ERROR: u16 = 1011;

impl Hub {
    /// Takes one event; returns the end if it is one, with all clients told.
    pub(super) fn event(&mut self, event: Event) -> Option<Fatal> {
        match event {
            Event::Trades(trades) => self.trades(&trades),
            // The client logs its connection itself.
            Event::Connected => self.down_since = None,
            Event::Disconnected { .. } => {
                self.down_since.get_or_insert_with(Instant::now);
                let good = self.status.borrow().last_data;
                self.outages
                    .disconnected(&rfc3339(good.unwrap_or_else(SystemTime::now)));
            }
            Event::Subscribed { symbols } => self.confirmed(&symbols),
            Event::Refused {
                symbols,
                code,
                message,
            } => self.refused(&symbols, code, &message),
            Event::Fatal { code, message } => {
                let fatal = Fatal { code, message };
                self.give_up(&fatal);
                return Some(fatal);
            }
        }
        None
    }

    fn trades(&mut self, trades: &[Trade]) {
        self.counted.trades_in += trades.len() as u64;
        self.rate.add(Instant::now(), trades.len());
        for trade in trades {
            self.topics.add(&trade.symbol, |format, text, seq| match format {
                Format::Stream => write_trade(text, trade, seq),
                Format::AlpacaJson | Format::AlpacaMsgpack => format.write_trade(text, trade),
            });
        }
    }

    fn confirmed(&mut self, symbols: &[String]) {
        let now = rfc3339(SystemTime::now());
        for symbol in symbols {
            if let Some(since) = self.outages.confirmed(symbol) {
                self.gap(&Gap {
                    since: Some(since),
                    until: Some(now.clone()),
                    ..Gap::unknown(symbol, GapReason::Upstream)
                });
            }
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
        let carried: Vec<_> = self.topics.carried().cloned().collect();
        for symbol in carried {
            self.gap(&Gap::unknown(&*symbol, GapReason::Overrun));
        }
    }

    /// Puts a gap where the trades would have been; those who come back later find it there too.
    fn gap(&mut self, gap: &Gap<'_>) {
        match gap.reason {
            GapReason::Upstream => self.counted.gaps_upstream += 1,
            GapReason::Overrun => self.counted.gaps_overrun += 1,
            // Told to one client, not to a topic.
            GapReason::Slow | GapReason::History => {}
        }
        let symbol = gap.symbol.to_string();
        self.topics.add(&symbol, |format, text, seq| match format {
            Format::Stream => {
                let numbered = Gap {
                    seq: Some(seq),
                    ..gap.clone()
                };
                write(text, &ServerMessage::Gap(numbered));
            }
            // Alpaca's protocol has no word for it.
            Format::AlpacaJson | Format::AlpacaMsgpack => {}
        });
    }

    /// A refused symbol costs its own subscribers that symbol, and nobody anything else.
    fn refused(&mut self, symbols: &[String], code: u16, message: &str) {
        warn!("upstream: refused {}: {message} ({code})", symbols.join(" "));
        for symbol in symbols {
            self.outages.forget(symbol);
            let told = ServerMessage::Error {
                code: "refused".into(),
                message: format!("Alpaca refused {symbol}: {message} ({code})"),
            };
            let told = told.to_json();
            for (id, outbox) in self.topics.remove(symbol) {
                match outbox.format() {
                    Format::Stream => outbox.reply(&told),
                    format => outbox.push_frame(format.error(code, message)),
                }
                if let Some(client) = self.clients.get_mut(&id) {
                    client.symbols.remove(symbol);
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

fn write_trade(text: &mut Vec<u8>, trade: &Trade, seq: u64) {
    let message = ServerMessage::Trade {
        symbol: trade.symbol.as_str().into(),
        data: TradeData {
            timestamp: trade.timestamp.as_str().into(),
            price: Cow::Borrowed(&trade.price),
            size: Cow::Borrowed(&trade.size),
            exchange: trade.exchange.name().into(),
            conditions: trade.conditions.as_slice().into(),
        },
        seq: Some(seq),
    };
    write(text, &message);
}

fn write(text: &mut Vec<u8>, message: &ServerMessage<'_>) {
    serde_json::to_writer(text, message).expect("texts and numbers, into memory");
}
