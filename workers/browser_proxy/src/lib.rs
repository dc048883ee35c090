//! `browser-proxy`: browsers on 8766, the trade stream on 8765, bytes in between.
//!
//! ```text
//!   browser --handshake--> Door          backend <--handshake-- Backend::dial (waits up to 30 s)
//!      |                                    |
//!      +---- frames, byte for byte, both ways (Link::relay) ----+
//!                          \--> Wishes: who subscribed to what, and how far it got
//! ```
//! After both handshakes the proxy passes frames on as they are: pings and messages answer for both
//! hops. It reads just enough to take up the conversation elsewhere: when the backend goes away for
//! reasons of its own (no Close frame, or 1001 or 1012), the browser stays connected, is told
//! `connecting`, and the next backend is asked for the same subscriptions from the last trade that
//! was passed on; what cannot be had any more that backend tells as a `gap`. Requests that were not
//! answered yet are asked of the next backend in their order, and a ping is answered here. On other
//! paths than `/` (Alpaca's own protocol) nothing is understood, and the browser is closed with 1012.
//!
//! A slow browser stops the reading of its own backend connection and nothing else; the backend's
//! bound on slow clients then applies.

mod backend;
mod browser;
mod counts;
mod link;
mod relay;
mod session;
mod unanswered;
mod wishes;

use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use ws_listener::{Door, Places, Stop};

pub use backend::{Backend, BadAddress};
pub use counts::Counts;

/// What a proxy serves.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where its browsers' connections go.
    pub backend: Backend,
    /// Who may connect.
    pub door: Door,
    /// How long a browser is kept waiting for a backend that is not up yet.
    pub patience: Duration,
    /// How many browsers at a time.
    pub places: Places,
    /// What is told at `GET /metrics`.
    pub counts: Counts,
}

/// Serves browsers on `listener` until `stop`; returns once all of them are closed.
pub async fn run(listener: TcpListener, settings: Settings, stop: Stop) {
    let places = settings.places;
    let settings = Arc::new(settings);
    ws_listener::serve(listener, places, stop.clone(), move |stream, peer| {
        session::run(stream, peer, Arc::clone(&settings), stop.clone())
    })
    .await;
}
