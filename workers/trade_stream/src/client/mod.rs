//! One client's connection, from its handshake until the socket is closed.

mod bot;
mod conversation;
mod format;
mod inbound;
mod outbox;
mod pace;
mod trader;

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};
use tracing::info;
use ws_listener::{Door, Opening, Refused, Stop, answer_metrics};

pub use bot::Ask;
pub use format::Format;
pub use outbox::{Chunk, Limits, Outbox, Slow};
pub use trader::update as order_update;

use bot::Bot;
use conversation::Conversation;
use trader::Trader;

use crate::hub::{ClientId, Request};

/// What every client's connection needs.
#[derive(Clone, Debug)]
pub struct Reception {
    /// Who may connect.
    pub door: Door,
    /// The bound of each client's queue.
    pub limits: Limits,
    /// Requests a client may send per second.
    pub requests_per_s: u32,
    /// Whether messages may be compressed.
    pub compress: bool,
    /// The feed that there is, such as `iex`.
    pub feed: Arc<str>,
    /// Where requests go.
    pub hub: mpsc::Sender<Request>,
}

/// A connected client, as its own tasks know it.
struct Client {
    id: ClientId,
    peer: SocketAddr,
    is_probe: bool,
    outbox: Arc<Outbox>,
    requests_per_s: u32,
    hub: mpsc::Sender<Request>,
}

/// Serves one visitor to the end.
pub async fn run(
    stream: TcpStream,
    peer: SocketAddr,
    id: ClientId,
    reception: Arc<Reception>,
    mut stop: Stop,
) {
    // Boxed, so that the long life after it does not keep its room.
    let welcomed = Box::pin(welcome(stream, peer, id, reception, &mut stop)).await;
    if let Some(conversation) = welcomed {
        conversation.run(stop).await;
    }
}

/// The visitor's handshake; `None` for one that does not become a client.
async fn welcome(
    mut stream: TcpStream,
    peer: SocketAddr,
    id: ClientId,
    reception: Arc<Reception>,
    stop: &mut Stop,
) -> Option<Box<Conversation>> {
    let door = &reception.door;
    let opening = match door
        .accept_compressing(&mut stream, stop, reception.compress)
        .await
    {
        Ok(opening) => opening,
        Err(Refused::Answered { status, reason }) => {
            info!("client {peer}: refused with {status}: {reason}");
            return None;
        }
        Err(Refused::Metrics) => {
            tell_metrics(stream, &reception).await;
            return None;
        }
        // Port checks come and go without a word.
        Err(Refused::Left) => return None,
    };
    let stream = Arc::new(stream);
    let (client, dialect) = let_in(peer, id, &reception, &opening);
    client.outbox.attach(Arc::clone(&stream));
    // A hub that is gone has told the clients it knew; this one is told by `stop`. A bot or trader
    // joins when it has told who it is.
    if !dialect.is_stranger() {
        let _ = client.hub.send(client.joined()).await;
    }
    let mut conversation = Box::new(Conversation::new(client, stream, dialect));
    conversation.heard(&opening.rest);
    Some(conversation)
}

/// Who it is, and how it speaks.
fn let_in(peer: SocketAddr, id: ClientId, reception: &Reception, opening: &Opening) -> (Client, Dialect) {
    let feed = alpaca_feed(&opening.path);
    let format = feed.map_or(Format::Stream, |_| bot::format(&opening.headers));
    let outbox = Arc::new(Outbox::new(reception.limits, format).compressed(opening.compressed));
    let tokens = || reception.door.tokens.clone();
    let dialect = match feed {
        _ if is_for_orders(&opening.path) => Dialect::Trader(Trader::new(Arc::clone(&outbox), tokens())),
        Some(feed) => {
            let ours = (feed == &*reception.feed).then(|| Arc::clone(&reception.feed));
            let mut bot = Bot::new(Arc::clone(&outbox), tokens(), ours);
            // It is no stranger any more if its request carried its credentials.
            bot.welcome(&opening.headers);
            Dialect::Bot(bot)
        }
        None => Dialect::Stream,
    };
    let client = Client {
        id,
        peer,
        is_probe: opening.is_probe(),
        outbox,
        requests_per_s: reception.requests_per_s,
        hub: reception.hub.clone(),
    };
    (client, dialect)
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
            is_probe: self.is_probe,
            outbox: Arc::clone(&self.outbox),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::net::{TcpListener, TcpStream};
    use tokio::sync::mpsc;
    use ws_listener::{Door, Origins, Stop, Tokens};

    use super::{ClientId, Limits, Reception, Slow, run};

    #[tokio::test]
    async fn an_idle_client_is_small() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let peer = listener.local_addr().expect("bound");
        let stream = TcpStream::connect(peer).await.expect("connected");
        let (hub, _mailbox) = mpsc::channel(1);
        let reception = Reception {
            door: Door {
                service: "test",
                origins: Origins::default(),
                tokens: Tokens::default(),
                self_authenticating: &[],
            },
            limits: Limits {
                bytes: 1,
                trades: 1,
                slow: Slow::Drop,
            },
            requests_per_s: 1,
            compress: false,
            feed: Arc::from("iex"),
            hub,
        };
        let (_trigger, stop) = Stop::new();
        let life = run(stream, peer, ClientId(1), Arc::new(reception), stop);
        let size = std::mem::size_of_val(&life);
        assert!(size <= 1200, "ten thousand of these would cost {size} bytes each");
    }
}
