//! The command `main-app`.

use std::process::ExitCode;

use clap::Parser;
use main_app::{Actions, Hosts, Settings, Stream, Supervisor, find_socket, look};
use tracing::{error, info};
use ws_listener::Stop;

/// `EX_CONFIG` of sysexits.h: sentinel does not start a service again that ended with it.
const EXIT_CONFIG: u8 = 78;

/// Show the tape and the host in a browser.
///
/// The supervisor is the one that started this; else it is found by SENTINEL_SOCKET, beside
/// SENTINEL_CONFIG, or in ./.sentinel. Pages may restart, stop, start and flush only with
/// `actions = true` under [web] in services.toml and a MAIN_APP_TOKEN of 16 characters or more,
/// which is read from the environment only.
#[derive(Parser)]
#[command(name = "main-app", version)]
struct Arguments {
    /// Address to listen on.
    #[arg(long, env = "MAIN_APP_HOST", default_value = "127.0.0.1")]
    host: String,
    /// Port to listen on; 0 takes a free one.
    #[arg(long, env = "MAIN_APP_PORT", default_value_t = 3000)]
    port: u16,
    /// The port of browser-proxy on this host, where pages connect to for trades.
    #[arg(long, env = "MAIN_APP_STREAM_PORT", default_value_t = 8766)]
    stream_port: u16,
    /// A whole address for trades instead, e.g. wss://desk.example/stream.
    #[arg(long, env = "MAIN_APP_STREAM_URL", value_name = "URL", value_parser = stream_url)]
    stream_url: Option<String>,
    /// Another name that this host is addressed by, e.g. desk.example; may be given again.
    #[arg(long, env = "MAIN_APP_ALLOW_HOST", value_name = "NAME", value_delimiter = ',')]
    allow_host: Vec<String>,
}

fn stream_url(text: &str) -> Result<String, String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._~:/[]".contains(c);
    let rest = text.strip_prefix("ws://").or_else(|| text.strip_prefix("wss://"));
    match rest {
        Some(rest) if !rest.is_empty() && rest.chars().all(plain) => Ok(text.into()),
        Some(_) | None => Err("must be ws:// or wss://, a host and perhaps a path".into()),
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    ws_listener::log_to_stderr();
    let actions = match Actions::new(std::env::var("MAIN_APP_TOKEN").ok(), true) {
        Ok(actions) => actions,
        Err(failure) => {
            error!("{failure}");
            return ExitCode::from(EXIT_CONFIG);
        }
    };
    match serve(arguments, actions).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            error!("{failure}");
            ExitCode::FAILURE
        }
    }
}

async fn serve(arguments: Arguments, actions: Actions) -> std::io::Result<()> {
    let stop = Stop::on_signals()?;
    let listener = ws_listener::bind(&arguments.host, arguments.port).await?;
    let socket = find_socket(|name| std::env::var(name).ok());
    let address = listener.local_addr()?;
    info!(
        "main-app listens on http://{address}, supervisor {}",
        socket.display()
    );
    let supervisor = Supervisor::on(socket);
    tokio::spawn(first_look(supervisor.clone()));
    let settings = Settings {
        supervisor,
        stream: Stream {
            port: arguments.stream_port,
            url: arguments.stream_url,
        },
        hosts: Hosts::with(&arguments.allow_host),
        // An inherited socket may be another than the one asked for.
        actions: actions.listening(!address.ip().to_canonical().is_loopback()),
    };
    main_app::run(listener, settings, stop).await
}

/// What it says of itself while it answers counts when it does not.
async fn first_look(supervisor: Supervisor) {
    if let Err(why) = look(&supervisor).await {
        info!("the supervisor was asked: {}", why.message());
    }
}
