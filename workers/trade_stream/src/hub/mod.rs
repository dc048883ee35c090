//! The only owner of clients and subscriptions: takes requests and upstream events, one at a time,
//! and answers without ever waiting for anyone.

mod bots;
mod health;
mod history;
mod metrics;
mod outages;
mod pulse;
mod rate;
mod topics;
mod upstream;

use std::collections::{BTreeSet, HashMap};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use alpaca::{MarketData, Status};
use stream_protocol::{BadRequest, ClientMessage, Figures, Position, ServerMessage};
use tokio::sync::{mpsc, oneshot, watch};
use tracing::{info, warn};

use crate::client::{Ask, Outbox};
use crate::{Fatal, Settings};
pub use history::Retention;
use outages::Outages;
use rate::PerMinute;
use topics::{Joined, Recovery, Topics};

/// Events that are taken together before their trades are passed on, when they are there anyway.
const EVENTS_AT_ONCE: usize = 64;

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
    /// A client that speaks Alpaca's protocol, and has joined, asks.
    Bot {
        /// Its number.
        id: ClientId,
        /// What for.
        ask: Ask,
    },
    /// A visitor wants the metrics.
    Metrics {
        /// Where they go.
        reply: oneshot::Sender<String>,
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
    outages: Outages,
    /// Trades that the upstream's client had dropped when we last looked.
    overruns: u64,
    /// How long a client that wants heartbeats may hear nothing.
    pulse: Duration,
    /// Set while a client wants heartbeats.
    next_pulse: Option<Instant>,
    ping: Duration,
    /// Set while there are clients.
    next_ping: Option<Instant>,
    max_symbols: usize,
    /// What is counted here; see `figures` for the rest.
    counted: Figures,
    feed: String,
    grace: Duration,
    rate: PerMinute,
}

struct Client {
    peer: SocketAddr,
    outbox: Arc<Outbox>,
    symbols: BTreeSet<String>,
    wants_heartbeats: bool,
    /// Pings since it was heard of last.
    unanswered: u8,
}

impl Hub {
    /// A hub without clients; the upstream stays unconnected until someone subscribes.
    pub fn new(settings: &Settings, upstream: MarketData) -> Self {
        Self {
            clients: HashMap::new(),
            topics: Topics::new(settings.linger, settings.retention),
            status: upstream.status(),
            upstream,
            down_since: None,
            outages: Outages::default(),
            overruns: 0,
            pulse: settings.heartbeat,
            next_pulse: None,
            ping: settings.ping,
            next_ping: None,
            max_symbols: settings.max_symbols,
            counted: Figures::default(),
            feed: settings.source.feed.clone(),
            grace: settings.grace,
            rate: PerMinute::new(Instant::now()),
        }
    }

    /// Runs until the upstream refuses for good; then all clients have been told.
    pub async fn run(mut self, mut requests: mpsc::Receiver<Request>) -> Fatal {
        let mut events = self.upstream.events();
        let mut listening = true;
        let mut batch = Vec::with_capacity(EVENTS_AT_ONCE);
        loop {
            tokio::select! {
                Some(request) = requests.recv() => self.request(request),
                count = events.recv_many(&mut batch, EVENTS_AT_ONCE), if listening => {
                    if count == 0 {
                        listening = self.is_upstream_there();
                        events = self.listen_again();
                    }
                    for event in batch.drain(..) {
                        if let Some(fatal) = self.event(event) {
                            return fatal;
                        }
                    }
                    self.tell_overruns();
                    self.topics.publish();
                }
                () = at(self.topics.next_expiry()) => self.expire(),
                () = at(self.next_pulse) => self.pulse(),
                () = at(self.next_ping) => self.ping_silent(),
            }
        }
    }

    /// False once the upstream's client has ended, when there is nothing left to listen to.
    fn is_upstream_there(&self) -> bool {
        self.status.has_changed().is_ok()
    }

