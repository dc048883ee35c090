//! Performs what the session decides, and tells it what came of it.

mod hours;
mod told;

use std::hash::{BuildHasher, RandomState};
use std::pin::pin;
use std::time::{Duration, Instant, SystemTime};

use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{Sleep, sleep_until};
use tracing::{debug, warn};

use crate::halts::Halts;
use crate::lease::{Lease, NotYet};
use crate::listeners::Listeners;
use crate::market::MarketClock;
use crate::market_data::Command;
use crate::rest::{LatestTrades, TradingApi};
use crate::session::{Action, Ask, Input, News, OpenFailure, Session};
use crate::socket::{Report, Socket};
use crate::wire::{self, Frame, Spelling};
use crate::{Batch, Credentials, Event, Status, Trade};
use hours::Hours;
use told::{liveness, log, says_why, wall_clock};

/// The host's clock and the exchanges' differ by less.
const CLOCKS_DIFFER: Duration = Duration::from_secs(5);

/// Where to connect, and as whom.
pub(crate) struct Endpoint {
    pub(crate) credentials: Credentials,
    pub(crate) url: String,
    pub(crate) spelling: Spelling,
    pub(crate) market: MarketClock,
    /// Held from the first connection to the end of the last.
    pub(crate) lease: Option<Lease>,
    pub(crate) latest: Option<LatestTrades>,
    pub(crate) trading_api: Option<TradingApi>,
}

struct Driver {
    endpoint: Endpoint,
    session: Session,
    halts: Halts,
    socket: Socket,
    /// The number of the socket, as the session gave it.
    connection: u64,
    listeners: Listeners,
    publisher: watch::Sender<Status>,
    published: (u64, u64),
    hours: Hours,
    no_tick_before: Instant,
    /// What is looked up, and for which connection.
    looking: Option<(u64, Looking)>,
}

/// A tick so late means that this process was stopped, or its host. What came meanwhile is read for
/// so long before any silence is judged.
const STOPPED: Duration = Duration::from_secs(1);
const CATCH_UP: Duration = Duration::from_millis(200);

type Looking = JoinHandle<Result<Option<SystemTime>, String>>;

/// Runs one connection until it is told to close, and has closed.
pub(crate) async fn run(
    endpoint: Endpoint,
    mut inbox: mpsc::UnboundedReceiver<Command>,
    publisher: watch::Sender<Status>,
) {
    let mut driver = Driver::new(endpoint, publisher);
    let mut timer = pin!(sleep_until(tokio::time::Instant::now()));
    while !driver.session.is_closed() {
        let deadline = driver.deadline();
        set(timer.as_mut(), deadline);
        tokio::select! {
            command = inbox.recv(), if !inbox.is_closed() || !inbox.is_empty() => {
                driver.command(command.unwrap_or(Command::Close));
            }
            report = driver.socket.next() => driver.report(report),
            (connection, latest) = looked(&mut driver.looking) => driver.looked(connection, latest),
            () = granted(&mut driver.endpoint.lease) => driver.feed(Input::Leased),
            () = driver.hours.answered() => driver.look_at_the_market(Instant::now()),
            () = timer.as_mut(), if deadline.is_some() => driver.tick(deadline),
        }
    }
}

/// The latest trade that was looked up, if it was found; never when nothing is. Cancel-safe.
async fn looked(looking: &mut Option<(u64, Looking)>) -> (u64, Option<SystemTime>) {
    let Some((connection, task)) = looking else {
        return std::future::pending().await;
    };
    let (connection, found) = (*connection, task.await);
    *looking = None;
    let why = match found {
        Ok(Ok(latest)) => return (connection, latest),
        Ok(Err(why)) => why,
        Err(failed) => failed.to_string(),
    };
    debug!("the latest trade is not known: {why}");
    (connection, None)
}

pub(crate) async fn granted(lease: &mut Option<Lease>) {
    match lease {
        Some(lease) => lease.granted().await,
        None => std::future::pending().await,
    }
}

fn set(mut timer: std::pin::Pin<&mut Sleep>, deadline: Option<Instant>) {
    if let Some(deadline) = deadline.map(tokio::time::Instant::from_std)
        && timer.deadline() != deadline
    {
        timer.as_mut().reset(deadline);
    }
}

