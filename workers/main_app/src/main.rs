//! The command `main-app`.

use std::process::ExitCode;

use clap::Parser;
use main_app::{Actions, BadActions, Hosts, Settings, Stream, Supervisor, find_socket};
use tracing::{error, info};
use ws_listener::{Stop, is_loopback};

/// `EX_CONFIG` of sysexits.h: sentinel does not start a service again that ended with it.
const EXIT_CONFIG: u8 = 78;

/// Show the tape and the host in a browser.
///
/// The supervisor is found by SENTINEL_SOCKET, else beside SENTINEL_CONFIG, else in ./.sentinel.
/// Pages may restart, stop and start services only with MAIN_APP_ACTIONS=1 and a MAIN_APP_TOKEN
/// of 16 characters or more, which is read from the environment only.
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
    /// Allow actions from other hosts too; without TLS the token crosses the network in the clear.
    #[arg(long, env = "MAIN_APP_ACTIONS_REMOTE", value_parser = clap::builder::FalseyValueParser::new(), action = clap::ArgAction::SetTrue)]
    actions_remote: bool,
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
    let actions = match actions(&arguments) {
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

fn actions(arguments: &Arguments) -> Result<Actions, BadActions> {
    let variable = |name| std::env::var(name).ok();
    let actions = Actions::new(
        variable("MAIN_APP_ACTIONS").as_deref(),
        variable("MAIN_APP_TOKEN"),
        arguments.actions_remote,
    )?;
    actions.check_address(is_loopback(&arguments.host))?;
    Ok(actions)
}

async fn serve(arguments: Arguments, actions: Actions) -> std::io::Result<()> {
    let stop = Stop::on_signals()?;
    let listener = ws_listener::bind(&arguments.host, arguments.port).await?;
    let socket = find_socket(|name| std::env::var(name).ok());
    info!(
        "main-app listens on http://{}, supervisor {}, actions {}",
        listener.local_addr()?,
        socket.display(),
        if actions.are_on() { "on" } else { "off" }
    );
    let settings = Settings {
        supervisor: Supervisor::on(socket),
        stream: Stream {
            port: arguments.stream_port,
            url: arguments.stream_url,
        },
        hosts: Hosts::with(&arguments.allow_host),
        actions,
    };
    main_app::run(listener, settings, stop).await
}