    /// The upstream's client has cut us off for not listening at all.
    fn listen_again(&mut self) -> mpsc::Receiver<alpaca::Event> {
        warn!("missed events of the upstream: too slow");
        self.gap_everywhere();
        self.upstream.events()
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
                        wants_heartbeats: false,
                        unanswered: 0,
                    },
                );
                self.next_ping.get_or_insert_with(|| Instant::now() + self.ping);
            }
            Request::Asked { id, asked } => self.asked(id, asked),
            Request::Bot { id, ask } => self.bot_asks(id, ask),
            Request::Metrics { reply } => {
                // A visitor that is gone needs none.
                let _ = reply.send(self.metrics());
            }
            Request::Left { id } => self.left(id),
        }
    }

    fn asked(&mut self, id: ClientId, asked: Result<ClientMessage, BadRequest>) {
        match asked {
            Ok(ClientMessage::Subscribe { symbols, since }) => {
                self.subscribe(id, symbols, since.as_ref());
            }
            Ok(ClientMessage::Unsubscribe { symbols }) => self.unsubscribe(id, &symbols),
            Ok(ClientMessage::Ping) => {
                let alpaca_connected = self.is_connected();
                self.reply(id, &ServerMessage::Pong { alpaca_connected });
            }
            Ok(ClientMessage::Health) => {
                let health = self.health();
                self.reply(id, &ServerMessage::Health(health));
            }
            Ok(ClientMessage::Heartbeat) => self.wants_heartbeats(id),
            Ok(ClientMessage::Reconnect) => {
                info!("a client asked for a new upstream connection");
                self.upstream.reconnect();
                self.reply(id, &ServerMessage::reconnect_initiated());
            }
            Err(bad) => self.reply(id, &bad.into()),
        }
    }

    fn subscribe(&mut self, id: ClientId, symbols: Vec<String>, since: Option<&Position>) {
        let connected = self.is_connected();
        let Some(client) = self.clients.get_mut(&id) else {
            return;
        };
        let new = symbols.iter().filter(|symbol| !client.symbols.contains(*symbol));
        if client.symbols.len() + new.count() > self.max_symbols {
            let bad = BadRequest(format!("a client may have {} symbols at most", self.max_symbols));
            return client.outbox.reply(&ServerMessage::from(bad).to_json());
        }
        info!("client {}: subscribes {}", client.peer, symbols.join(" "));
        let mut wanted = Vec::new();
        for symbol in symbols {
            if !connected {
                client.outbox.reply(&ServerMessage::connecting(&symbol).to_json());
            }
            let joined = self.topics.subscribe(&symbol, id, &client.outbox, since);
            if joined.is_new {
                wanted.push(symbol.clone());
            }
            match &joined.recovery {
                Recovery::NotAsked => {}
                Recovery::Whole(_) => self.counted.replays += 1,
                Recovery::Lost(_) => self.counted.gaps_history += 1,
            }
            tell_joined(&client.outbox, &symbol, joined);
            client.symbols.insert(symbol);
        }
        self.want(&wanted, connected);
    }

    /// Asks the upstream for symbols that it does not carry yet.
    fn want(&mut self, symbols: &[String], connected: bool) {
        if symbols.is_empty() {
            return;
        }
        self.upstream.subscribe(symbols);
        if !connected {
            self.down_since.get_or_insert_with(Instant::now);
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
        self.counted.missed += client.outbox.missed() as u64;
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
            for symbol in &expired {
                self.outages.forget(symbol);
            }
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

/// `subscribed`, then what the client missed, or that it cannot have it.
fn tell_joined(outbox: &Outbox, symbol: &str, joined: Joined) {
    let recovered = match &joined.recovery {
        Recovery::NotAsked => None,
        Recovery::Whole(_) => Some(true),
        Recovery::Lost(_) => Some(false),
    };
    let subscribed = ServerMessage::subscribed_at(symbol, joined.position, recovered);
    outbox.reply(&subscribed.to_json());
    match joined.recovery {
        Recovery::NotAsked => {}
        Recovery::Whole(chunks) => {
            for chunk in chunks {
                outbox.push_trades(chunk);
            }
        }
        Recovery::Lost(gap) => outbox.reply(&ServerMessage::Gap(gap).to_json()),
    }
}

async fn at(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline.into()).await,
        None => std::future::pending().await,
    }
}
