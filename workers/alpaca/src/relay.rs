//! A market-data handle that is fed from elsewhere than a connection of this process: those who use it
//! need not know the difference.

use std::sync::Arc;
use std::time::SystemTime;

use jiff::SignedDuration;
use tokio::sync::{mpsc, watch};

use crate::listeners::Listeners;
use crate::market_data::{Command, Link, Past};
use crate::{Event, MarketData, Status, Topic};

/// The feeding end. Its drop ends the handle, as the end of a connection does.
#[derive(Debug)]
pub struct Relay {
    inbox: mpsc::UnboundedReceiver<Command>,
    listeners: Listeners,
    publisher: watch::Sender<Status>,
    /// Tells those who close the handle that it is closed.
    _alive: watch::Sender<()>,
}

/// What users of the handle ask for.
#[derive(Debug, PartialEq, Eq)]
pub enum RelayAsk {
    /// They want these.
    Want(Vec<Topic>),
    /// They no longer want these.
    Unwant(Vec<Topic>),
    /// They want a new connection.
    Reconnect,
    /// Nobody uses it any more.
    Close,
}

impl Relay {
    /// A handle, and its feeding end. Past trades cannot be fetched through it.
    pub fn new() -> (MarketData, Self) {
        let (commands, inbox) = mpsc::unbounded_channel();
        let (publisher, status) = watch::channel(Status::idle(SystemTime::now()));
        let (alive, ended) = watch::channel(());
        let past = Past {
            trades: None,
            shift: SignedDuration::ZERO,
        };
        let link = Link {
            commands,
            status,
            ended,
            past,
        };
        let relay = Self {
            inbox,
            listeners: Listeners::default(),
            publisher,
            _alive: alive,
        };
        (MarketData(Arc::new(link)), relay)
    }

    /// The next thing that is asked for. Cancel-safe.
    pub async fn asked(&mut self) -> RelayAsk {
        loop {
            return match self.inbox.recv().await {
                Some(Command::Listen(sender)) => {
                    self.listeners.add(sender);
                    continue;
                }
                Some(Command::Subscribe(topics)) => RelayAsk::Want(topics),
                Some(Command::Unsubscribe(topics)) => RelayAsk::Unwant(topics),
                Some(Command::Reconnect) => RelayAsk::Reconnect,
                Some(Command::Close) | None => RelayAsk::Close,
            };
        }
    }

    /// Passes an event on to all who listen; none of them can hold it up.
    pub fn tell(&mut self, event: Event) {
        self.listeners.tell(event);
        let dropped = self.listeners.dropped_trades();
        self.publisher.send_if_modified(|status| {
            status.dropped_trades = dropped;
            false
        });
    }

    /// Changes the status; those who wait for a change are woken if `change` says so.
    pub fn show(&self, change: impl FnOnce(&mut Status) -> bool) {
        self.publisher.send_if_modified(change);
    }
}

#[cfg(test)]
mod tests {
    use super::{Relay, RelayAsk};
    use crate::{Event, Topic};

    #[tokio::test]
    async fn a_handle_works_as_one_of_a_connection_does() {
        let (handle, mut relay) = Relay::new();
        let mut events = handle.events();
        handle.subscribe(&["AAPL".into()]);
        assert_eq!(relay.asked().await, RelayAsk::Want(vec![Topic::trades("AAPL")]));
        relay.tell(Event::Connected);
        assert_eq!(events.recv().await, Some(Event::Connected));
        let closing = tokio::spawn(handle.close());
        assert_eq!(relay.asked().await, RelayAsk::Close);
        drop(relay);
        closing.await.expect("closed");
        assert_eq!(events.recv().await, None);
    }
}
