//! The flags of `market-sim`: every fault that `/control` can order is one of them.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser};
use market_sim::{Faults, Recording, Scheduled, Settings};

/// Simulate Alpaca's market-data streams: the real wire protocol, made-up trades.
///
/// Serves ws://HOST:PORT/v2/iex, /v2/sip, /v2/test, /v1beta3/crypto/us and the orders at /stream. Any key
/// and secret are accepted, unless MARKET_SIM_KEY and MARKET_SIM_SECRET name the ones to require. Trades
/// made can be asked for at /v2/stocks/trades, figures at /metrics, and faults ordered while it runs by
/// POST to /control, from this host only: {"faults":{"silent":["*"]}}, {"blow":"drop"},
/// {"restart_ms":500}, {"halt":["AAPL"]}, {"market_time":"2025-10-08T10:29:00-04:00"}.
#[derive(Parser)]
#[command(name = "market-sim", version)]
pub(crate) struct Arguments {
    /// Address to listen on.
    #[arg(long, default_value = "127.0.0.1")]
    pub(crate) host: String,
    /// Port to listen on; 0 takes a free one.
    #[arg(long, default_value_t = 8764)]
    pub(crate) port: u16,
    /// Trades per second for each subscribed symbol, on average, up to a million.
    #[arg(long, default_value_t = 10.0, value_name = "N", value_parser = rate)]
    rate: f64,
    /// Repeats a run: the same seed makes the same prices.
    #[arg(long, default_value_t = 1, value_name = "N")]
    seed: u64,
    /// Symbols one connection to /v2/iex may have, as in Alpaca's free plan; 0 for no limit.
    #[arg(long, default_value_t = 30, value_name = "N")]
    symbol_limit: usize,
    /// The only API key that is accepted.
    #[arg(long, env = "MARKET_SIM_KEY", hide_env_values = true, requires = "secret")]
    key: Option<String>,
    /// The secret of that key.
    #[arg(long, env = "MARKET_SIM_SECRET", hide_env_values = true, requires = "key")]
    secret: Option<String>,
    /// What the market's clock shows at the start, such as 2025-10-08T10:29:00-04:00.
    #[arg(long, value_name = "TIME")]
    market_time: Option<jiff::Timestamp>,
    /// Seconds for which a symbol goes on being traded when nobody is subscribed to it: what is missed meanwhile can be asked for by REST.
    #[arg(long, default_value_t = 0, value_name = "S")]
    goes_on: u64,
    /// Trades kept of each symbol on each feed, for those who ask by REST.
    #[arg(long, default_value_t = 20_000, value_name = "N")]
    keep_trades: usize,
    /// Play this recording in place of made-up trades: Alpaca's messages, one a line, {"T":"t","S":"AAPL",…} or arrays of them, by their times, from the first subscription on.
    #[arg(long, value_name = "FILE")]
    replay: Option<PathBuf>,
    /// Play it so many times as fast as it was.
    #[arg(long, default_value_t = 1.0, value_name = "TIMES", value_parser = speed, requires = "replay")]
    replay_speed: f64,
    /// Play it again when it is over.
    #[arg(long, requires = "replay")]
    replay_again: bool,
    #[command(flatten)]
    faults: FaultArguments,
}

