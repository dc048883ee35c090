//! `trade-stream`: one connection to Alpaca, any number of clients on 8765.
//!
//! ```text
//!   Alpaca --trades--> alpaca::MarketData --events--> hub --chunks--> outbox --bytes--> client
//!                                                      ^  \--replies--^ (one per client)
//!                                                      +---- requests ---- inbound <----+
//! ```
//! The hub is the only owner of who is subscribed to what. It waits for nobody: a trade is written
//! and framed once, and handed to the outboxes of its symbol's subscribers. Each client's writer
//! sends all that has gathered with one system call; a client that does not keep up loses its own
//! oldest trades, and is told. The upstream is connected on the first subscription.
//!
//! On `/v2/FEED` clients are spoken to in Alpaca's own protocol, so that programs with an official
//! SDK share the one connection by changing a URL.
//!
//! With `STREAM_REDIS_URL` what comes is published for backends on other machines, which have no
//! connection to Alpaca of their own.
//!
//! Trades are numbered per symbol, and the last are kept: a client that comes back gets what it
//! missed or a `gap`. So does every client wherever trades were lost on the way to it.

mod client;
mod feed;
mod hub;
mod redis;

use std::fmt;
use std::panic::{AssertUnwindSafe, resume_unwind};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use alpaca::{MarketData, TradingStream};
use futures_util::FutureExt;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tracing::warn;
use ws_listener::{Door, Places, Stop};

pub use self::redis::{BadRedis, Line, follow};
pub use client::{Limits, Slow};
pub use feed::{ALPACA, BadSource, Feed, Source};

use client::Reception;
pub use hub::Retention;
use hub::{ClientId, Hub, Resumable};

/// Requests that wait for the hub, of all clients together; more wait in their sockets.
const MAILBOX: usize = 256;

/// What a stream serves.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The upstream.
    pub source: Source,
    /// Who may connect.
    pub door: Door,
    /// The bound of each client's queue.
    pub limits: Limits,
    /// Symbols one client may have.
    pub max_symbols: usize,
    /// Requests one client may send per second; a burst of ten seconds' worth is free, and who asks
    /// faster is read no faster.
    pub requests_per_s: u32,
    /// How often a client that says nothing is pinged; after three without an answer it is closed.
    pub ping: Duration,
    /// What is kept of each symbol for clients that come back.
    pub retention: Retention,
    /// How long a client that asked for heartbeats hears nothing.
    pub heartbeat: Duration,
    /// How long the upstream keeps a symbol that nobody is subscribed to any more, so that a page
    /// that is loaded again does not cost an unsubscribe and a subscribe.
    pub linger: Duration,
    /// How long live trades wait for those that were missed before them.
    pub hold: Duration,
    /// Where to leave the positions of all symbols for the next process, if anywhere.
    pub positions: Option<PathBuf>,
    /// How long the upstream may be gone before the stream calls itself unhealthy.
    pub grace: Duration,
    /// How many clients at a time.
    pub places: Places,
    /// Whether messages are compressed for clients that offer it: less to send for much more work.
    pub compress: bool,
    /// Where to publish what comes, for backends on other machines.
    pub publish: Option<Line>,
}

/// The upstream refused for good: other keys or another plan are needed, trying again is no use.
#[derive(Debug)]
pub struct Fatal {
    /// Alpaca's code, such as 402, or the HTTP status of the upgrade.
    pub code: u16,
    /// What was refused and what to do about it.
    pub message: String,
}

impl fmt::Display for Fatal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (code {})", self.message, self.code)
    }
}

impl std::error::Error for Fatal {}

/// Serves clients on `listener`, with trades from `upstream`, until `stop`, or until the upstream refuses for good. Returns once
/// all clients are closed and so is the upstream.
///
/// The upstream's close is begun as soon as the clients are told, and waited for: an unclean end
/// would block Alpaca's one place per key for a minute and a half.
pub async fn run(
    listener: TcpListener,
    upstream: MarketData,
    orders: Option<TradingStream>,
    settings: Settings,
    mut stop: Stop,
) -> Result<(), Fatal> {
    let (requests, mailbox) = mpsc::channel(MAILBOX);
    let (stop_clients, clients_stopped) = Stop::new();
    let reception = Arc::new(Reception {
        door: settings.door.clone(),
        limits: settings.limits,
        requests_per_s: settings.requests_per_s,
        compress: settings.compress,
        feed: settings.source.feed.as_str().into(),
        hub: requests,
    });
    if let Some(line) = settings.publish.clone() {
        tokio::spawn(redis::publish(line, upstream.clone(), reception.hub.clone()));
    }
    let next_id = AtomicU64::new(0);
    let serving = ws_listener::serve(
        listener,
        settings.places,
        clients_stopped.clone(),
        move |stream, peer| {
            let id = ClientId(next_id.fetch_add(1, Ordering::Relaxed));
            client::run(stream, peer, id, Arc::clone(&reception), clients_stopped.clone())
        },
    );
    let mut hub = Hub::new(&settings, upstream.clone(), orders.clone());
    if let Some(file) = &settings.positions {
        hub.resume_from(Resumable::take(file));
    }
    // A task of its own is run as soon as trades are there; here it would wait for another look at the
    // sockets first.
    let mut directing = JoinSet::new();
    directing.spawn(async move {
        // A bug in the hub ends the process, but not without a Close: the key would be blocked after it.
        let directed = AssertUnwindSafe(hub.run(mailbox)).catch_unwind();
        let ended = tokio::select! {
            fatal = directed => fatal.map(Err),
            () = stop.requested() => Ok(Ok(())),
        };
        drop(stop_clients);
        if let (Some(file), Ok(Ok(()))) = (&settings.positions, &ended)
            && let Err(error) = hub.positions().leave(file)
        {
            warn!("cannot leave the positions in {}: {error}", file.display());
        }
        // Its reference to the upstream would keep that open.
        drop(hub);
        if let Some(orders) = orders {
            tokio::join!(upstream.close(), orders.close());
        } else {
            upstream.close().await;
        }
        ended.unwrap_or_else(|panic| resume_unwind(panic))
    });
    let ((), ended) = tokio::join!(serving, result(directing));
    ended
}

/// What the only task of these comes to; its panic is ours.
async fn result<T: 'static>(mut task: JoinSet<T>) -> T {
    match task.join_next().await {
        Some(Ok(result)) => result,
        Some(Err(failed)) => resume_unwind(failed.into_panic()),
        None => std::future::pending().await,
    }
}
