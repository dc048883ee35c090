//! The client's first bytes on a real socket: TLS for `wss`, an HTTP upgrade for `ws`.

use std::time::Duration;

use alpaca::{ConnectionManager, Credentials, Error, Event, State};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

/// Far longer than anything takes, but for a machine with other work.
const PATIENCE: Duration = Duration::from_secs(60);

async fn listener() -> (TcpListener, u16) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let port = listener.local_addr().expect("bound").port();
    (listener, port)
}

async fn first_bytes(listener: &TcpListener) -> (TcpStream, Vec<u8>) {
    let accepted = timeout(PATIENCE, listener.accept()).await;
    let (mut stream, _) = accepted.expect("in time").expect("a connection");
    let mut bytes = vec![0; 4096];
    let read = timeout(PATIENCE, stream.read(&mut bytes)).await;
    bytes.truncate(read.expect("in time").expect("bytes"));
    (stream, bytes)
}

fn credentials() -> Credentials {
    Credentials::new("KEY", "SECRET")
}

#[tokio::test]
async fn wss_speaks_tls_and_names_the_host() {
    let (listener, port) = listener().await;
    let url = format!("wss://localhost:{port}/v2/iex");
    let manager = ConnectionManager::new();
    let data = manager.market_data(&credentials(), &url).expect("a URL");
    data.subscribe(&["AAPL".into()]);
    let (_stream, bytes) = first_bytes(&listener).await;
    assert_eq!(&bytes[..2], b"\x16\x03", "a TLS handshake record");
    let name = b"localhost";
    assert!(bytes.windows(name.len()).any(|window| window == name));
}

#[tokio::test]
async fn ws_asks_for_the_feed_and_keeps_the_keys_out_of_the_request() {
    let (listener, port) = listener().await;
    let url = format!("ws://127.0.0.1:{port}/v2/iex");
    let manager = ConnectionManager::new();
    let data = manager.market_data(&credentials(), &url).expect("a URL");
    data.subscribe(&["AAPL".into()]);
    let (_stream, bytes) = first_bytes(&listener).await;
    let request = String::from_utf8(bytes).expect("text");
    assert!(request.starts_with("GET /v2/iex HTTP/1.1\r\n"), "{request}");
    assert!(request.to_lowercase().contains("user-agent: sentinel-alpaca/"));
    assert!(!request.contains("KEY") && !request.contains("SECRET"));
}

#[tokio::test]
async fn http_429_is_a_held_slot_and_no_failure() {
    let (listener, port) = listener().await;
    let url = format!("ws://127.0.0.1:{port}/v2/iex");
    let manager = ConnectionManager::new();
    let data = manager.market_data(&credentials(), &url).expect("a URL");
    let mut status = data.status();
    data.subscribe(&["AAPL".into()]);
    let (mut stream, _) = first_bytes(&listener).await;
    let refusal = b"HTTP/1.1 429 Too Many Requests\r\nContent-Length: 0\r\n\r\n";
    stream.write_all(refusal).await.expect("written");
    let held = status.wait_for(|status| status.state == State::SlotHeld);
    let held = timeout(PATIENCE, held).await.expect("in time");
    let detail = held.expect("running").detail.clone().unwrap_or_default();
    assert!(detail.contains("429"), "{detail}");
}

#[tokio::test]
async fn the_last_reference_ends_the_events() {
    let manager = ConnectionManager::new();
    let url = "ws://127.0.0.1:9/v2/iex";
    let data = manager.market_data(&credentials(), url).expect("a URL");
    let other = data.clone();
    let mut events = data.events();
    data.close().await;
    let early = timeout(Duration::from_millis(20), events.recv()).await;
    assert!(early.is_err(), "another reference is left");
    other.close().await;
    assert_eq!(events.recv().await, None::<Event>);
}

#[tokio::test]
async fn what_cannot_be_connected_to_is_refused_at_once() {
    let manager = ConnectionManager::new();
    let bad = manager.market_data(&credentials(), "https://example.org");
    assert!(matches!(bad, Err(Error::Url { .. })));
    let nobody = Credentials::new("", "");
    let bad = manager.market_data(&nobody, "ws://127.0.0.1:9/");
    assert_eq!(bad.err(), Some(Error::NoCredentials));
}

#[test]
fn outside_of_a_runtime_there_is_no_connection() {
    let manager = ConnectionManager::new();
    let bad = manager.market_data(&credentials(), "ws://127.0.0.1:9/");
    assert_eq!(bad.err(), Some(Error::NoRuntime));
}
