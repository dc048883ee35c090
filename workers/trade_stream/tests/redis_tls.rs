//! Redis with TLS, and a certificate of a private authority: real redis-server, real programs.

mod common;

use std::path::Path;
use std::process::{Child as Plain, Command as Plainly, Stdio};

use common::alpaca::{Alpaca, trade};
use common::{Client, free_port, soon};
use serde_json::json;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

struct Redis(Plain);

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// An authority, and the certificate that it gave to 127.0.0.1; false when there is no openssl.
fn certificates(folder: &Path) -> bool {
    std::fs::write(folder.join("names"), "subjectAltName=IP:127.0.0.1").expect("written");
    let orders = [
        "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=authority -keyout ca.key -out ca.pem",
        "req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=redis -keyout key.pem -out request.pem",
        "x509 -req -in request.pem -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile names -out cert.pem",
    ];
    orders.iter().all(|order| {
        let ran = Plainly::new("openssl")
            .args(order.split(' '))
            .current_dir(folder)
            .stderr(Stdio::null())
            .status();
        ran.is_ok_and(|status| status.success())
    })
}

/// `None` when there is no redis-server here.
fn redis(folder: &Path, port: u16) -> Option<Redis> {
    let port = port.to_string();
    let tls = ["--port", "0", "--tls-port", &port, "--tls-auth-clients", "no"];
    let child = Plainly::new("redis-server")
        .args(tls)
        .args(["--tls-cert-file", "cert.pem", "--tls-key-file", "key.pem"])
        .args(["--bind", "127.0.0.1", "--save", "", "--requirepass", "hush"])
        .current_dir(folder)
        .stdout(Stdio::null())
        .spawn();
    child.ok().map(Redis)
}

/// The program with these arguments, and where it listens.
async fn stream(upstream: &Alpaca, port: u16, authority: &Path, more: &[&str]) -> (Child, Client) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_trade-stream"))
        .args(["--port", "0", "--positions", "none"])
        .args(more)
        .env("ALPACA_DATA_URL", format!("ws://{}", upstream.address))
        .env("STREAM_REDIS_URL", format!("rediss://:hush@127.0.0.1:{port}"))
        .env("SSL_CERT_FILE", authority)
        .env_remove("RUST_LOG")
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("starts");
    let mut lines = BufReader::new(child.stderr.take().expect("piped")).lines();
    let address = loop {
        let line = soon("a line", lines.next_line())
            .await
            .expect("read")
            .expect("a line");
        let found = line.split("ws://").nth(1).and_then(|rest| rest.split(',').next());
        if let Some(address) = found.and_then(|address| address.parse().ok()) {
            break address;
        }
    };
    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    (child, Client::connect(address).await)
}

#[tokio::test]
async fn trades_go_through_a_redis_with_tls() {
    let folder = tempfile::tempdir().expect("a folder");
    let port = free_port();
    if !certificates(folder.path()) {
        return eprintln!("skipped: no openssl; scripts/test_tools installs it");
    }
    let Some(_redis) = redis(folder.path(), port) else {
        return eprintln!("skipped: no redis-server; scripts/test_tools installs it");
    };
    let up = async {
        while TcpStream::connect(("127.0.0.1", port)).await.is_err() {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    };
    soon("redis-server", up).await;
    let alpaca = Alpaca::start().await;
    let authority = folder.path().join("ca.pem");
    let (_publisher, _) = stream(&alpaca, port, &authority, &[]).await;
    let (_follower, mut client) = stream(&alpaca, port, &authority, &["--from-redis"]).await;
    client.say(r#"{"action":"subscribe","symbol":"AAPL"}"#).await;
    alpaca.subscribed(&["AAPL"]).await;
    while client.hear().await["type"] != "subscribed" {}
    // What is told before the follower is listening is lost, and told as such.
    for id in 1.. {
        alpaca.send(json!([trade("AAPL", id)]));
        let heard = tokio::time::timeout(std::time::Duration::from_millis(200), client.hear());
        if heard.await.is_ok_and(|heard| heard["type"] == "trade") {
            return;
        }
        assert!(id < 100, "nothing comes");
    }
}
