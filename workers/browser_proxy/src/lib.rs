//! `browser-proxy`: browsers on 8766, the trade stream on 8765, bytes in between.
//!
//! ```text
//!   browser --handshake--> Door          backend <--handshake-- Backend::dial (waits up to 30 s)
//!      |                                    |
//!      +---- frames, byte for byte, both ways (Relay) ----+
//! ```
//! After both handshakes the proxy forwards bytes: pings, close codes and messages pass as they
//! are, so `ping` and `health` answer for both hops. It only counts where frames end, so that it
//! can say itself, whole, that one side went away. A slow browser stops the reading of its own
//! backend connection and nothing else; the backend's bound on slow clients then applies.

mod backend;
mod relay;
mod session;

use std::time::Duration;

use tokio::net::TcpListener;
use ws_listener::{Door, Stop};

pub use backend::{Backend, BadAddress};

/// What a proxy serves.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where its browsers' connections go.
    pub backend: Backend,
    /// Who may connect.
    pub door: Door,
    /// How long a browser is kept waiting for a backend that is not up yet.
    pub patience: Duration,
    /// The most browsers at a time.
    pub max_clients: usize,
}

/// Serves browsers on `listener` until `stop`; returns once all of them are closed.
pub async fn run(listener: TcpListener, settings: Settings, stop: Stop) {
    let max_clients = settings.max_clients;
    ws_listener::serve(listener, max_clients, stop.clone(), move |stream, peer| {
        let (settings, stop) = (settings.clone(), stop.clone());
        async move { session::run(stream, peer, &settings, stop).await }
    })
    .await;
}
