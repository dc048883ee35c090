//! Performs what the session decides, and tells it what came of it.

use std::hash::{BuildHasher, RandomState};
use std::pin::pin;
use std::time::{Duration, Instant, SystemTime};

use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{Sleep, sleep_until};
use tracing::{debug, info, warn};

use crate::lease::{Lease, NotYet};
use crate::listeners::Listeners;
use crate::market::MarketClock;
use crate::market_data::Command;
use crate::rest::LatestTrades;
use crate::session::{Action, Ask, Input, News, OpenFailure, Session, VitalSigns};
use crate::socket::{Report, Socket};
use crate::wire::{self, Frame, Spelling};
use crate::{Credentials, Event, Liveness, Status};

/// The market's phase is looked up this often at least: the host's clock may be set, or have slept.
const MARKET_AT_LEAST_EVERY: Duration = Duration::from_secs(300);

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
}

struct Driver {
    endpoint: Endpoint,
    session: Session,
    socket: Socket,
    /// The number of the socket, as the session gave it.
    connection: u64,
    listeners: Listeners,
    publisher: watch::Sender<Status>,
    published: (u64, u64),
    /// When the market may come to another phase.
    market_until: Instant,
    /// What is looked up, and for which connection.
    looking: Option<(u64, Looking)>,
}

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
            () = timer.as_mut(), if deadline.is_some() => driver.tick(),
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

async fn granted(lease: &mut Option<Lease>) {
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
            endpoint,
            published: session.revision(),
            session,
            socket: Socket::default(),
            connection: 0,
            listeners: Listeners::default(),
            publisher,
            market_until: Instant::now(),
            looking: None,
        }
    }

    /// Without a connection nothing waits for the market.
    fn deadline(&self) -> Option<Instant> {
        let deadline = self.session.next_deadline()?;
        Some(deadline.min(self.market_until))
    }

    fn tick(&mut self) {
        let now = Instant::now();
        if self.market_until <= now {
            let (phase, left) = self.endpoint.market.phase(SystemTime::now());
            self.market_until = now + left.min(MARKET_AT_LEAST_EVERY);
            self.feed(Input::Market(phase));
        }
        self.feed(Input::Tick);
    }

    fn command(&mut self, command: Command) {
        let ask = match command {
            Command::Subscribe(symbols) => Ask::Want(symbols),
            Command::Unsubscribe(symbols) => Ask::Unwant(symbols),
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
        }
    }

    fn frame(&mut self, frame: Frame) {
        if frame.broken > 0 {
            debug!("{} unreadable elements in a message", frame.broken);
        }
        if frame.trades.is_empty() && frame.controls.is_empty() {
            self.news(News::Heard);
        }
        for halt in frame.halts {
            self.news(News::Halt(halt));
        }
        for control in frame.controls {
            self.news(News::Control(control));
        }
        if !frame.trades.is_empty() {
            let now = Instant::now();
            for trade in &frame.trades {
                self.session.count(now, &trade.symbol);
            }
            self.news(News::Data);
            if self.session.is_receiving() {
                self.listeners.tell(Event::Trades(frame.trades));
            }
        }
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
                let statuses = self.endpoint.market.tells_halts();
                self.socket
                    .send(self.endpoint.spelling.request(&request, statuses));
            }
            Action::Look(symbols) => self.look(symbols),
            Action::Ping(payload) => self.socket.ping(payload),
            Action::Close => self.socket.close(),
            Action::Drop => self.socket.let_go(),
            Action::Emit(event) => {
                log(&event);
                self.listeners.tell(event);
            }
        }
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
            // Nobody waits for these, so nobody is woken at every trade.
            self.publisher.send_if_modified(|status| {
                status.last_data = last_data;
                status.dropped_trades = dropped_trades;
                status.liveness = liveness;
                false
            });
            return;
        }
        self.published = revision;
        let snapshot = self.session.snapshot();
        if let Some(detail) = &snapshot.detail
            && !told
            && self.publisher.borrow().detail != snapshot.detail
        {
            warn!("{}: {detail}", snapshot.state);
        }
        self.publisher.send_replace(Status {
            state: snapshot.state,
            since: wall_clock(snapshot.since),
            desired: snapshot.desired,
            confirmed: snapshot.confirmed,
            reconnects: snapshot.reconnects,
            last_data: snapshot.last_data.map(wall_clock),
            connected_at: snapshot.connected_at.map(wall_clock),
            dropped_trades,
            detail: snapshot.detail,
            liveness,
        });
    }
}

/// When an instant is, by the clock on the wall.
fn wall_clock(at: Instant) -> SystemTime {
    let (now, wall) = (Instant::now(), SystemTime::now());
    wall - now.saturating_duration_since(at) + at.saturating_duration_since(now)
}

fn liveness(signs: VitalSigns) -> Liveness {
    Liveness {
        verdict: signs.verdict,
        market: signs.market,
        expected_every: signs.expected_every,
        alarm_after: signs.alarm_after,
        round_trip: signs.round_trip,
        mute_alarms: signs.mute_alarms,
        renewed_symbols: signs.renewed_symbols,
        flapping_until: signs.flapping_until.map(wall_clock),
    }
}

/// Whether this action's log line says what is wrong.
fn says_why(action: &Action) -> bool {
    matches!(
        action,
        Action::Emit(Event::Disconnected { .. } | Event::Fatal { .. })
    )
}

fn log(event: &Event) {
    match event {
        Event::Trades(_) => {}
        Event::Connected => info!("connected to Alpaca"),
        Event::Disconnected { reason } => warn!("disconnected from Alpaca: {reason}"),
        Event::Subscribed { symbols } => info!("subscribed at Alpaca: {}", symbols.join(" ")),
        Event::Refused {
            symbols,
            code,
            message,
        } => warn!("Alpaca refused {}: {message} (code {code})", symbols.join(" ")),
        Event::Fatal { code, message } => warn!("giving up: {message} (code {code})"),
    }
}
