//! The command `market-sim`.

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use market_sim::{Faults, Settings};
use tracing::{error, info};
use ws_listener::Stop;

/// Simulate Alpaca's market-data streams: the real wire protocol, made-up trades.
///
/// Serves ws://HOST:PORT/v2/iex, /v2/sip, /v2/test, /v1beta3/crypto/us and the orders at /stream. Any key and secret are accepted, unless
/// MARKET_SIM_KEY and MARKET_SIM_SECRET name the ones to require. Trades made can be asked for at
/// /v2/stocks/trades, and faults ordered while it runs by POST to /control, from this host only.
#[derive(Parser)]
#[command(name = "market-sim", version)]
struct Arguments {
    /// Address to listen on.
    #[arg(long, default_value = "127.0.0.1")]
    host: String,
    /// Port to listen on; 0 takes a free one.
    #[arg(long, default_value_t = 8764)]
    port: u16,
    /// Trades per second for each subscribed symbol, on average.
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
    /// Send nothing for this symbol, or for all with `*`, while the connection stays open.
    #[arg(long, value_name = "SYMBOL")]
    silent: Vec<String>,
    /// Refuse every authentication with this code, such as 402 or 409.
    #[arg(long, value_name = "CODE")]
    refuse_auth: Option<u16>,
    /// Seconds for which a connection that ended without a Close keeps its place (Alpaca: 90).
    #[arg(long, default_value_t = 0, value_name = "S")]
    linger: u16,
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
    /// The market's clock says closed, as on a day of mourning.
    #[arg(long)]
    closed: bool,
}

fn part(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(part) if (0.0..=1.0).contains(&part) => Ok(part),
        Ok(_) | Err(_) => Err("must be a number from 0 to 1".into()),
    }
}

fn rate(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(rate) if (0.001..=1_000_000.0).contains(&rate) => Ok(rate),
        Ok(_) | Err(_) => Err("must be a number from 0.001 to 1000000".into()),
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    ws_listener::log_to_stderr();
    match serve(arguments).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            error!("{failure}");
            ExitCode::FAILURE
        }
    }
}

async fn serve(arguments: Arguments) -> std::io::Result<()> {
    let stop = Stop::on_signals()?;
    let listener = ws_listener::bind(&arguments.host, arguments.port).await?;
    let address = listener.local_addr()?;
    info!("market-sim listens on ws://{address} (/v2/iex, /v2/sip, /v2/test)");
    market_sim::run(listener, arguments.settings(), stop).await;
    Ok(())
}

impl Arguments {
    fn settings(self) -> Settings {
        Settings {
            rate: self.rate,
            seed: self.seed,
            symbol_limit: (self.symbol_limit > 0).then_some(self.symbol_limit),
            credentials: self.key.zip(self.secret),
            market_time: self.market_time,
            goes_on: Duration::from_secs(self.goes_on),
            faults: Faults {
                silent: self.silent,
                black_hole: false,
                delay_ms: self.delay,
                refuse_auth: self.refuse_auth,
                linger_s: self.linger,
                duplicates: self.duplicates,
                disorder: self.disorder,
                corrections: self.corrections,
                cancels: self.cancels,
                refuse_upgrade: self.refuse_upgrade,
                refuse_rest: None,
                closed: self.closed,
            },
        }
    }
}
