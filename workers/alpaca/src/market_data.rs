//! A handle on a shared market-data connection.

use std::sync::Arc;
use std::time::SystemTime;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::{mpsc, watch};

use crate::rest::{Backfill, PastTrades};
use crate::{Event, Status, Topic};

/// How many events may wait for a receiver; an event of trades can carry many.
const EVENT_QUEUE: usize = 4096;

/// What a handle asks of the driver.
#[derive(Debug)]
pub(crate) enum Command {
    Subscribe(Vec<Topic>),
    Unsubscribe(Vec<Topic>),
    Reconnect,
    Listen(mpsc::Sender<Event>),
    Close,
}

/// One connection as its handles share it. Its drop tells the driver to close.
#[derive(Debug)]
pub(crate) struct Link {
    // Unbounded, so that asking never waits; only this process asks, and the driver only keeps sets.
    pub(crate) commands: mpsc::UnboundedSender<Command>,
    pub(crate) status: watch::Receiver<Status>,
    /// Closes when the driver has ended, and with it the connection.
    pub(crate) ended: Ended,
    pub(crate) past: Past,
}

/// The way to past trades.
#[derive(Debug)]
pub(crate) struct Past {
    pub(crate) trades: Option<PastTrades>,
    /// By how much the market's clock is ahead of the host's.
    pub(crate) shift: SignedDuration,
}

/// Tells when a driver has ended: nothing is ever sent, the sender is gone.
pub(crate) type Ended = watch::Receiver<()>;

impl Drop for Link {
    fn drop(&mut self) {
        // A driver that has ended needs no telling.
        let _ = self.commands.send(Command::Close);
    }
}

/// A reference to the one market-data connection of a key and endpoint. A clone is one more
/// reference; when the last is dropped the connection is closed cleanly.
#[derive(Clone, Debug)]
pub struct MarketData(pub(crate) Arc<Link>);

impl MarketData {
    /// Wants the trades of these symbols (upper-case). Idempotent; takes effect by itself once
    /// connected, and again after every reconnect. The first wanted symbol opens the connection.
    pub fn subscribe(&self, symbols: &[String]) {
        self.want(symbols.iter().map(Topic::trades).collect());
    }

    /// No longer wants the trades of these symbols. The connection stays, also without any.
    pub fn unsubscribe(&self, symbols: &[String]) {
        self.unwant(symbols.iter().map(Topic::trades).collect());
    }

    /// Wants these channels of these symbols; as `subscribe`.
    pub fn want(&self, topics: Vec<Topic>) {
        self.ask(Command::Subscribe(topics));
    }

    /// No longer wants these channels of these symbols.
    pub fn unwant(&self, topics: Vec<Topic>) {
        self.ask(Command::Unsubscribe(topics));
    }

    /// Drops the connection and connects again now, at most once a second. Does nothing when the
    /// connection was never needed or is being made, or after `Fatal`.
    pub fn reconnect(&self) {
        self.ask(Command::Reconnect);
    }

    /// Fetches the trades of these symbols that were made from `start` to `end`, by the market's clock:
    /// what was missed while there was no connection. The feeds of stocks and crypto have
    /// them; of others it fails at once. Must be called inside a tokio runtime.
    pub fn backfill(&self, symbols: Vec<String>, start: SystemTime, end: SystemTime) -> Backfill {
        match self.0.past.trades.clone() {
            Some(past) => past.fetch(symbols, start, end),
            None => Backfill::failed("this feed has no past trades"),
        }
    }

    /// What the market's clock shows now: the host's time, but in rehearsals.
    pub fn market_time(&self) -> SystemTime {
        let now = Timestamp::now();
        now.saturating_add(self.0.past.shift).unwrap_or(now).into()
    }

    /// Everything that happens from now on. Every caller has a bounded queue of its own: a receiver
    /// that reads too slowly loses trades (counted in `Status::dropped_trades`) and no one else's;
    /// one that does not read at all is cut off. Ends when the connection is closed.
    pub fn events(&self) -> mpsc::Receiver<Event> {
        let (sender, receiver) = mpsc::channel(EVENT_QUEUE);
        self.ask(Command::Listen(sender));
        receiver
    }

    /// The status now and every change of it.
    pub fn status(&self) -> watch::Receiver<Status> {
        self.0.status.clone()
    }

    /// Gives this reference back. If it was the last, returns when the connection is closed: a
    /// WebSocket close, waited for up to 3 s.
    pub async fn close(self) {
        let mut ended = self.0.ended.clone();
        if Arc::into_inner(self.0).is_some() {
            // The error is the message: the driver is gone.
            let _ = ended.changed().await;
        }
    }

    fn ask(&self, command: Command) {
        // The driver ends only when told to close; then there is nothing left to ask.
        let _ = self.0.commands.send(command);
    }
}
