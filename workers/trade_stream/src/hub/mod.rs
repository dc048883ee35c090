//! The only owner of clients and subscriptions: takes requests and upstream events, one at a time,
//! and answers without ever waiting for anyone.

mod bots;
mod channels;
mod dashboard;
mod doubles;
mod elsewhere;
mod fill;
mod health;
mod history;
mod late;
mod metrics;
mod orders;
mod positions;
mod pulse;
mod rate;
mod recent;
mod subscribing;
mod topics;
mod upstream;
mod vitals;

use std::collections::{BTreeSet, HashMap};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use alpaca::{MarketData, Status, Topic, TradingStream};
use stream_protocol::{BadRequest, Channel, ClientMessage, Figures, ServerMessage};
use tokio::sync::{mpsc, oneshot, watch};
use tracing::{info, warn};
use ws_listener::Histogram;

use crate::client::{Ask, Outbox};
use crate::{Fatal, Settings};
use channels::Channels;
use dashboard::Dashboard;
use fill::Fillings;
pub use history::Retention;
use late::Late;
use orders::Orders;
pub use positions::Resumable;
use rate::PerMinute;
use subscribing::{Pair, pairs};
use topics::Topics;

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
        /// It is sentinel, asking how we are; it is not counted.
        is_probe: bool,
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
    /// What backends on other machines want, all of it.
    Elsewhere {
        /// For the upstream.
        topics: BTreeSet<Topic>,
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
    /// Channels besides trades.
    channels: Channels,
    /// What backends on other machines want.
    elsewhere: BTreeSet<Topic>,
    late: Late,
    orders: Orders,
    /// Clients had to show a token, so that any of them may see orders.
    open_to_all: bool,
    fillings: Fillings,
    /// What else is doubted until then is looked up together with what is.
    doubted_until: Option<Instant>,
    /// How long live trades wait for those that were missed.
    hold: Duration,
    /// Where an earlier process was, for symbols that were not asked for again yet.
    resumable: Resumable,
    inside: Histogram,
    /// Arrivals that were not published yet, and how many trades each.
    unmeasured: Vec<(Instant, usize)>,
    feed_latency: Histogram,
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
    dashboard: Dashboard,
}

struct Client {
    peer: SocketAddr,
    is_probe: bool,
    outbox: Arc<Outbox>,
    pairs: BTreeSet<Pair>,
    wants_heartbeats: bool,
    /// Pings since it was heard of last.
    unanswered: u8,
}

impl Hub {
    /// A hub without clients; the upstream stays unconnected until someone subscribes.
    pub fn new(settings: &Settings, upstream: MarketData, orders: Option<TradingStream>) -> Self {
        Self {
            clients: HashMap::new(),
            topics: Topics::new(Channel::Trades, settings.linger, settings.retention),
            status: upstream.status(),
            upstream,
            down_since: None,
            channels: Channels::new(settings.linger, settings.retention),
            elsewhere: BTreeSet::new(),
            late: Late::default(),
            orders: Orders::new(orders),
            open_to_all: !settings.door.tokens.is_open(),
            fillings: Fillings::default(),
            doubted_until: None,
            hold: settings.hold,
            resumable: Resumable::default(),
            inside: Histogram::default(),
            unmeasured: Vec::new(),
            feed_latency: Histogram::default(),
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
            dashboard: Dashboard::new(Instant::now()),
        }
    }

    /// Runs until the upstream refuses for good; then all clients have been told.
    pub async fn run(&mut self, mut requests: mpsc::Receiver<Request>) -> Fatal {
        let mut events = self.upstream.events();
        let mut listening = true;
        let mut batch = Vec::with_capacity(EVENTS_AT_ONCE);
        loop {
            let fill_at = self.fillings.next_due();
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
                    self.measure();
                }
                event = self.orders.next() => self.order_event(event),
                page = self.fillings.next() => self.filled(page),
                () = at(fill_at) => self.fill_next(),
                () = at(self.doubted_until) => self.look_into_doubts(),
                () = at(self.late.next_overdue()) => self.let_go_overdue(),
                () = at(self.topics.next_expiry()) => self.expire(),
                () = at(self.channels.next_expiry()) => self.expire(),
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
            Request::Joined {
                id,
                peer,
                is_probe,
                outbox,
            } => self.joined(id, peer, is_probe, outbox),
            Request::Asked { id, asked } => self.asked(id, asked),
            Request::Bot { id, ask } => self.bot_asks(id, ask),
            Request::Metrics { reply } => {
                // A visitor that is gone needs none.
                let _ = reply.send(self.metrics());
            }
            Request::Elsewhere { topics } => self.want_elsewhere(topics),
            Request::Left { id } => self.left(id),
        }
    }

    fn joined(&mut self, id: ClientId, peer: SocketAddr, is_probe: bool, outbox: Arc<Outbox>) {
        // Probes come and go without a word.
        if !is_probe {
            info!("client {peer}: connected");
        }
        self.clients.insert(
            id,
            Client {
                peer,
                is_probe,
                outbox,
                pairs: BTreeSet::new(),
                wants_heartbeats: false,
                unanswered: 0,
            },
        );
        self.next_ping.get_or_insert_with(|| Instant::now() + self.ping);
    }

    /// How many are connected, sentinel's probes aside.
    fn count_clients(&self) -> usize {
        self.clients.values().filter(|client| !client.is_probe).count()
    }

    fn asked(&mut self, id: ClientId, asked: Result<ClientMessage, BadRequest>) {
        match asked {
            Ok(ClientMessage::Subscribe {
                symbols,
                channels,
                since,
            }) => self.subscribe(id, &pairs(&symbols, &channels), since.as_ref()),
            Ok(ClientMessage::Unsubscribe { symbols, channels }) => {
                self.unsubscribe(id, &pairs(&symbols, &channels));
            }
            Ok(ClientMessage::SubscribeOrders) => self.listen(id, true, false),
            Ok(ClientMessage::UnsubscribeOrders) => self.listen(id, false, false),
            Ok(ClientMessage::Ping) => {
                let alpaca_connected = self.is_connected();
                self.reply(id, &ServerMessage::Pong { alpaca_connected });
            }
            Ok(ClientMessage::Health) => {
                let health = self.health();
                self.reply(id, &ServerMessage::Health(Box::new(health)));
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

    fn left(&mut self, id: ClientId) {
        self.forget_listener(id);
        let Some(client) = self.clients.get(&id) else {
            return;
        };
        let pairs: Vec<Pair> = client.pairs.iter().cloned().collect();
        self.leave(id, &pairs);
        let Some(client) = self.clients.remove(&id) else {
            return;
        };
        self.counted.missed += client.outbox.missed() as u64;
        self.counted.slow_closed += u64::from(client.outbox.was_too_slow());
        match client.outbox.missed() {
            0 if client.is_probe => {}
            0 => info!("client {}: disconnected", client.peer),
            missed => info!(
                "client {}: disconnected, was too slow for {missed} trades",
                client.peer
            ),
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

/// Returns at `deadline`; never without one.
pub async fn at(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline.into()).await,
        None => std::future::pending().await,
    }
}
