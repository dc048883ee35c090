//! An app on a free port, a stand-in supervisor on a Unix socket, and plain HTTP to the app.
#![allow(dead_code, reason = "each test file uses its share")]

use std::future::Future;
use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use axum::Router;
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use main_app::{Actions, Hosts, Settings, Stream, Supervisor};
use tokio::net::{TcpStream, UnixListener};
use tokio::task::JoinHandle;
use ws_listener::{Stop, StopTrigger};

pub const TOKEN: &str = "0123456789abcdef";

/// Fails the test instead of hanging it.
pub async fn soon<T>(what: &str, awaited: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(60), awaited)
        .await
        .unwrap_or_else(|_| panic!("{what}: not within 60 s"))
}

/// An app; dropping it stops it.
pub struct App {
    pub address: SocketAddr,
    pub ended: JoinHandle<()>,
    pub stop: StopTrigger,
}

impl App {
    /// An app of this supervisor, with a token or without.
    pub async fn of(socket: &Path, token: bool) -> Self {
        let settings = Settings {
            supervisor: Supervisor::on(socket),
            stream: Stream {
                port: 8766,
                url: None,
            },
            hosts: Hosts::with(&[]),
            actions: Actions::new(token.then(|| TOKEN.into()), false).expect("a good token"),
        };
        let listener = ws_listener::bind("127.0.0.1", 0).await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        let (stop, stopped) = Stop::new();
        let ended =
            tokio::spawn(async move { main_app::run(listener, settings, stopped).await.expect("serves") });
        Self { address, ended, stop }
    }

    /// The answer to one request with these headers; `Host` is the app's address unless named.
    pub async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Response<Incoming> {
        let stream = TcpStream::connect(self.address).await.expect("connects");
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.expect("speaks HTTP");
        tokio::spawn(connection);
        let mut request = Request::builder().method(method).uri(path);
        if !headers.iter().any(|(name, _)| *name == "host") {
            request = request.header("host", self.address.to_string());
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request
            .body(Full::new(Bytes::from(body.to_owned())))
            .expect("a request");
        soon("an answer", sender.send_request(request))
            .await
            .expect("answered")
    }

    /// Status and body of a GET.
    pub async fn get(&self, path: &str) -> (u16, String) {
        let response = self.send("GET", path, &[], "").await;
        (response.status().as_u16(), text(response).await)
    }

    /// Status and body of a POST that has all it needs, with these headers besides.
    pub async fn post(&self, path: &str, headers: &[(&str, &str)], body: &str) -> (u16, String) {
        let mut all = vec![("content-type", "application/json")];
        all.extend_from_slice(headers);
        let response = self.send("POST", path, &all, body).await;
        (response.status().as_u16(), text(response).await)
    }
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

/// The whole body.
pub async fn text(response: Response<Incoming>) -> String {
    let body = soon("the body", response.into_body().collect())
        .await
        .expect("whole");
    String::from_utf8(body.to_bytes().to_vec()).expect("text")
}

/// A folder for a socket, with a path too long for a socket's address.
pub fn house() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let deep = folder.path().join("a".repeat(120));
    std::fs::create_dir(&deep).expect("created");
    let socket = deep.join("sock");
    (folder, socket)
}

/// A stand-in supervisor with these routes.
pub fn supervisor(socket: &Path, routes: Router) -> JoinHandle<()> {
    let folder = std::fs::File::open(socket.parent().expect("a folder")).expect("opens");
    let short = format!("/proc/self/fd/{}/sock", folder.as_raw_fd());
    let listener = UnixListener::bind(short).expect("binds");
    tokio::spawn(async move { axum::serve(listener, routes).await.expect("serves") })
}
