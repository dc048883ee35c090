//! The command `trade-stream`.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use alpaca::{ConnectionManager, MarketData, Relay};
use clap::{Parser, ValueEnum};
use tracing::{error, info};
use trade_stream::{
    ALPACA, BadRedis, BadSource, Fatal, Feed, Limits, Line, Retention, Settings, Slow, Source,
};
use ws_listener::{Door, Origins, Places, Stop, Tokens};

/// `EX_CONFIG` of sysexits.h: sentinel does not start a service again that ended with it.
const EXIT_CONFIG: u8 = 78;

/// Tokens that let clients in, separated by commas; an environment variable only, so that they show
/// in no process list.
const TOKENS: &str = "TRADE_STREAM_TOKENS";

/// A backend that follows another has no connection to show them on.
const NO_KEYS: [&str; 2] = ["none", "none"];

/// Stream Alpaca's trades to WebSocket clients.
///
/// Keys are read from ALPACA_API_KEY and ALPACA_SECRET_KEY only, so that they show in no process
/// list; a market simulator on this host needs none.
#[derive(Parser)]
#[command(name = "trade-stream", version)]
struct Arguments {
    /// Alpaca's feed.
    #[arg(long, value_enum, default_value_t = Feed::Iex)]
    feed: Feed,
    /// Address to listen on.
    #[arg(long, env = "TRADE_STREAM_HOST", default_value = "127.0.0.1")]
    host: String,
    /// Port to listen on; 0 takes a free one.
    #[arg(long, env = "TRADE_STREAM_PORT", default_value_t = 8765)]
    port: u16,
    /// The upstream's address; without a path, /v2/FEED is added.
    #[arg(long, env = "ALPACA_DATA_URL", default_value = ALPACA, value_name = "URL", hide_env_values = true)]
    upstream: String,
    /// Relay updates of this account's orders to clients who ask for them, from this address: wss://paper-api.alpaca.markets/stream, or live wss://api.alpaca.markets/stream. Only to clients of this host, unless TRADE_STREAM_TOKENS is set.
    #[arg(long, env = "ALPACA_TRADING_URL", value_name = "URL")]
    orders: Option<String>,
    /// Redis, through which backends on other machines get what this one gets: redis://[user:password@]host[:port][/db].
    #[arg(long, env = "STREAM_REDIS_URL", value_name = "URL", hide_env_values = true)]
    redis: Option<String>,
    /// Get everything from Redis, where another backend publishes it, and connect to Alpaca not at all.
    #[arg(long, requires = "redis", conflicts_with = "orders")]
    from_redis: bool,
    /// Also let pages of this origin connect, e.g. https://desk.example ("null": pages opened from a file, "*": all).
    #[arg(long, value_name = "ORIGIN")]
    allow_origin: Vec<String>,
    /// What happens to a client that reads too slowly: lose its oldest trades, or all but the newest of each symbol, and be told; or be closed.
    #[arg(long, value_enum, default_value_t = SlowArgument::Drop)]
    slow: SlowArgument,
    /// Bytes that may wait for a client.
    #[arg(long, default_value_t = 1 << 20, value_name = "BYTES")]
    queue_bytes: usize,
    /// Trades that may wait for a client.
    #[arg(long, default_value_t = 10_000, value_name = "N")]
    queue_trades: usize,
    /// Most symbols of one client.
    #[arg(long, default_value_t = 10_000, value_name = "N")]
    max_symbols: usize,
    /// Requests a client may send per second; who asks faster is read no faster.
    #[arg(long, default_value_t = 100, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    requests_per_s: u32,
    /// Compress messages for clients that offer it (permessage-deflate): a third less to send, for many times the work.
    #[arg(long)]
    compress: bool,
    /// Seconds until a silent client is pinged; after three pings without an answer it is closed.
    #[arg(long, default_value_t = 30, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..))]
    ping: u64,
    /// Trades kept per symbol for clients that come back: ten seconds of the busiest.
    #[arg(long, default_value_t = 50_000, value_name = "N")]
    keep_trades: usize,
    /// Bytes kept per symbol for clients that come back.
    #[arg(long, default_value_t = 8 << 20, value_name = "BYTES")]
    keep_bytes: usize,
    /// Bytes kept of all symbols together.
    #[arg(long, default_value_t = 64 << 20, value_name = "BYTES")]
    keep_total: usize,
    /// Seconds until a client that asked for heartbeats gets one, when there is nothing else.
    #[arg(long, default_value_t = 15, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..))]
    heartbeat: u64,
    /// Seconds the upstream keeps a symbol that nobody is subscribed to any more.
    #[arg(long, default_value_t = 30, value_name = "SECONDS")]
    linger: u64,
    /// Milliseconds that live trades wait, after a loss, for those that were missed before them.
    #[arg(long, default_value_t = 500, value_name = "MS")]
    hold: u64,
    /// Where to leave each symbol's position at a clean end, for the next process; "none" for nowhere.
    #[arg(long, env = "TRADE_STREAM_POSITIONS", value_name = "FILE")]
    positions: Option<PathBuf>,
    /// Seconds the upstream may be gone before `health` says so.
    #[arg(long, default_value_t = 30, value_name = "SECONDS")]
    grace: u64,
    /// Most clients at a time.
    #[arg(long, default_value_t = 10_000, value_name = "N")]
    max_clients: usize,
    /// Most clients at a time from one IP address; no limit of its own unless given.
    #[arg(long, value_name = "N")]
    max_per_ip: Option<usize>,
}

