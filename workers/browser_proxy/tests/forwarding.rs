//! What passes through the proxy, and how each side learns that the other has gone.

mod common;

use std::time::Duration;

use common::{LONG, Proxy, backend_side, chain, expect_close, listen, soon};
use futures_util::{SinkExt, StreamExt};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;

fn close_frame(code: u16, reason: &str) -> CloseFrame {
    CloseFrame {
        code: code.into(),
        reason: reason.into(),
    }
}

#[tokio::test]
async fn messages_and_pings_pass_both_ways_unchanged() {
    let (mut browser, mut backend, _proxy) = chain().await;
    let large = "x".repeat(300_000);
    for message in [
        Message::text(r#"{"action":"subscribe","symbol":"AAPL"}"#),
        Message::text(large),
        Message::binary(vec![0, 1, 2]),
        Message::text(""),
    ] {
        let (sent, received) = tokio::join!(browser.send(message.clone()), backend.next());
        sent.expect("sent");
        assert_eq!(received.expect("open").expect("received"), message);
        let (sent, received) = tokio::join!(backend.send(message.clone()), browser.next());
        sent.expect("sent");
        assert_eq!(received.expect("open").expect("received"), message);
    }
    browser
        .send(Message::Ping("are you there".into()))
        .await
        .expect("sent");
    let ping = soon("ping", backend.next())
        .await
        .expect("open")
        .expect("received");
    assert_eq!(ping, Message::Ping("are you there".into()));
    backend.flush().await.expect("the pong is sent");
    let pong = soon("pong", browser.next())
        .await
        .expect("open")
        .expect("received");
    assert_eq!(pong, Message::Pong("are you there".into()));
}

#[tokio::test]
async fn the_browsers_close_reaches_the_backend_and_the_answer_comes_back() {
    let (mut browser, mut backend, _proxy) = chain().await;
    browser
        .close(Some(close_frame(4001, "tab closed")))
        .await
        .expect("sent");
    assert_eq!(
        expect_close(&mut backend).await,
        Some(close_frame(4001, "tab closed"))
    );
    assert!(
        soon("backend's end", backend.next()).await.is_none(),
        "the echo is sent, the end reached"
    );
    assert_eq!(
        expect_close(&mut browser).await,
        Some(close_frame(4001, "tab closed"))
    );
}

#[tokio::test]
async fn the_backends_close_reaches_the_browser() {
    let (mut browser, mut backend, _proxy) = chain().await;
    backend
        .close(Some(close_frame(1008, "too slow")))
        .await
        .expect("sent");
    assert_eq!(
        expect_close(&mut browser).await,
        Some(close_frame(1008, "too slow"))
    );
    let (answer, _) = tokio::join!(expect_close(&mut backend), browser.flush());
    assert_eq!(answer, Some(close_frame(1008, "too slow")));
    drop(backend);
    assert!(soon("browser's end", browser.next()).await.is_none());
}

#[tokio::test]
async fn a_browser_that_vanishes_closes_its_backend_connection() {
    let (browser, mut backend, _proxy) = chain().await;
    drop(browser);
    assert_eq!(
        expect_close(&mut backend).await,
        Some(close_frame(1001, "the browser went away"))
    );
}

#[tokio::test]
async fn what_a_browser_says_before_the_backend_is_up_arrives_when_it_is() {
    let (listener, address) = listen().await;
    drop(listener);
    let proxy = Proxy::start(address, LONG).await;
    let mut browser = proxy.browser().await;
    browser.send(Message::text("early")).await.expect("sent");
    let listener = tokio::net::TcpListener::bind(address)
        .await
        .expect("the same port");
    let mut backend = backend_side(&listener).await;
    let early = soon("early message", backend.next())
        .await
        .expect("open")
        .expect("received");
    assert_eq!(early, Message::text("early"));
}

#[tokio::test]
async fn a_backend_that_never_comes_up_closes_the_browser_with_1013() {
    let (listener, address) = listen().await;
    drop(listener);
    let proxy = Proxy::start(address, Duration::from_millis(60)).await;
    let mut browser = proxy.browser().await;
    let close = expect_close(&mut browser).await.expect("a code");
    assert_eq!(u16::from(close.code), 1013);
    assert_eq!(
        close.reason.as_str(),
        format!("the backend ws://{address} is not up: try again")
    );
}

#[tokio::test]
async fn a_browser_that_leaves_while_waiting_is_not_waited_for() {
    let (listener, address) = listen().await;
    drop(listener);
    let proxy = Proxy::start(address, Duration::from_secs(60)).await;
    let mut browser = proxy.browser().await;
    browser.close(None).await.expect("sent");
    let closed = soon("answer to Close", browser.next()).await;
    assert!(matches!(closed, Some(Ok(Message::Close(_)))), "{closed:?}");
    drop(browser);
    drop(proxy.stop);
    soon("the proxy ends", proxy.ended).await.expect("no panic");
}

#[tokio::test]
async fn a_browser_that_reads_nothing_holds_up_only_itself() {
    let (listener, address) = listen().await;
    let proxy = Proxy::start(address, LONG).await;
    let (stuck, stuck_backend) = tokio::join!(proxy.browser(), backend_side(&listener));
    let (mut lively, mut lively_backend) = tokio::join!(proxy.browser(), backend_side(&listener));
    let flood = tokio::spawn(async move {
        let (mut trades, mut requests) = stuck_backend.split();
        let megabyte = Message::binary(vec![0; 1 << 20]);
        loop {
            tokio::select! {
                sent = trades.send(megabyte.clone()) => if sent.is_err() { return },
                _closed = requests.next() => return,
            }
        }
    });
    for number in 0..50 {
        let message = Message::text(number.to_string());
        lively_backend.send(message.clone()).await.expect("sent");
        assert_eq!(
            soon("trade", lively.next())
                .await
                .expect("open")
                .expect("received"),
            message
        );
    }
    assert!(
        !flood.is_finished(),
        "the flood waits for its own browser, it does not fail"
    );
    drop(stuck);
    soon("the flood's connection is closed", flood)
        .await
        .expect("no panic");
}

#[tokio::test]
async fn stopping_closes_both_sides_with_1001() {
    let (mut browser, mut backend, proxy) = chain().await;
    drop(proxy.stop);
    let expected = close_frame(1001, "browser-proxy is stopping");
    assert_eq!(expect_close(&mut browser).await, Some(expected.clone()));
    assert_eq!(expect_close(&mut backend).await, Some(expected));
    let _ = tokio::join!(browser.next(), backend.next());
    drop((browser, backend));
    soon("the proxy ends", proxy.ended).await.expect("no panic");
}

#[tokio::test]
async fn a_visitor_that_says_nothing_does_not_delay_the_end() {
    // The best of some, which no stumble of a busy machine decides.
    let mut delays = Vec::new();
    for _ in 0..5 {
        let (_, absent) = listen().await;
        let proxy = Proxy::start(absent, LONG).await;
        let silent = tokio::net::TcpStream::connect(proxy.address)
            .await
            .expect("connects");
        let started = std::time::Instant::now();
        drop(proxy.stop);
        soon("the proxy ends", proxy.ended).await.expect("no panic");
        delays.push(started.elapsed());
        drop(silent);
        if delays.last() < Some(&Duration::from_secs(2)) {
            return;
        }
    }
    panic!("it waits for the visitor: {delays:?}");
}