impl Driver {
    fn new(endpoint: Endpoint, publisher: watch::Sender<Status>) -> Self {
        let session = Session::new(Instant::now(), RandomState::new().hash_one(()));
        Self {
            halts: Halts::new(endpoint.market.tells_halts()),
            endpoint,
            published: session.revision(),
            session,
            socket: Socket::default(),
            connection: 0,
            listeners: Listeners::default(),
            publisher,
            hours: Hours::new(Instant::now()),
            no_tick_before: Instant::now(),
            looking: None,
        }
    }

    /// Without a connection nothing waits for the market.
    fn deadline(&self) -> Option<Instant> {
        let deadline = self.session.next_deadline()?;
        Some(deadline.min(self.hours.until()).max(self.no_tick_before))
    }

    fn tick(&mut self, due: Option<Instant>) {
        let now = Instant::now();
        if due.is_some_and(|due| now.saturating_duration_since(due) > STOPPED) {
            self.no_tick_before = now + CATCH_UP;
            return;
        }
        if self.hours.until() <= now {
            self.look_at_the_market(now);
        }
        self.feed(Input::Tick);
    }

    fn look_at_the_market(&mut self, now: Instant) {
        let connected = self.session.connected_for(now);
        let phase = self.hours.look(now, &self.endpoint.market, connected.is_some());
        self.feed(Input::Market(phase));
        if self.hours.wants_clock() {
            self.hours.ask(self.endpoint.trading_api.clone());
        }
        if connected.is_some_and(|age| self.hours.is_old(age)) {
            self.feed(Input::Asked(Ask::Freshen));
        }
    }

    fn command(&mut self, command: Command) {
        let ask = match command {
            Command::Subscribe(topics) => Ask::Want(self.halts.with(topics)),
            Command::Unsubscribe(topics) => Ask::Unwant(self.halts.without(topics)),
            Command::Reconnect => Ask::Reconnect,
            Command::Close => Ask::Close,
            Command::Listen(sender) => return self.listeners.add(sender),
        };
        self.feed(Input::Asked(ask));
    }

    fn report(&mut self, report: Report) {
        match report {
            Report::News(news) => self.news(news),
            Report::Frame(frame) => self.frame(frame),
            // Only of a raw socket.
            Report::Message(_) => {}
        }
    }

    fn frame(&mut self, frame: Frame) {
        if frame.broken > 0 {
            warn!("{} unreadable elements in a message", frame.broken);
            if self.session.is_receiving() {
                let silence = Duration::ZERO;
                self.emit(Event::Doubted { silence });
            }
        }
        if frame.trades.is_empty() && frame.data.is_empty() && frame.controls.is_empty() {
            self.news(News::Heard);
        }
        for halt in frame.halts {
            self.news(News::Halt(halt));
        }
        for control in frame.controls {
            self.news(News::Control(control));
        }
        if frame.trades.is_empty() && frame.data.is_empty() {
            return;
        }
        let now = Instant::now();
        let paused = self.count(now, &frame.trades);
        self.news(News::Data);
        if !self.session.is_receiving() {
            return;
        }
        if !paused.is_empty() {
            self.emit(Event::Paused { symbols: paused });
        }
        if !frame.trades.is_empty() {
            self.listeners.tell(Event::Trades(Batch {
                received: now,
                trades: frame.trades,
            }));
        }
        if !frame.data.is_empty() {
            self.listeners.tell(Event::Data(frame.data));
        }
    }

    /// Counts these, and returns which symbols had been silent for too long. Those who listen tell by the
    /// times of the trades whether any were left out, or all were only late.
    fn count(&mut self, now: Instant, trades: &[Trade]) -> Vec<(String, Duration)> {
        let mut paused = Vec::new();
        for trade in trades {
            if let Some(silence) = self.session.count(now, trade.symbol()) {
                paused.push((trade.symbol().to_owned(), silence));
            }
        }
        paused
    }

    fn news(&mut self, news: News) {
        self.feed(Input::Socket {
            connection: self.connection,
            news,
        });
    }

    fn feed(&mut self, input: Input) {
        let actions = self.session.handle(Instant::now(), input);
        let told = actions.iter().any(says_why);
        for action in actions {
            self.perform(action);
        }
        if self.session.is_given_up()
            && let Some(lease) = &mut self.endpoint.lease
        {
            // Nothing will be connected any more: others may.
            lease.give_back();
        }
        self.publish(told);
    }

