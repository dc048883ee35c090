//! A simulator in this process, and a deadline for everything.

#![allow(dead_code, reason = "each test file uses a part")]

use std::future::Future;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use market_sim::Settings;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinHandle;
use ws_listener::{Stop, StopTrigger};

/// Far longer than anything takes, but for a machine with other work.
const PATIENCE: Duration = Duration::from_secs(120);

/// Fails the test when it takes longer than anything may.
pub async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.expect("in time")
}

/// A port that nobody uses, below the range from which the kernel takes clients' ports and those of listeners
/// that ask for any: nobody takes it before it is used, or while it is let go.
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

/// A running simulator; ends with the test.
pub struct Sim {
    port: u16,
    stop: StopTrigger,
    task: JoinHandle<()>,
}

impl Sim {
    pub async fn start(settings: Settings) -> Self {
        Self::start_at(0, settings).await
    }

    pub async fn start_at(port: u16, settings: Settings) -> Self {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.set_reuseaddr(true).expect("set");
        let address = ([127, 0, 0, 1], port).into();
        socket.bind(address).expect("a free port");
        Self::on(socket.listen(16).expect("listening"), settings)
    }

    fn on(listener: TcpListener, settings: Settings) -> Self {
        let (trigger, stop) = Stop::new();
        Self {
            port: listener.local_addr().expect("bound").port(),
            stop: trigger,
            task: tokio::spawn(market_sim::run(listener, settings, stop)),
        }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn url(&self, path: &str) -> String {
        format!("ws://127.0.0.1:{}{path}", self.port)
    }

    /// Stops it as SIGTERM would.
    pub async fn stop(self) {
        drop(self.stop);
        self.task.await.expect("no panic");
    }

    /// Gives an order to `/control`, and returns what it answered.
    pub async fn order(&self, order: &str) -> String {
        let request = format!(
            "POST /control HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n{order}",
            order.len()
        );
        self.ask(&request).await
    }

    /// The answer to a plain HTTP request.
    pub async fn ask(&self, request: &str) -> String {
        let address = ("127.0.0.1", self.port);
        let mut stream = within(TcpStream::connect(address)).await.expect("open");
        stream.write_all(request.as_bytes()).await.expect("sent");
        let mut answer = String::new();
        within(stream.read_to_string(&mut answer)).await.expect("read");
        answer
    }
}
