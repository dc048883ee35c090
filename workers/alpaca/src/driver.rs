//! Performs what the session decides, and tells it what came of it.

use tokio::sync::{mpsc, watch};

use crate::market_data::Command;
use crate::{Credentials, Status};

/// Where to connect, and as whom.
pub(crate) struct Endpoint {
    pub(crate) credentials: Credentials,
    pub(crate) url: String,
}

/// Runs one connection until it is told to close, and has closed.
pub(crate) async fn run(
    endpoint: Endpoint,
    mut inbox: mpsc::UnboundedReceiver<Command>,
    publisher: watch::Sender<Status>,
) {
    let _ = (&endpoint.credentials, &endpoint.url, &publisher);
    while let Some(command) = inbox.recv().await {
        if matches!(command, Command::Close) {
            break;
        }
    }
}
