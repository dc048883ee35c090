//! What the hub makes of the upstream's events.

use std::borrow::Cow;
use std::time::Instant;

use alpaca::{Event, Trade};
use stream_protocol::{ServerMessage, TradeData};
use tracing::warn;

use super::Hub;
use crate::Fatal;

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
            }
            Event::Subscribed { .. } => {}
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
        self.rate.add(Instant::now(), trades.len());
        for trade in trades {
            self.topics.trade(&trade.symbol, |text| write_trade(text, trade));
        }
    }

    /// A refused symbol costs its own subscribers that symbol, and nobody anything else.
    fn refused(&mut self, symbols: &[String], code: u16, message: &str) {
        warn!("upstream: refused {}: {message} ({code})", symbols.join(" "));
        for symbol in symbols {
            let told = ServerMessage::Error {
                code: "refused".into(),
                message: format!("Alpaca refused {symbol}: {message} ({code})"),
            };
            let told = told.to_json();
            for (id, outbox) in self.topics.remove(symbol) {
                outbox.reply(&told);
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
            client.outbox.reply(&told);
            client
                .outbox
                .close(INTERNAL_ERROR, "Alpaca refuses this key or plan");
        }
    }
}

fn write_trade(text: &mut Vec<u8>, trade: &Trade) {
    let message = ServerMessage::Trade {
        symbol: trade.symbol.as_str().into(),
        data: TradeData {
            timestamp: trade.timestamp.as_str().into(),
            price: Cow::Borrowed(&trade.price),
            size: Cow::Borrowed(&trade.size),
            exchange: trade.exchange.name().into(),
            conditions: trade.conditions.as_slice().into(),
        },
    };
    serde_json::to_writer(text, &message).expect("texts and numbers, into memory");
}
