//! The stream of order updates: one connection per key, like that of market data.
//!
//! Another protocol: objects, no welcome, `authenticate`, then `listen`. The server replays nothing,
//! so what happened to orders while there was no connection must be asked for; users are told when.
//! Source: <https://docs.alpaca.markets/docs/websocket-streaming>.

mod driver;
mod session;
mod wire;

use std::sync::Arc;
use std::time::SystemTime;

use serde_json::value::RawValue;
use tokio::sync::{broadcast, mpsc, watch};

use crate::State;
use crate::market_data::Ended;

pub(crate) use driver::{Account, run};

/// Events that a receiver may be behind with.
pub(crate) const BEHIND: usize = 4096;

/// What happens on the stream of orders.
#[derive(Clone, Debug)]
pub enum OrderEvent {
    /// Updates come from now on.
    Connected,
    /// The connection is gone; unless `Fatal` follows it is being made again. Updates until
    /// `Connected` are missed.
    Disconnected {
        /// One sentence for a person.
        reason: String,
    },
    /// What became of an order: the `data` of Alpaca's `trade_updates`, as it was written, with
    /// `event` and `order` in it.
    Update(Arc<RawValue>),
    /// Given up, for good: only a person can help.
    Fatal {
        /// What to do about it.
        message: String,
    },
}

/// The connection at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderStatus {
    /// What it is doing; `Live` when updates come.
    pub state: State,
    /// When the present connection, or the last, was last known to be good.
    pub good: Option<SystemTime>,
    /// Times that it was made after the first time.
    pub reconnects: u64,
    /// What is wrong or waited for.
    pub detail: Option<String>,
}

/// What a handle asks of the driver.
#[derive(Debug)]
pub(crate) enum Ask {
    Listen,
    Close,
}

/// One connection as its handles share it.
#[derive(Debug)]
pub(crate) struct TradingLink {
    pub(crate) asks: mpsc::UnboundedSender<Ask>,
    pub(crate) events: broadcast::Sender<OrderEvent>,
    pub(crate) status: watch::Receiver<OrderStatus>,
    pub(crate) ended: Ended,
}

impl Drop for TradingLink {
    fn drop(&mut self) {
        // A driver that has ended needs no telling.
        let _ = self.asks.send(Ask::Close);
    }
}

/// A reference to the one stream of order updates of a key. When the last is dropped the connection
/// is closed cleanly.
#[derive(Clone, Debug)]
pub struct TradingStream(pub(crate) Arc<TradingLink>);

impl TradingStream {
    /// Connects, if that was not asked for before.
    pub fn listen(&self) {
        // The driver ends only when told to close.
        let _ = self.0.asks.send(Ask::Listen);
    }

    /// Everything that happens from now on. Who is behind by thousands of updates is told that some
    /// are lost (`RecvError::Lagged`).
    pub fn events(&self) -> broadcast::Receiver<OrderEvent> {
        self.0.events.subscribe()
    }

    /// The status now and every change of it.
    pub fn status(&self) -> watch::Receiver<OrderStatus> {
        self.0.status.clone()
    }

    /// Gives this reference back. If it was the last, returns when the connection is closed, after 3 s
    /// at most.
    pub async fn close(self) {
        let mut ended = self.0.ended.clone();
        if Arc::into_inner(self.0).is_some() {
            // The error is the message: the driver is gone.
            let _ = ended.changed().await;
        }
    }
}
