//! A proxy in this process, a stand-in backend, and deadlines for whatever is awaited.
#![allow(dead_code, reason = "each test file uses its share")]

use std::future::Future;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use browser_proxy::{Counts, Settings};
use futures_util::{SinkExt, StreamExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, accept_async, connect_async};
use ws_listener::{Door, Origins, Places, Stop, StopTrigger, Tokens};

pub type Browser = WebSocketStream<MaybeTlsStream<TcpStream>>;
pub type BackendSide = WebSocketStream<TcpStream>;

/// A proxy that waits so long for its backend does not give up, however slow the machine.
pub const LONG: Duration = Duration::from_secs(60);

/// Fails the test instead of hanging it.
pub async fn soon<T>(what: &str, awaited: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(60), awaited)
        .await
        .unwrap_or_else(|_| panic!("{what}: not within 60 s"))
}

/// A proxy on a free port; dropping it stops it.
pub struct Proxy {
    pub address: SocketAddr,
    pub ended: JoinHandle<()>,
    pub stop: StopTrigger,
}

impl Proxy {
    pub async fn start(backend: SocketAddr, patience: Duration) -> Self {
        let listener = ws_listener::bind("127.0.0.1", 0).await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        let settings = Settings {
            backend: format!("ws://{backend}").parse().expect("an address"),
            door: Door {
                service: "browser-proxy",
                origins: Origins::default(),
                tokens: Tokens::default(),
                self_authenticating: &["/v2/", "/v1beta3/", "/stream"],
            },
            counts: Counts::default(),
            patience,
            places: Places {
                total: 100,
                per_ip: None,
            },
        };
        let (stop, stopped) = Stop::new();
        let ended = tokio::spawn(browser_proxy::run(listener, settings, stopped));
        Self { address, ended, stop }
    }

    pub async fn browser(&self) -> Browser {
        browser(self.address).await
    }
}

pub async fn browser(address: SocketAddr) -> Browser {
    let (socket, _) = soon("connect", connect_async(format!("ws://{address}/")))
        .await
        .expect("accepted");
    socket
}

/// A port that nobody uses, below the range from which the kernel takes clients' ports and those of listeners
/// that ask for any: nobody takes it before it is used, or while it is let go.
fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    loop {
        let step = NEXT.fetch_add(1, Ordering::Relaxed);
        let start = u16::try_from(std::process::id() % 40).expect("small") * 200;
        let port = 11_000 + (start + step) % 8_000;
        if std::net::TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

pub async fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind(("127.0.0.1", free_port()))
        .await
        .expect("a free port");
    let address = listener.local_addr().expect("bound");
    (listener, address)
}

/// The backend's end of the next connection.
pub async fn backend_side(listener: &TcpListener) -> BackendSide {
    let (stream, _) = soon("the proxy dials", listener.accept())
        .await
        .expect("accepted");
    soon("the proxy's handshake", accept_async(stream))
        .await
        .expect("a handshake")
}

/// A connected chain: browser, backend's end, and the proxy between them.
pub async fn chain() -> (Browser, BackendSide, Proxy) {
    let (listener, address) = listen().await;
    let proxy = Proxy::start(address, LONG).await;
    let (mut browser, mut backend) = tokio::join!(proxy.browser(), backend_side(&listener));
    // A round trip, since the proxy may not have read the backend's answer yet.
    backend.send(Message::text("hello")).await.expect("sent");
    let hello = soon("hello", browser.next())
        .await
        .expect("open")
        .expect("received");
    assert_eq!(hello, Message::text("hello"));
    (browser, backend, proxy)
}

/// The Close frame that arrives next, anything else before it being an error.
pub async fn expect_close<S>(socket: &mut WebSocketStream<S>) -> Option<CloseFrame>
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    match soon("a Close frame", socket.next()).await {
        Some(Ok(Message::Close(frame))) => frame,
        other => panic!("expected a Close frame, got {other:?}"),
    }
}
