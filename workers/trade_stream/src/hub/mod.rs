//! The only owner of clients and subscriptions: takes requests and upstream events, one at a time,
//! and answers without ever waiting for anyone.

mod health;
mod rate;
mod topics;
mod upstream;

use std::collections::{BTreeSet, HashMap};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use alpaca::{MarketData, Status};
use stream_protocol::{BadRequest, ClientMessage, ServerMessage};
use tokio::sync::{mpsc, watch};
use tracing::info;

use crate::client::Outbox;
use crate::{Fatal, Settings};
use rate::PerMinute;
use topics::Topics;

/// Events that are taken together before their trades are passed on, when they are there anyway.
const EVENTS_AT_ONCE: usize = 64;
/// The most symbols of one client.
const MAX_SYMBOLS: usize = 10_000;

/// A client's number, never used twice in a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ClientId(pub u64);

/// What clients' connections tell the hub.
#[derive(Debug)]
pub enum Request {
    /// A client is connected.
    Joined {
        /// Its number.
        id: ClientId,
        /// Its address, for the log.
        peer: SocketAddr,
        /// Where its messages go.
        outbox: Arc<Outbox>,
    },
    /// A client sent a message.
    Asked {
        /// Its number.
        id: ClientId,
        /// The message, or why it is none.
        asked: Result<ClientMessage, BadRequest>,
    },
    /// A client is gone.
    Left {
        /// Its number.
        id: ClientId,
    },
}

/// See the module.
pub struct Hub {
    clients: HashMap<ClientId, Client>,
    topics: Topics,
    upstream: MarketData,
    status: watch::Receiver<Status>,
    /// Since when a connection is wanted and missing.
    down_since: Option<Instant>,
    feed: String,
    grace: Duration,
    rate: PerMinute,
}

struct Client {
    peer: SocketAddr,
    outbox: Arc<Outbox>,
    symbols: BTreeSet<String>,
}

impl Hub {
    /// A hub without clients; the upstream stays unconnected until someone subscribes.
    pub fn new(settings: &Settings, upstream: MarketData) -> Self {
        Self {
            clients: HashMap::new(),
            topics: Topics::new(settings.linger),
            status: upstream.status(),
            upstream,
            down_since: None,
            feed: settings.source.feed.clone(),
            grace: settings.grace,
            rate: PerMinute::new(Instant::now()),
        }
    }

    /// Runs until the upstream refuses for good; then all clients have been told.
    pub async fn run(mut self, mut requests: mpsc::Receiver<Request>) -> Fatal {
        let mut events = self.upstream.events();
        let mut batch = Vec::with_capacity(EVENTS_AT_ONCE);
        loop {
            tokio::select! {
                Some(request) = requests.recv() => self.request(request),
                _ = events.recv_many(&mut batch, EVENTS_AT_ONCE) => {
                    for event in batch.drain(..) {
                        if let Some(fatal) = self.event(event) {
                            return fatal;
                        }
                    }
                    self.topics.publish();
                }
                () = at(self.topics.next_expiry()) => self.expire(),
            }
        }
    }

    fn request(&mut self, request: Request) {
        match request {
            Request::Joined { id, peer, outbox } => {
                info!("client {peer}: connected");
                self.clients.insert(
                    id,
                    Client {
                        peer,
                        outbox,
                        symbols: BTreeSet::new(),
                    },
                );
            }
            Request::Asked { id, asked } => self.asked(id, asked),
            Request::Left { id } => self.left(id),
        }
    }

    fn asked(&mut self, id: ClientId, asked: Result<ClientMessage, BadRequest>) {
        match asked {
            Ok(ClientMessage::Subscribe { symbols }) => self.subscribe(id, symbols),
            Ok(ClientMessage::Unsubscribe { symbols }) => self.unsubscribe(id, &symbols),
            Ok(ClientMessage::Ping) => {
                let alpaca_connected = self.is_connected();
                self.reply(id, &ServerMessage::Pong { alpaca_connected });
            }
            Ok(ClientMessage::Health) => {
                let health = self.health();
                self.reply(id, &ServerMessage::Health(health));
            }
            Ok(ClientMessage::Reconnect) => {
                info!("a client asked for a new upstream connection");
                self.upstream.reconnect();
                self.reply(id, &ServerMessage::reconnect_initiated());
            }
            Err(bad) => self.reply(id, &bad.into()),
        }
    }

    fn subscribe(&mut self, id: ClientId, symbols: Vec<String>) {
        let connected = self.is_connected();
        let Some(client) = self.clients.get_mut(&id) else {
            return;
        };
        if client.symbols.len() + symbols.len() > MAX_SYMBOLS {
            let bad = BadRequest(format!("a client may have {MAX_SYMBOLS} symbols at most"));
            return client.outbox.reply(&ServerMessage::from(bad).to_json());
        }
        info!("client {}: subscribes {}", client.peer, symbols.join(" "));
        let mut wanted = Vec::new();
        for symbol in symbols {
            if !connected {
                client.outbox.reply(&ServerMessage::connecting(&symbol).to_json());
            }
            client.outbox.reply(&ServerMessage::subscribed(&symbol).to_json());
            if self.topics.subscribe(&symbol, id, &client.outbox) {
                wanted.push(symbol.clone());
            }
            client.symbols.insert(symbol);
        }
        if !wanted.is_empty() {
            self.upstream.subscribe(&wanted);
            if !connected {
                self.down_since.get_or_insert_with(Instant::now);
            }
        }
    }

    fn unsubscribe(&mut self, id: ClientId, symbols: &[String]) {
        let Some(client) = self.clients.get_mut(&id) else {
            return;
        };
        info!("client {}: unsubscribes {}", client.peer, symbols.join(" "));
        let now = Instant::now();
        for symbol in symbols {
            client.symbols.remove(symbol);
            self.topics.unsubscribe(symbol, id, now);
            client
                .outbox
                .reply(&ServerMessage::unsubscribed(symbol).to_json());
        }
    }

    fn left(&mut self, id: ClientId) {
        let Some(client) = self.clients.remove(&id) else {
            return;
        };
        let now = Instant::now();
        for symbol in &client.symbols {
            self.topics.unsubscribe(symbol, id, now);
        }
        match client.outbox.missed() {
            0 => info!("client {}: disconnected", client.peer),
            missed => info!(
                "client {}: disconnected, was too slow for {missed} trades",
                client.peer
            ),
        }
    }

    fn expire(&mut self) {
        let expired = self.topics.expire(Instant::now());
        if !expired.is_empty() {
            info!("nobody is subscribed to {} any more", expired.join(" "));
            self.upstream.unsubscribe(&expired);
        }
    }

    fn is_connected(&self) -> bool {
        self.status.borrow().state.is_connected()
    }

    fn reply(&self, id: ClientId, message: &ServerMessage<'_>) {
        if let Some(client) = self.clients.get(&id) {
            client.outbox.reply(&message.to_json());
        }
    }
}

async fn at(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline.into()).await,
        None => std::future::pending().await,
    }
}
