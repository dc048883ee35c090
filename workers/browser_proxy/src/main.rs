//! The command `browser-proxy`.

use std::process::ExitCode;
use std::time::Duration;

use browser_proxy::{Backend, Counts, Settings};
use clap::Parser;
use tracing::{error, info};
use ws_listener::{Door, Origins, Places, Stop, Tokens};

/// Tokens that let browsers in, separated by commas; an environment variable only, so that they show
/// in no process list.
const TOKENS: &str = "BROWSER_PROXY_TOKENS";

/// Forward browsers' WebSocket connections to the trade stream.
#[derive(Parser)]
#[command(name = "browser-proxy", version)]
struct Arguments {
    /// Address to listen on.
    #[arg(long, env = "BROWSER_PROXY_HOST", default_value = "127.0.0.1")]
    host: String,
    /// Port to listen on; 0 takes a free one.
    #[arg(long, env = "BROWSER_PROXY_PORT", default_value_t = 8766)]
    port: u16,
    /// The trade stream's address.
    #[arg(
        long,
        env = "BROWSER_PROXY_BACKEND",
        default_value = "ws://127.0.0.1:8765",
        value_name = "URL"
    )]
    backend: Backend,
    /// Also let pages of this origin connect, e.g. https://desk.example ("null": pages opened from a file, "*": all).
    #[arg(long, value_name = "ORIGIN")]
    allow_origin: Vec<String>,
    /// Seconds a browser is kept waiting for a backend that is not up yet.
    #[arg(long, default_value_t = 30, value_name = "SECONDS")]
    patience: u64,
    /// Most browsers at a time.
    #[arg(long, default_value_t = 10_000, value_name = "N")]
    max_clients: usize,
    /// Most browsers at a time from one IP address; no limit of its own unless given.
    #[arg(long, value_name = "N")]
    max_per_ip: Option<usize>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    ws_listener::log_to_stderr();
    ws_listener::raise_descriptor_limit();
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
    let settings = Settings {
        backend: arguments.backend,
        door: Door {
            service: "browser-proxy",
            origins: Origins::with(&arguments.allow_origin),
            tokens: Tokens::from_env(TOKENS),
            self_authenticating: &["/v2/", "/v1beta3/", "/stream"],
        },
        counts: Counts::default(),
        patience: Duration::from_secs(arguments.patience),
        places: Places {
            total: arguments.max_clients,
            per_ip: arguments.max_per_ip,
        },
    };
    info!(
        "browser-proxy listens on ws://{}, backend {}",
        listener.local_addr()?,
        settings.backend
    );
    browser_proxy::run(listener, settings, stop).await;
    Ok(())
}