    fn perform(&mut self, action: Action) {
        match action {
            Action::Open { connection } => {
                debug!("connecting to {} (connection {connection})", self.endpoint.url);
                self.connection = connection;
                self.open();
            }
            Action::Authenticate => {
                let Endpoint {
                    spelling,
                    credentials,
                    ..
                } = &self.endpoint;
                self.socket.send(wire::auth(*spelling, credentials));
            }
            Action::Send(request) => {
                self.socket.send(self.endpoint.spelling.message(&request));
            }
            Action::SpeakMsgpack => self.endpoint.spelling = wire::Spelling::Msgpack,
            Action::Look(symbols) => self.look(symbols),
            Action::Ping(payload) => self.socket.ping(payload),
            Action::Close => self.socket.close(),
            Action::Drop => self.socket.let_go(),
            Action::Emit(event) => self.emit(event),
        }
    }

    fn emit(&mut self, event: Event) {
        let event = match event {
            Event::Subscribed { topics } => {
                let topics = self.halts.own(topics);
                if topics.is_empty() {
                    return;
                }
                Event::Subscribed { topics }
            }
            Event::Refused {
                topics,
                code,
                message,
            } => {
                let topics = self.halts.own(topics);
                if topics.is_empty() {
                    return debug!("no halts are told ({code}: {message})");
                }
                Event::Refused {
                    topics,
                    code,
                    message,
                }
            }
            other @ (Event::Trades(_)
            | Event::Data(_)
            | Event::Muted { .. }
            | Event::Paused { .. }
            | Event::Doubted { .. }
            | Event::Connected
            | Event::Disconnected { .. }
            | Event::Fatal { .. }) => other,
        };
        if event == Event::Connected {
            self.hours.look_again();
        }
        log(&event);
        self.listeners.tell(event);
    }

    fn look(&mut self, symbols: Vec<String>) {
        if let Some(latest) = self.endpoint.latest.clone() {
            self.looking = Some((self.connection, tokio::spawn(latest.ask(symbols))));
        }
    }

    fn looked(&mut self, connection: u64, latest: Option<SystemTime>) {
        let snapshot = self.session.snapshot();
        // What was made before the connection was, it need not have sent.
        let came = snapshot.last_data.max(snapshot.connected_at).map(wall_clock);
        let newer = latest
            .zip(came)
            .is_some_and(|(latest, came)| latest > came + CLOCKS_DIFFER);
        self.feed(Input::Looked { connection, newer });
    }

    fn open(&mut self) {
        match self.endpoint.lease.as_mut().map_or(Ok(()), Lease::take) {
            Ok(()) => self
                .socket
                .open(self.endpoint.url.clone(), self.endpoint.spelling),
            Err(NotYet::HeldBy(holder)) => self.socket.fail(OpenFailure::Leased { holder }),
            Err(NotYet::Failed(why)) => self.socket.fail(OpenFailure::Transport(why)),
        }
    }

    /// `told`: what is wrong has been logged already.
    fn publish(&mut self, told: bool) {
        let revision = self.session.revision();
        let dropped_trades = self.listeners.dropped_trades();
        let liveness = liveness(self.session.vital_signs());
        if revision == self.published {
            let last_data = self.session.last_data().map(wall_clock);
            // Nobody waits for the figures, so nobody is woken at every trade; for the market's phase they do.
            self.publisher.send_if_modified(|status| {
                let is_another_phase = status.liveness.market != liveness.market;
                status.last_data = last_data;
                status.dropped_trades = dropped_trades;
                status.liveness = liveness;
                is_another_phase
            });
            return;
        }
        self.published = revision;
        let mut snapshot = self.session.snapshot();
        let halts = &self.halts;
        snapshot.quarantined.retain(|one| !halts.is_implied(&one.topic));
        if let Some(detail) = &snapshot.detail
            && !told
            && self.publisher.borrow().detail != snapshot.detail
        {
            warn!("{}: {detail}", snapshot.state);
        }
        self.publisher.send_replace(Status {
            state: snapshot.state,
            since: wall_clock(snapshot.since),
            desired: self.halts.own(snapshot.desired),
            confirmed: self.halts.own(snapshot.confirmed),
            quarantined: snapshot.quarantined,
            slow_client: snapshot.slow_client,
            reconnects: snapshot.reconnects,
            last_data: snapshot.last_data.map(wall_clock),
            connected_at: snapshot.connected_at.map(wall_clock),
            dropped_trades,
            detail: snapshot.detail,
            liveness,
        });
    }
}
