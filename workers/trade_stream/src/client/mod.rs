//! One client's connection, from its handshake until the socket is closed.

mod bot;
mod format;
mod inbound;
mod outbox;
mod pace;
mod trader;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};
use tokio::time::sleep;
use tracing::info;
use ws_listener::{Door, Outlet, Refused, Stop, answer_metrics, with_scratch};

pub use bot::Ask;
pub use format::Format;
pub use outbox::{Chunk, Limits, Outbox, Slow};
pub use trader::update as order_update;

use bot::Bot;
use trader::Trader;

use crate::hub::{ClientId, Request};

/// How long a client has to take our last bytes, which for a slow one are stuck, and to close too.
const CLOSE_DEADLINE: Duration = Duration::from_secs(10);
/// RFC 6455 §7.4.1.
const GOING_AWAY: u16 = 1001;

/// What every client's connection needs.
#[derive(Clone, Debug)]
pub struct Reception {
    /// Who may connect.
    pub door: Door,
    /// The bound of each client's queue.
    pub limits: Limits,
    /// Requests a client may send per second.
    pub requests_per_s: u32,
    /// The feed that there is, such as `iex`.
    pub feed: Arc<str>,
    /// Where requests go.
    pub hub: mpsc::Sender<Request>,
}

/// A connected client, as its own tasks know it.
struct Client {
    id: ClientId,
    peer: SocketAddr,
    outbox: Arc<Outbox>,
    requests_per_s: u32,
    hub: mpsc::Sender<Request>,
}

/// Serves one visitor to the end.
pub async fn run(
    mut stream: TcpStream,
    peer: SocketAddr,
    id: ClientId,
    reception: Reception,
    mut stop: Stop,
) {
    let opening = match reception.door.accept(&mut stream, &mut stop).await {
        Ok(opening) => opening,
        Err(Refused::Answered { status, reason }) => {
            return info!("client {peer}: refused with {status}: {reason}");
        }
        Err(Refused::Metrics) => return tell_metrics(stream, &reception).await,
        // Port checks come and go without a word.
        Err(Refused::Left) => return,
    };
    let feed = alpaca_feed(&opening.path);
    let format = feed.map_or(Format::Stream, |_| bot::format(&opening.headers));
    let outbox = Arc::new(Outbox::new(reception.limits, format));
    let tokens = || reception.door.tokens.clone();
    let trader = is_for_orders(&opening.path).then(|| Trader::new(Arc::clone(&outbox), tokens()));
    let mut bot = feed.map(|feed| {
        let ours = (feed == &*reception.feed).then(|| Arc::clone(&reception.feed));
        Bot::new(Arc::clone(&outbox), tokens(), ours)
    });
    let client = Client {
        id,
        peer,
        outbox: Arc::clone(&outbox),
        requests_per_s: reception.requests_per_s,
        hub: reception.hub,
    };
    // A hub that is gone has told the clients it knew; this one is told by `stop`.
    match &mut bot {
        // Joins when it has told who it is.
        None if trader.is_some() => {}
        None => drop(client.hub.send(client.joined()).await),
        Some(bot) => {
            if bot.welcome(&opening.headers) == Some(Ask::Join) {
                drop(client.hub.send(client.joined()).await);
            }
        }
    }
    let dialect = match (bot, trader) {
        (Some(bot), _) => Dialect::Bot(bot),
        (None, Some(trader)) => Dialect::Trader(trader),
        (None, None) => Dialect::Stream,
    };
    client.converse(stream, opening.rest, dialect, stop).await;
    let _ = client.hub.send(Request::Left { id }).await;
}

async fn tell_metrics(stream: TcpStream, reception: &Reception) {
    let (reply, metrics) = oneshot::channel();
    // A hub that is gone has nothing to tell.
    let _ = reception.hub.send(Request::Metrics { reply }).await;
    if let Ok(metrics) = metrics.await {
        answer_metrics(stream, &metrics).await;
    }
}

/// How a client speaks.
enum Dialect {
    /// The stream's own way.
    Stream,
    /// Alpaca's, of market data.
    Bot(Bot),
    /// Alpaca's, of orders.
    Trader(Trader),
}

impl Dialect {
    /// Whether it still has to tell who it is.
    fn is_stranger(&self) -> bool {
        match self {
            Self::Stream => false,
            Self::Bot(bot) => bot.is_stranger(),
            Self::Trader(trader) => trader.is_stranger(),
        }
    }

    /// It has not told in time.
    fn time_out(&self) {
        match self {
            Self::Stream => {}
            Self::Bot(bot) => bot.time_out(),
            Self::Trader(trader) => trader.time_out(),
        }
    }
}

fn is_for_orders(path: &str) -> bool {
    path.split('?').next() == Some("/stream")
}

/// The feed that a client of Alpaca's protocol connects to.
fn alpaca_feed(path: &str) -> Option<&str> {
    let path = path.split('?').next()?;
    match path.strip_prefix("/v1beta3/") {
        Some(feed) if feed.starts_with("crypto/") => Some("crypto"),
        Some(other) => Some(other),
        None => path.strip_prefix("/v2/"),
    }
}

impl Client {
    fn joined(&self) -> Request {
        Request::Joined {
            id: self.id,
            peer: self.peer,
            outbox: Arc::clone(&self.outbox),
        }
    }

    async fn converse(&self, stream: TcpStream, rest: BytesMut, dialect: Dialect, mut stop: Stop) {
        let outbox = &self.outbox;
        let (read, write) = stream.into_split();
        let reading = async {
            self.read_requests(read, rest, dialect).await;
            outbox.finish();
        };
        let writing = async {
            // Whether all was written or the client is gone, there is nothing more to do for it.
            let _ = write_out(outbox, Outlet::new(write)).await;
            outbox.finish();
        };
        let stopping = async {
            stop.requested().await;
            outbox.close(GOING_AWAY, "trade-stream is stopping");
            std::future::pending::<()>().await;
        };
        let patience = async {
            outbox.ending().await;
            sleep(CLOSE_DEADLINE).await;
        };
        tokio::select! {
            _ = async { tokio::join!(reading, writing) } => {}
            () = stopping => {}
            () = patience => {}
        }
    }
}

/// Writes what is queued, all that has gathered with one system call, until the queue has ended.
async fn write_out(outbox: &Outbox, mut outlet: Outlet) -> io::Result<()> {
    while !outbox.is_done() {
        outbox.ready().await;
        with_scratch(|scratch| {
            let filled = outbox.fill(scratch);
            outlet.offer(&scratch[..filled])
        })?;
        outlet.unstick().await?;
    }
    outlet.finish().await
}