#[derive(Clone, Copy, ValueEnum)]
enum SlowArgument {
    Drop,
    Conflate,
    Close,
}

#[derive(Debug)]
enum Failure {
    Source(BadSource),
    Setting(String),
    Redis(BadRedis),
    Address(alpaca::Error),
    Upstream(Fatal),
    System(std::io::Error),
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    ws_listener::log_to_stderr();
    ws_listener::raise_descriptor_limit();
    let (sentence, code) = match serve(arguments).await {
        Ok(()) => return ExitCode::SUCCESS,
        Err(Failure::Source(failure)) => (failure.to_string(), ExitCode::from(EXIT_CONFIG)),
        Err(Failure::Setting(sentence)) => (sentence, ExitCode::from(EXIT_CONFIG)),
        Err(Failure::Redis(failure)) => (failure.to_string(), ExitCode::from(EXIT_CONFIG)),
        Err(Failure::Address(failure)) => (failure.to_string(), ExitCode::from(EXIT_CONFIG)),
        Err(Failure::Upstream(failure)) => (failure.to_string(), ExitCode::from(EXIT_CONFIG)),
        Err(Failure::System(failure)) => (failure.to_string(), ExitCode::FAILURE),
    };
    error!("{sentence}");
    code
}

async fn serve(arguments: Arguments) -> Result<(), Failure> {
    let keys = if arguments.from_redis {
        Some(NO_KEYS.map(str::to_owned).into())
    } else {
        keys()
    };
    let source = Source::new(arguments.feed, &arguments.upstream, keys).map_err(Failure::Source)?;
    let line = arguments.redis.as_deref().filter(|url| !url.is_empty());
    let line = line
        .map(|url| Line::new(url, &source.feed))
        .transpose()
        .map_err(Failure::Redis)?;
    let options = alpaca::Options::from_env().map_err(Failure::Setting)?;
    let positions = arguments.positions(&options);
    let manager = ConnectionManager::with(options);
    let (upstream, publish) = match line {
        Some(line) if arguments.from_redis => (follow(line), None),
        line => {
            let upstream = manager.market_data(&source.credentials, &source.url);
            (upstream.map_err(Failure::Address)?, line)
        }
    };
    let orders = arguments
        .orders
        .as_deref()
        .map(|url| manager.trading(&source.credentials, url));
    let orders = orders.transpose().map_err(Failure::Address)?;
    let stop = Stop::on_signals().map_err(Failure::System)?;
    let listener = ws_listener::bind(&arguments.host, arguments.port)
        .await
        .map_err(Failure::System)?;
    let address = listener.local_addr().map_err(Failure::System)?;
    let from = if arguments.from_redis {
        "Redis"
    } else {
        &source.url
    };
    info!("trade-stream listens on ws://{address}, upstream {from}");
    let settings = Settings {
        publish,
        ..arguments.settings(source, positions)
    };
    let served = trade_stream::run(listener, upstream, orders, settings, stop).await;
    served.map_err(Failure::Upstream)
}

/// An upstream that another backend publishes.
fn follow(line: Line) -> MarketData {
    let (upstream, relay) = Relay::new();
    tokio::spawn(trade_stream::follow(line, relay));
    upstream
}

impl Arguments {
    /// The file for positions: as named, or one for this port beside the leases.
    fn positions(&self, options: &alpaca::Options) -> Option<PathBuf> {
        match &self.positions {
            Some(path) if path.as_os_str() == "none" => None,
            Some(path) => Some(path.clone()),
            None if self.port == 0 => None,
            None => {
                let name = format!("trade-stream-{}.positions", self.port);
                Some(options.lease_dir()?.join(name))
            }
        }
    }

    fn settings(self, source: Source, positions: Option<PathBuf>) -> Settings {
        Settings {
            source,
            door: Door {
                service: "trade-stream",
                origins: Origins::with(&self.allow_origin),
                tokens: Tokens::from_env(TOKENS),
                self_authenticating: &["/v2/", "/v1beta3/", "/stream"],
            },
            limits: Limits {
                bytes: self.queue_bytes,
                trades: self.queue_trades,
                slow: match self.slow {
                    SlowArgument::Drop => Slow::Drop,
                    SlowArgument::Conflate => Slow::Conflate,
                    SlowArgument::Close => Slow::Close,
                },
            },
            max_symbols: self.max_symbols,
            requests_per_s: self.requests_per_s,
            ping: Duration::from_secs(self.ping),
            retention: Retention {
                trades: self.keep_trades,
                bytes: self.keep_bytes,
                total_bytes: self.keep_total,
            },
            heartbeat: Duration::from_secs(self.heartbeat),
            linger: Duration::from_secs(self.linger),
            hold: Duration::from_millis(self.hold),
            positions,
            grace: Duration::from_secs(self.grace),
            places: Places {
                total: self.max_clients,
                per_ip: self.max_per_ip,
            },
            compress: self.compress,
            publish: None,
        }
    }
}

/// Both keys, or nothing: an empty variable is an unset one.
fn keys() -> Option<(String, String)> {
    let set = |name| std::env::var(name).ok().filter(|value| !value.trim().is_empty());
    Some((set("ALPACA_API_KEY")?, set("ALPACA_SECRET_KEY")?))
}
