//! A stream in this process, clients that speak JSON, and deadlines for whatever is awaited.
#![allow(dead_code, reason = "each test file uses its share")]

pub mod alpaca;
pub mod sim;

use std::future::Future;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use ::alpaca::{ConnectionManager, Options};
use alpaca::Alpaca;
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinHandle;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::{WebSocketStream, client_async};
use trade_stream::{Fatal, Feed, Limits, Retention, Settings, Slow, Source};
use ws_listener::{Door, Origins, Places, Stop, StopTrigger, Tokens};

/// Fails the test instead of hanging it, also on a machine that is busy with others.
pub async fn soon<T>(what: &str, awaited: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(90), awaited)
        .await
        .unwrap_or_else(|_| panic!("{what}: not within 90 s"))
}

/// A port that nobody uses, below the range from which the kernel takes clients' ports and those of listeners
/// that ask for any: nobody takes it before it is used.
pub fn free_port() -> u16 {
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

/// A stream on a free port; dropping it stops it.
pub struct Stream {
    pub address: SocketAddr,
    pub ended: JoinHandle<Result<(), Fatal>>,
    pub stop: StopTrigger,
}

impl Stream {
    pub async fn start(upstream: SocketAddr) -> Self {
        Self::with(upstream, |_| {}).await
    }

    pub async fn with(upstream: SocketAddr, adjust: impl FnOnce(&mut Settings)) -> Self {
        let listener = ws_listener::bind("127.0.0.1", 0).await.expect("a free port");
        Self::on(listener, upstream, adjust, Options::default())
    }

    /// A stream whose market's clock shows this time.
    pub async fn rehearsing(upstream: SocketAddr, market_time: &str) -> Self {
        let listener = ws_listener::bind("127.0.0.1", 0).await.expect("a free port");
        let time: jiff::Timestamp = market_time.parse().expect("a time");
        let options = Options::default().market_time(time.into());
        Self::on(listener, upstream, |_| {}, options)
    }

    /// A stream in the place of an earlier one.
    pub async fn at(address: SocketAddr, upstream: SocketAddr) -> Self {
        let listener = ws_listener::bind("127.0.0.1", address.port())
            .await
            .expect("free again");
        Self::on(listener, upstream, |_| {}, Options::default())
    }

    fn on(
        listener: tokio::net::TcpListener,
        upstream: SocketAddr,
        adjust: impl FnOnce(&mut Settings),
        options: Options,
    ) -> Self {
        let address = listener.local_addr().expect("bound");
        let upstream_address = upstream;
        let mut settings = settings(upstream);
        adjust(&mut settings);
        let source = &settings.source;
        let manager = ConnectionManager::with(options);
        let upstream = manager
            .market_data(&source.credentials, &source.url)
            .expect("a usable address");
        let orders = manager.trading(&source.credentials, &format!("ws://{upstream_address}/stream"));
        let orders = Some(orders.expect("a usable address"));
        let (stop, stopped) = Stop::new();
        let ended = tokio::spawn(trade_stream::run(listener, upstream, orders, settings, stopped));
        Self { address, ended, stop }
    }

    /// A stream that follows another through Redis.
    pub async fn following(line: trade_stream::Line) -> Self {
        let listener = ws_listener::bind("127.0.0.1", 0).await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        let (upstream, relay) = ::alpaca::Relay::new();
        tokio::spawn(trade_stream::follow(line, relay));
        let (stop, stopped) = Stop::new();
        let ended = tokio::spawn(trade_stream::run(
            listener,
            upstream,
            None,
            settings(address),
            stopped,
        ));
        Self { address, ended, stop }
    }

    /// A client of Alpaca's own protocol.
    pub async fn bot(&self, feed: &str) -> Client {
        let stream = soon("connect", TcpStream::connect(self.address))
            .await
            .expect("connected");
        let handshake = client_async(format!("ws://{}/v2/{feed}", self.address), stream);
        let (socket, _) = soon("handshake", handshake).await.expect("accepted");
        Client(socket)
    }

    pub async fn client(&self) -> Client {
        Client::connect(self.address).await
    }
}

fn settings(upstream: SocketAddr) -> Settings {
    Settings {
        source: Source::new(Feed::Iex, &format!("ws://{upstream}"), None).expect("valid"),
        door: Door {
            service: "trade-stream",
            origins: Origins::default(),
            tokens: Tokens::default(),
            self_authenticating: &["/v2/", "/v1beta3/", "/stream"],
        },
        limits: Limits {
            bytes: 1 << 20,
            trades: 10_000,
            slow: Slow::Drop,
        },
        max_symbols: 100,
        requests_per_s: 1000,
        ping: Duration::from_secs(30),
        retention: Retention {
            trades: 1000,
            bytes: 1 << 20,
            total_bytes: 1 << 20,
        },
        heartbeat: Duration::from_secs(15),
        linger: Duration::from_secs(30),
        hold: Duration::from_millis(500),
        positions: None,
        grace: Duration::from_secs(30),
        places: Places {
            total: 100,
            per_ip: None,
        },
        compress: false,
        publish: None,
    }
}

/// A client of the stream.
pub struct Client(pub WebSocketStream<TcpStream>);

impl Client {
    pub async fn connect(address: SocketAddr) -> Self {
        Self::over(TcpSocket::new_v4().expect("a socket"), address).await
    }

    /// A client whose kernel takes little on its behalf, so that it falls behind soon.
    pub async fn narrow(address: SocketAddr) -> Self {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.set_recv_buffer_size(32 * 1024).expect("allowed");
        Self::over(socket, address).await
    }

    async fn over(socket: TcpSocket, address: SocketAddr) -> Self {
        let stream = soon("connect", socket.connect(address)).await.expect("connected");
        let handshake = client_async(format!("ws://{address}/"), stream);
        let (socket, _) = soon("handshake", handshake).await.expect("accepted");
        Self(socket)
    }

    pub async fn say(&mut self, text: &str) {
        self.0.send(Message::text(text)).await.expect("sent");
    }

    pub async fn ask(&mut self, text: &str) -> Value {
        self.say(text).await;
        self.hear().await
    }

    /// The next message.
    pub async fn hear(&mut self) -> Value {
        let message = async {
            loop {
                match self.0.next().await {
                    Some(Ok(Message::Text(text))) => return serde_json::from_str(&text).expect("JSON"),
                    // Of a test that lasts.
                    Some(Ok(Message::Ping(_))) => {}
                    other => panic!("expected a text message, got {other:?}"),
                }
            }
        };
        soon("a message", message).await
    }

    /// Everything until the answer to a ping that is sent now: what was there, in order.
    pub async fn hear_all(&mut self) -> Vec<Value> {
        self.say(r#"{"action":"ping"}"#).await;
        let mut heard = Vec::new();
        loop {
            let message = self.hear().await;
            if message["type"] == "pong" {
                return heard;
            }
            heard.push(message);
        }
    }

    pub async fn expect_close(&mut self) -> CloseFrame {
        let close = async {
            loop {
                match self.0.next().await {
                    Some(Ok(Message::Close(frame))) => return frame.expect("a code"),
                    Some(Ok(_)) => {}
                    other => panic!("expected a Close frame, got {other:?}"),
                }
            }
        };
        soon("a Close frame", close).await
    }

    /// Subscribed, and the upstream has confirmed it.
    pub async fn subscribe(&mut self, alpaca: &Alpaca, symbol: &str) {
        self.say(&json!({"action":"subscribe","symbol":symbol}).to_string())
            .await;
        alpaca.saw(symbol, |seen| seen.trades.contains(symbol)).await;
        self.hear_all().await;
    }
}

pub fn code(frame: &CloseFrame) -> u16 {
    frame.code.into()
}
