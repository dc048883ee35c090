//! Order updates, relayed to the clients who may see them.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::SystemTime;

use alpaca::{OrderEvent, State, TradingStream};
use serde_json::value::RawValue;
use stream_protocol::{ServerMessage, rfc3339};
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;
use tracing::{info, warn};
use ws_listener::frame;

use super::{ClientId, Hub};
use crate::client::{Outbox, order_update};

/// RFC 6455 §7.4.1: the client does not keep to what is asked of it.
const POLICY: u16 = 1008;
/// Bytes that may wait for a client that listens: an update is never dropped.
const MOST_WAITING: usize = 4 << 20;

/// The account's stream of orders, and who listens.
#[derive(Debug, Default)]
pub struct Orders {
    /// `None` where orders are not relayed.
    stream: Option<TradingStream>,
    events: Option<broadcast::Receiver<OrderEvent>>,
    listeners: HashMap<ClientId, Listener>,
    /// Since when updates are missed.
    lost: Option<SystemTime>,
}

#[derive(Debug)]
struct Listener {
    outbox: Arc<Outbox>,
    /// Speaks Alpaca's protocol of orders.
    is_trader: bool,
}

impl Orders {
    pub fn new(stream: Option<TradingStream>) -> Self {
        Self {
            stream,
            ..Self::default()
        }
    }

    /// The next event; never when nobody listens. Cancel-safe.
    pub async fn next(&mut self) -> Result<OrderEvent, RecvError> {
        match &mut self.events {
            Some(events) => events.recv().await,
            None => std::future::pending().await,
        }
    }
}

impl Hub {
    /// A client listens to order updates, or no longer.
    pub(super) fn listen(&mut self, id: ClientId, is_on: bool, is_trader: bool) {
        let Some(client) = self.clients.get(&id) else {
            return;
        };
        let reply = |message: &ServerMessage<'_>| {
            if !is_trader {
                client.outbox.reply(&message.to_json());
            }
        };
        if !is_on {
            self.orders.listeners.remove(&id);
            let message = "Unsubscribed from order updates".into();
            return reply(&ServerMessage::OrdersUnsubscribed { message });
        }
        let Some(stream) = &self.orders.stream else {
            let message = "order updates are not relayed here: start trade-stream with --orders URL";
            return reply(&error("orders_off", message));
        };
        if !self.open_to_all && !client.peer.ip().is_loopback() {
            let message = "order updates are for this host only, unless TRADE_STREAM_TOKENS is set";
            return reply(&error("forbidden", message));
        }
        info!("client {}: listens to order updates", client.peer);
        if self.orders.events.is_none() {
            self.orders.events = Some(stream.events());
            stream.listen();
        }
        let outbox = Arc::clone(&client.outbox);
        self.orders.listeners.insert(id, Listener { outbox, is_trader });
        let message = "Subscribed to order updates".into();
        reply(&ServerMessage::OrdersSubscribed { message });
    }

    pub(super) fn order_event(&mut self, event: Result<OrderEvent, RecvError>) {
        match event {
            Ok(OrderEvent::Update(data)) => self.order_update(&data),
            Ok(OrderEvent::Connected) => {
                if let Some(since) = self.orders.lost.take() {
                    self.tell_orders_gap(since);
                }
            }
            Ok(OrderEvent::Disconnected { .. }) => {
                let good = self
                    .orders
                    .stream
                    .as_ref()
                    .and_then(|stream| stream.status().borrow().good);
                self.orders
                    .lost
                    .get_or_insert_with(|| good.unwrap_or_else(SystemTime::now));
            }
            Ok(OrderEvent::Fatal { message }) => {
                let told = error("orders_refused", &message).to_json();
                for listener in self.orders.listeners.values().filter(|one| !one.is_trader) {
                    listener.outbox.reply(&told);
                }
            }
            Err(RecvError::Lagged(missed)) => {
                warn!("{missed} order updates were missed: too slow");
                self.tell_orders_gap(SystemTime::now());
            }
            Err(RecvError::Closed) => self.orders.events = None,
        }
    }

    fn order_update(&mut self, data: &RawValue) {
        self.counted.order_updates += 1;
        let text = format!("{{\"type\":\"order_update\",\"data\":{}}}", data.get());
        let (ours, alpacas) = (frame::text(text.as_bytes()), order_update(data.get()));
        for listener in self.orders.listeners.values() {
            if listener.outbox.bytes() > MOST_WAITING {
                listener.outbox.close(POLICY, "too slow for order updates");
            }
            let frame = if listener.is_trader { &alpacas } else { &ours };
            listener.outbox.push_frame(frame.clone());
        }
    }

    /// Alpaca replays nothing: who must know asks for the orders.
    fn tell_orders_gap(&self, since: SystemTime) {
        let gap = ServerMessage::OrdersGap {
            since: rfc3339(since),
            until: rfc3339(SystemTime::now()),
        };
        let told = gap.to_json();
        for listener in self.orders.listeners.values() {
            if listener.is_trader {
                // Its protocol has no word for it, but knows what to do after a reconnect.
                listener.outbox.close(1012, "order updates were interrupted");
            } else {
                listener.outbox.reply(&told);
            }
        }
    }

    pub(super) fn forget_listener(&mut self, id: ClientId) {
        self.orders.listeners.remove(&id);
    }

    /// In one word; `None` where orders are not relayed.
    pub(super) fn orders_state(&self) -> Option<String> {
        let state: State = self.orders.stream.as_ref()?.status().borrow().state;
        Some(state.as_str().into())
    }
}

fn error(code: &str, message: &str) -> ServerMessage<'static> {
    ServerMessage::Error {
        code: code.to_owned().into(),
        message: message.to_owned(),
    }
}
