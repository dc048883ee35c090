//! Who may connect, and what the others are told.

mod common;

use std::net::SocketAddr;

use common::{LONG, Proxy, listen, soon};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const UPGRADE: &str = "Host: desk.example:8766\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                       Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

/// The answer to a request, as far as it comes at once.
async fn ask(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).await.expect("connects");
    stream.write_all(request.as_bytes()).await.expect("sent");
    let mut answer = vec![0; 2048];
    let length = soon("an answer", stream.read(&mut answer))
        .await
        .expect("readable");
    String::from_utf8_lossy(&answer[..length]).into_owned()
}

async fn proxy() -> Proxy {
    let (_, absent) = listen().await;
    Proxy::start(absent, LONG).await
}

#[tokio::test]
async fn programs_and_pages_of_this_host_are_let_in() {
    let proxy = proxy().await;
    for origin in [
        "",
        "Origin: http://localhost:3000\r\n",
        "Origin: http://desk.example\r\n",
    ] {
        let answer = ask(proxy.address, &format!("GET / HTTP/1.1\r\n{UPGRADE}{origin}\r\n")).await;
        assert!(answer.starts_with("HTTP/1.1 101 "), "{origin}: {answer}");
        assert!(
            answer
                .to_lowercase()
                .contains("sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo="),
            "{answer}"
        );
    }
}

#[tokio::test]
async fn pages_of_strangers_are_refused_and_told_the_way_out() {
    let proxy = proxy().await;
    let request = format!("GET / HTTP/1.1\r\n{UPGRADE}Origin: https://evil.example\r\n\r\n");
    let answer = ask(proxy.address, &request).await;
    assert!(answer.starts_with("HTTP/1.1 403 Forbidden\r\n"), "{answer}");
    assert!(
        answer.ends_with("allow them with --allow-origin https://evil.example\n"),
        "{answer}"
    );
}

#[tokio::test]
async fn a_plain_request_is_told_that_this_is_a_websocket_port() {
    let proxy = proxy().await;
    let answer = ask(proxy.address, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    assert!(
        answer.starts_with("HTTP/1.1 426 Upgrade Required\r\nUpgrade: websocket\r\n"),
        "{answer}"
    );
    assert!(
        answer.contains("this is the WebSocket port of browser-proxy"),
        "{answer}"
    );
}

#[tokio::test]
async fn garbage_and_endless_heads_are_refused() {
    let proxy = proxy().await;
    let answer = ask(proxy.address, "\x16\x03\x01\x02\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    let endless = format!("GET / HTTP/1.1\r\nCookie: {}", "x".repeat(17 * 1024));
    let answer = ask(proxy.address, &endless).await;
    assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
}

#[tokio::test]
async fn metrics_are_told_to_plain_http() {
    let proxy = proxy().await;
    let _browser = proxy.browser().await;
    let answer = ask(proxy.address, "GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.contains("\nbrowser_proxy_browsers 1\n"), "{answer}");
}

#[tokio::test]
async fn what_a_bot_says_of_itself_reaches_the_backend_and_nothing_else_does() {
    let (listener, address) = listen().await;
    let proxy = Proxy::start(address, LONG).await;
    let mut bot = TcpStream::connect(proxy.address).await.expect("connects");
    let own = "content-type: application/msgpack\r\napca-api-key-id: KEY\r\napca-api-secret-key: SECRET\r\n";
    let request = format!("GET /v2/iex HTTP/1.1\r\n{UPGRADE}{own}Cookie: private\r\n\r\n");
    bot.write_all(request.as_bytes()).await.expect("sent");
    let (mut backend, _) = soon("the proxy dials", listener.accept())
        .await
        .expect("accepted");
    let mut asked = vec![0; 2048];
    let length = soon("its request", backend.read(&mut asked))
        .await
        .expect("readable");
    let asked = String::from_utf8_lossy(&asked[..length]).to_lowercase();
    assert!(asked.starts_with("get /v2/iex http/1.1\r\n"), "{asked}");
    for line in own.lines() {
        assert!(asked.contains(&line.to_lowercase()), "{line}: {asked}");
    }
    assert!(!asked.contains("private"), "{asked}");
}
