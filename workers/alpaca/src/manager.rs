//! One connection per key and endpoint, whoever asks.

use std::collections::HashMap;
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::SystemTime;

use tokio::runtime::Handle;
use tokio::sync::{broadcast, mpsc, watch};

use crate::driver::{self, Endpoint};
use crate::lease::Lease;
use crate::market::{MarketClock, Venue};
use crate::market_data::{Command, Ended, Link, Past};
use crate::rest::{LatestTrades, PastTrades, TradingApi};
use crate::trading::{self, Account, Ask, OrderStatus, TradingLink, TradingStream};
use crate::{Credentials, MarketData, Options, State, Status, socket};

/// Hands out references to connections, and makes each connection only once. A clone shares the
/// same connections; a process needs one manager.
#[derive(Clone, Default)]
pub struct ConnectionManager(Arc<Registry>);

#[derive(Default)]
struct Registry {
    // Two hashes with keys of their own: 128 bits, so that no two endpoints are taken for one, and
    // no secret is kept here.
    hashers: [RandomState; 2],
    entries: Mutex<HashMap<[u64; 2], Entry>>,
    accounts: Mutex<Accounts>,
    options: Options,
}

/// Streams of orders, in use or still being closed.
type Accounts = HashMap<[u64; 2], (Weak<TradingLink>, Ended)>;

/// A connection that is in use, or one that is still being closed.
struct Entry {
    link: Weak<Link>,
    ended: Ended,
}

/// Why there can be no connection at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Error {
    /// The URL cannot be used.
    Url {
        /// As it was given.
        url: String,
        /// What is wrong with it.
        cause: String,
    },
    /// Key or secret is empty.
    NoCredentials,
    /// Called outside of a tokio runtime.
    NoRuntime,
}

impl ConnectionManager {
    /// A manager without connections.
    pub fn new() -> Self {
        Self::default()
    }

    /// A manager without connections that heeds these surroundings.
    pub fn with(options: Options) -> Self {
        Self(Arc::new(Registry {
            options,
            ..Registry::default()
        }))
    }

    /// A reference to the market-data connection of these credentials to this URL, such as
    /// `wss://stream.data.alpaca.markets/v2/iex`. Connects lazily, on the first wanted symbol.
    /// Must be called inside a tokio runtime.
    ///
    /// While an earlier connection of the same key and endpoint is still being closed, the new one
    /// waits for it.
    pub fn market_data(&self, credentials: &Credentials, url: &str) -> Result<MarketData, Error> {
        let runtime = check(credentials, url)?;
        let key = self.0.fingerprint(credentials, url);
        let mut entries = self.0.lock();
        let earlier = entries.get(&key);
        if let Some(link) = earlier.and_then(|entry| entry.link.upgrade()) {
            return Ok(MarketData(link));
        }
        let predecessor = earlier.map(|entry| entry.ended.clone());
        let endpoint = Endpoint {
            credentials: credentials.clone(),
            url: url.to_owned(),
            spelling: self.0.options.spelling,
            market: self.0.market(url),
            lease: self.0.lease(credentials, url),
            latest: LatestTrades::beside(url, credentials),
            // A rehearsal's market time is not the one that the clock shows.
            trading_api: TradingApi::beside(url, credentials).filter(|_| self.0.options.shift.is_zero()),
        };
        let past = Past {
            trades: PastTrades::beside(url, credentials),
            shift: self.0.options.shift,
        };
        let link = start(&runtime, endpoint, past, predecessor);
        entries.retain(|_, entry| entry.ended.has_changed().is_ok());
        entries.insert(key, Entry::of(&link));
        Ok(MarketData(link))
    }

    /// A reference to the one stream of order updates of these credentials at this URL, such as
    /// `wss://paper-api.alpaca.markets/stream`. Connects when it is first listened to; otherwise as
    /// `market_data`.
    pub fn trading(&self, credentials: &Credentials, url: &str) -> Result<TradingStream, Error> {
        let runtime = check(credentials, url)?;
        let key = self.0.fingerprint(credentials, url);
        let mut accounts = self.0.accounts.lock().unwrap_or_else(PoisonError::into_inner);
        let earlier = accounts.get(&key);
        if let Some(link) = earlier.and_then(|(link, _)| link.upgrade()) {
            return Ok(TradingStream(link));
        }
        let predecessor = earlier.map(|(_, ended)| ended.clone());
        let account = Account {
            credentials: credentials.clone(),
            url: url.to_owned(),
            lease: self.0.lease(credentials, url),
        };
        let link = start_trading(&runtime, account, predecessor);
        accounts.retain(|_, (_, ended)| ended.has_changed().is_ok());
        accounts.insert(key, (Arc::downgrade(&link), link.ended.clone()));
        Ok(TradingStream(link))
    }

