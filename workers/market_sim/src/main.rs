//! The command `market-sim`.

mod flags;

use std::process::ExitCode;

use clap::Parser;
use flags::Arguments;
use tracing::{error, info};
use ws_listener::Stop;

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

async fn serve(arguments: Arguments) -> Result<(), String> {
    let in_words = |error: std::io::Error| error.to_string();
    let stop = Stop::on_signals().map_err(in_words)?;
    let (host, port) = (arguments.host.clone(), arguments.port);
    let settings = arguments.settings()?;
    let listener = ws_listener::bind(&host, port).await.map_err(in_words)?;
    let address = listener.local_addr().map_err(in_words)?;
    info!("market-sim listens on ws://{address} (/v2/iex, /v2/sip, /v2/test)");
    market_sim::run(listener, settings, stop).await;
    Ok(())
}
