//! Browsers do not notice that the backend is started again.

mod common;

use std::time::Duration;

use common::{BackendSide, Browser, LONG, Proxy, backend_side, expect_close, listen, soon};
use futures_util::{SinkExt, StreamExt};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;

const SUBSCRIBE: &str = r#"{"action":"subscribe","symbol":"AAPL"}"#;
const SUBSCRIBED: &str =
    r#"{"type":"subscribed","symbol":"AAPL","message":"Subscribed to AAPL trades","epoch":"e.1","seq":0}"#;

fn trade(seq: u64) -> String {
    format!(r#"{{"type":"trade","symbol":"AAPL","data":{{"price":1}},"seq":{seq}}}"#)
}

async fn heard<S>(socket: &mut tokio_tungstenite::WebSocketStream<S>) -> String
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    match soon("a message", socket.next()).await {
        Some(Ok(Message::Text(text))) => text.to_string(),
        other => panic!("expected a text message, got {other:?}"),
    }
}

/// A browser that is subscribed and has got two trades.
async fn subscribed(proxy: &Proxy, listener: &tokio::net::TcpListener) -> (Browser, BackendSide) {
    let (mut browser, mut backend) = tokio::join!(proxy.browser(), backend_side(listener));
    browser.send(Message::text(SUBSCRIBE)).await.expect("sent");
    assert_eq!(heard(&mut backend).await, SUBSCRIBE);
    for text in [SUBSCRIBED, &trade(1), &trade(2)] {
        backend.send(Message::text(text)).await.expect("sent");
        assert_eq!(heard(&mut browser).await, text);
    }
    (browser, backend)
}

/// What a second backend is asked, and that the browser hears from it.
async fn resumes(browser: &mut Browser, listener: &tokio::net::TcpListener) -> BackendSide {
    assert!(
        heard(browser)
            .await
            .contains(r#""type":"connecting","symbol":"AAPL""#)
    );
    let mut next = backend_side(listener).await;
    assert_eq!(
        heard(&mut next).await,
        r#"{"action":"subscribe","since":{"epoch":"e.1","seq":2},"symbol":"AAPL"}"#
    );
    next.send(Message::text(trade(3))).await.expect("sent");
    assert_eq!(heard(browser).await, trade(3));
    next
}

#[tokio::test]
async fn a_backend_that_says_goodbye_is_replaced_and_asked_for_the_same() {
    let (listener, address) = listen().await;
    let proxy = Proxy::start(address, LONG).await;
    let (mut browser, mut backend) = subscribed(&proxy, &listener).await;
    let stopping = CloseFrame {
        code: 1001.into(),
        reason: "stopping".into(),
    };
    backend.close(Some(stopping.clone())).await.expect("sent");
    assert_eq!(expect_close(&mut backend).await, Some(stopping), "answered");
    let mut next = resumes(&mut browser, &listener).await;
    browser.send(Message::text("later")).await.expect("sent");
    assert_eq!(heard(&mut next).await, "later");
}

#[tokio::test]
async fn a_backend_that_vanishes_in_the_middle_of_a_frame_leaves_no_trace_of_it() {
    let (listener, address) = listen().await;
    let proxy = Proxy::start(address, LONG).await;
    let (mut browser, backend) = subscribed(&proxy, &listener).await;
    let mut stream = backend.into_inner();
    tokio::io::AsyncWriteExt::write_all(&mut stream, b"\x81\x20half of a")
        .await
        .expect("sent");
    drop(stream);
    resumes(&mut browser, &listener).await;
}

#[tokio::test]
async fn what_a_browser_says_meanwhile_waits_and_its_pings_are_answered() {
    let (listener, address) = listen().await;
    let proxy = Proxy::start(address, LONG).await;
    let (mut browser, backend) = subscribed(&proxy, &listener).await;
    drop((backend, listener));
    assert!(heard(&mut browser).await.contains("connecting"));
    browser.send(Message::Ping("there?".into())).await.expect("sent");
    browser.send(Message::text("meanwhile")).await.expect("sent");
    assert_eq!(
        soon("a pong", browser.next())
            .await
            .expect("open")
            .expect("received"),
        Message::Pong("there?".into())
    );
    let listener = tokio::net::TcpListener::bind(address)
        .await
        .expect("the same port");
    let mut next = backend_side(&listener).await;
    assert!(
        heard(&mut next).await.contains(r#""seq":2"#),
        "first the subscriptions"
    );
    assert_eq!(heard(&mut next).await, "meanwhile");
}

#[tokio::test]
async fn a_backend_that_does_not_come_back_closes_the_browser() {
    let (listener, address) = listen().await;
    let proxy = Proxy::start(address, Duration::from_millis(100)).await;
    let (mut browser, backend) = subscribed(&proxy, &listener).await;
    drop((backend, listener));
    assert!(heard(&mut browser).await.contains("connecting"));
    assert_eq!(
        u16::from(expect_close(&mut browser).await.expect("a code").code),
        1013
    );
}

#[tokio::test]
async fn a_browser_that_closes_is_not_taken_to_another_backend() {
    let (listener, address) = listen().await;
    let proxy = Proxy::start(address, LONG).await;
    let (mut browser, mut backend) = subscribed(&proxy, &listener).await;
    browser.close(None).await.expect("sent");
    assert_eq!(expect_close(&mut backend).await, None);
    drop(backend);
    assert!(matches!(
        soon("a Close", browser.next()).await,
        Some(Ok(Message::Close(_)))
    ));
    let again = tokio::time::timeout(Duration::from_millis(100), listener.accept()).await;
    assert!(again.is_err(), "nobody dials");
}
