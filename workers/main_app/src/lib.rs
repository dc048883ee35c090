//! `main-app`: the tape and the host, in a browser.
//!
//! ```text
//!   browser --- / , /system, assets ------> routes ---> html, assets        (all inside the binary)
//!      |  \---- /v1/status, /v1/ports … --> routes ---> Supervisor ---+
//!      |  \---- /v1/live (SSE) -----------> live, hub > Supervisor ---+--> .sentinel/sock
//!      |  \---- /v1/events, /v1/logs -----> live -----> Supervisor ---+
//!      |  \---- POST /v1/restart … -------> orders ---> Supervisor ---+
//!      |  \---- POST /v1/restart/quick … -> orders ---> command ------> `sentinel restart quick`
//!      +------- WebSocket to browser_proxy, 8766: trades never pass through here
//! ```
//! Every answer passes the `door`: it refuses names that are not this host's (so that no page can
//! have itself resolved to it) and adds the headers that leave a page only its own files.
//! What the stream or the supervisor says becomes text: escaped by `html`, and in the browser by
//! `textContent` alone, which the policy enforces (trusted types).

pub mod actions;
mod assets;
mod command;
mod door;
mod fact_view;
mod html;
mod hub;
mod live;
mod look;
mod orders;
mod routes;
mod socket;
mod status;
mod stream_view;
mod supervisor;
mod table_view;
mod view;
mod words;

use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::time::sleep;
use ws_listener::Stop;

pub use actions::{Actions, WeakToken};
pub use door::Hosts;
pub use look::look;
pub use socket::find as find_socket;
pub use supervisor::{NoAnswer, Supervisor};

/// What a web app serves.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The supervisor whose host is shown.
    pub supervisor: Supervisor,
    /// Where pages find the stream.
    pub stream: Stream,
    /// The names under which this host may be addressed.
    pub hosts: Hosts,
    /// What proves that a page may act.
    pub actions: Actions,
}

/// Where pages connect to for trades.
#[derive(Clone, Debug)]
pub struct Stream {
    /// The port of `browser_proxy` on the host that the page came from.
    pub port: u16,
    /// A whole address instead, such as `wss://desk.example/stream`.
    pub url: Option<String>,
}

/// How long answers may go on after `stop`: the progress of this app's own restart would never end.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Serves on `listener` until `stop`, then lets the answers under way end.
///
/// # Errors
/// The listener fails.
pub async fn run(listener: TcpListener, settings: Settings, stop: Stop) -> std::io::Result<()> {
    let routes = routes::of(settings, stop.clone());
    let service = routes.into_make_service_with_connect_info::<SocketAddr>();
    let (mut begin, mut end) = (stop.clone(), stop);
    let serving =
        axum::serve(listener, service).with_graceful_shutdown(async move { begin.requested().await });
    tokio::select! {
        ended = serving.into_future() => ended,
        () = async { end.requested().await; sleep(LAST_WORDS).await } => Ok(()),
    }
}