    /// Closes every connection, whoever still holds a reference, and returns when all are closed:
    /// at most about 3 s. For the end of the process.
    pub async fn close_all(&self) {
        let mut ends: Vec<Ended> = Vec::new();
        for entry in self.0.lock().values_mut() {
            if let Some(link) = entry.link.upgrade() {
                // The last handle may have gone meanwhile; then the driver is closing already.
                let _ = link.commands.send(Command::Close);
            }
            entry.link = Weak::new();
            ends.push(entry.ended.clone());
        }
        for (link, ended) in self
            .0
            .accounts
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .values()
        {
            if let Some(link) = link.upgrade() {
                let _ = link.asks.send(Ask::Close);
            }
            ends.push(ended.clone());
        }
        for mut ended in ends {
            let _ = ended.changed().await;
        }
    }
}

impl Registry {
    fn fingerprint(&self, credentials: &Credentials, url: &str) -> [u64; 2] {
        [
            self.hashers[0].hash_one((credentials, url)),
            self.hashers[1].hash_one((credentials, url)),
        ]
    }

    fn market(&self, url: &str) -> MarketClock {
        let Options { calendar, shift, .. } = &self.options;
        MarketClock::new(Venue::at(url), Arc::clone(calendar), *shift)
    }

    fn lease(&self, credentials: &Credentials, url: &str) -> Option<Lease> {
        let folder = self.options.lease_folder.as_deref()?;
        Some(Lease::new(folder, credentials, url))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<[u64; 2], Entry>> {
        // The map is whole between any two statements, so a panic elsewhere does not spoil it.
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entry {
    fn of(link: &Arc<Link>) -> Self {
        Self {
            link: Arc::downgrade(link),
            ended: link.ended.clone(),
        }
    }
}

fn check(credentials: &Credentials, url: &str) -> Result<Handle, Error> {
    if credentials.key().is_empty() || credentials.secret().is_empty() {
        return Err(Error::NoCredentials);
    }
    socket::check_url(url).map_err(|cause| Error::Url {
        url: url.to_owned(),
        cause,
    })?;
    Handle::try_current().map_err(|_| Error::NoRuntime)
}

fn start_trading(runtime: &Handle, account: Account, predecessor: Option<Ended>) -> Arc<TradingLink> {
    let (asks, inbox) = mpsc::unbounded_channel();
    let events = broadcast::Sender::new(trading::BEHIND);
    let idle = OrderStatus {
        state: State::Idle,
        good: None,
        reconnects: 0,
        detail: None,
    };
    let (publisher, status) = watch::channel(idle);
    let (alive, ended) = watch::channel(());
    let telling = events.clone();
    runtime.spawn(async move {
        if let Some(mut predecessor) = predecessor {
            let _ = predecessor.changed().await;
        }
        trading::run(account, inbox, telling, publisher).await;
        drop(alive);
    });
    Arc::new(TradingLink {
        asks,
        events,
        status,
        ended,
    })
}

fn start(runtime: &Handle, endpoint: Endpoint, past: Past, predecessor: Option<Ended>) -> Arc<Link> {
    let (commands, inbox) = mpsc::unbounded_channel();
    let (publisher, status) = watch::channel(Status::idle(SystemTime::now()));
    let (alive, ended) = watch::channel(());
    runtime.spawn(async move {
        if let Some(mut predecessor) = predecessor {
            let _ = predecessor.changed().await;
        }
        driver::run(endpoint, inbox, publisher).await;
        drop(alive);
    });
    Arc::new(Link {
        commands,
        status,
        ended,
        past,
    })
}

impl fmt::Debug for ConnectionManager {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectionManager")
            .field("connections", &self.0.lock().len())
            .finish()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Url { url, cause } => write!(
                f,
                "cannot use the data URL {url:?}: {cause}; \
                 Alpaca's own is wss://stream.data.alpaca.markets/v2/iex"
            ),
            Self::NoCredentials => f.write_str("no credentials: set ALPACA_API_KEY and ALPACA_SECRET_KEY"),
            Self::NoRuntime => f.write_str("a connection was asked for outside of a tokio runtime"),
        }
    }
}

impl std::error::Error for Error {}