#[derive(Args)]
#[command(next_help_heading = "Faults")]
struct FaultArguments {
    /// Send nothing for this symbol, or for all with `*`, while the connection stays open.
    #[arg(long, value_name = "SYMBOL")]
    silent: Vec<String>,
    /// Connections stay open, but nothing is read or sent, not even a pong.
    #[arg(long)]
    black_hole: bool,
    /// Read requests and never answer them.
    #[arg(long)]
    no_answer: bool,
    /// Refuse every authentication with this code, such as 402, 406, 409 or 411.
    #[arg(long, value_name = "CODE")]
    refuse_auth: Option<u16>,
    /// Refuse every change of a subscription with this code, such as 400, 405 or 410.
    #[arg(long, value_name = "CODE")]
    refuse_subscribe: Option<u16>,
    /// Seconds for which a connection that ended without a Close keeps its place (Alpaca: 90): 406 meanwhile.
    #[arg(long, default_value_t = 0, value_name = "S")]
    linger: u16,
    /// The same, also after a Close as it should be.
    #[arg(long, default_value_t = 0, value_name = "S")]
    close_linger: u16,
    /// Milliseconds that every message is held back.
    #[arg(long, default_value_t = 0, value_name = "MS")]
    delay: u64,
    /// The part of the trades that is sent twice, 0 to 1.
    #[arg(long, default_value_t = 0.0, value_name = "PART", value_parser = part)]
    duplicates: f64,
    /// The part of the trades that changes places with the one before, 0 to 1.
    #[arg(long, default_value_t = 0.0, value_name = "PART", value_parser = part)]
    disorder: f64,
    /// The part of the trades that is corrected afterwards, 0 to 1.
    #[arg(long, default_value_t = 0.0, value_name = "PART", value_parser = part)]
    corrections: f64,
    /// The part of the trades that is cancelled afterwards, 0 to 1.
    #[arg(long, default_value_t = 0.0, value_name = "PART", value_parser = part)]
    cancels: f64,
    /// Refuse every connection request with this HTTP status, such as 429.
    #[arg(long, value_name = "STATUS")]
    refuse_upgrade: Option<u16>,
    /// Refuse every REST request with this HTTP status, such as 403, 429 or 500.
    #[arg(long, value_name = "STATUS")]
    refuse_rest: Option<u16>,
    /// The market's clock says closed, as on a day of mourning.
    #[arg(long)]
    closed: bool,
    /// A fault by the clock, to every connection: drop@30 once after 30 s, drop/30 every 30 s; also close, garbage, slow_client (407), internal_error (500), mute, restart.
    #[arg(long, value_name = "FAULT@S")]
    blow: Vec<Scheduled>,
}

fn part(text: &str) -> Result<f64, String> {
    number(text, 0.0, 1.0)
}

fn rate(text: &str) -> Result<f64, String> {
    number(text, 0.001, 1_000_000.0)
}

fn speed(text: &str) -> Result<f64, String> {
    number(text, 0.001, 1_000_000.0)
}

fn number(text: &str, least: f64, most: f64) -> Result<f64, String> {
    match text.parse() {
        Ok(number) if (least..=most).contains(&number) => Ok(number),
        Ok(_) | Err(_) => Err(format!("must be a number from {least} to {most}")),
    }
}

impl Arguments {
    /// The choices; the error is a sentence about a recording that cannot be played.
    pub(crate) fn settings(self) -> Result<Settings, String> {
        let (speed, again) = (self.replay_speed, self.replay_again);
        let replay = self.replay.map(|path| Recording::read(&path, speed, again));
        let (faults, schedule) = self.faults.split();
        Ok(Settings {
            rate: self.rate,
            seed: self.seed,
            symbol_limit: (self.symbol_limit > 0).then_some(self.symbol_limit),
            credentials: self.key.zip(self.secret),
            market_time: self.market_time,
            goes_on: Duration::from_secs(self.goes_on),
            keep_trades: self.keep_trades,
            replay: replay.transpose()?,
            faults,
            schedule,
        })
    }
}

impl FaultArguments {
    fn split(self) -> (Faults, Vec<Scheduled>) {
        let faults = Faults {
            silent: self.silent,
            black_hole: self.black_hole,
            delay_ms: self.delay,
            refuse_auth: self.refuse_auth,
            linger_s: self.linger,
            duplicates: self.duplicates,
            disorder: self.disorder,
            corrections: self.corrections,
            cancels: self.cancels,
            refuse_upgrade: self.refuse_upgrade,
            refuse_rest: self.refuse_rest,
            closed: self.closed,
            close_linger_s: self.close_linger,
            refuse_subscribe: self.refuse_subscribe,
            no_answer: self.no_answer,
        };
        (faults, self.blow)
    }
}
