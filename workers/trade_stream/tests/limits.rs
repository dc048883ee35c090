//! What one client may cost the others.

mod common;

use std::time::Duration;

use common::alpaca::Alpaca;
use common::{Client, Stream, code, soon};
use futures_util::StreamExt;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error, Message};
use ws_listener::Tokens;

/// The status and body that a connection is refused with.
async fn refused(url: &str, header: Option<&str>) -> Option<(u16, String)> {
    let mut request = url.into_client_request().expect("an address");
    if let Some(header) = header {
        let value = header.parse().expect("a header");
        request.headers_mut().insert("Authorization", value);
    }
    match tokio_tungstenite::connect_async(request).await {
        Ok(_) => None,
        Err(Error::Http(answer)) => {
            let body = answer.body().clone().unwrap_or_default();
            Some((
                answer.status().as_u16(),
                String::from_utf8_lossy(&body).into_owned(),
            ))
        }
        Err(other) => panic!("{other}"),
    }
}

#[tokio::test]
async fn with_tokens_only_those_who_have_one_may_connect() {
    let alpaca = Alpaca::start().await;
    let stream = Stream::with(alpaca.address, |settings| {
        settings.door.tokens = Tokens::parse("open-sesame");
    })
    .await;
    let url = format!("ws://{}/", stream.address);
    let (status, why) = refused(&url, None).await.expect("refused");
    assert_eq!(status, 401);
    assert!(why.contains("?token=TOKEN"), "{why}");
    assert!(refused(&url, Some("Bearer wrong")).await.is_some());
    assert_eq!(refused(&url, Some("Bearer open-sesame")).await, None);
    assert_eq!(refused(&format!("{url}?token=open-sesame"), None).await, None);
}

#[tokio::test]
async fn one_address_has_its_share_of_places() {
    let alpaca = Alpaca::start().await;
    let stream = Stream::with(alpaca.address, |settings| settings.places.per_ip = Some(1)).await;
    let _first = stream.client().await;
    let (status, why) = refused(&format!("ws://{}/", stream.address), None)
        .await
        .expect("refused");
    assert_eq!(
        (status, why.trim_end()),
        (
            503,
            "all 1 places of 127.0.0.1 are taken: close a connection first"
        )
    );
}

#[tokio::test]
async fn there_are_so_many_places_in_total_and_one_that_is_left_is_free() {
    let alpaca = Alpaca::start().await;
    let stream = Stream::with(alpaca.address, |settings| settings.places.total = 2).await;
    let (_first, second) = (stream.client().await, stream.client().await);
    let url = format!("ws://{}/", stream.address);
    let (status, why) = refused(&url, None).await.expect("refused");
    assert_eq!(
        (status, why.trim_end()),
        (503, "all 2 places are taken: try again later")
    );
    drop(second);
    let free = async { while refused(&url, None).await.is_some() {} };
    soon("free again", free).await;
}

#[tokio::test]
async fn a_client_has_its_share_of_symbols() {
    let alpaca = Alpaca::start().await;
    let stream = Stream::with(alpaca.address, |settings| settings.max_symbols = 2).await;
    let mut client = stream.client().await;
    let refusal = client
        .ask(r#"{"action":"subscribe","symbols":["A","B","C"]}"#)
        .await;
    assert_eq!(refusal["message"], "a client may have 2 symbols at most");
    client.ask(r#"{"action":"subscribe","symbols":["A","B"]}"#).await;
    assert!(
        client
            .hear_all()
            .await
            .iter()
            .all(|message| message["type"] != "error")
    );
    let again = client.ask(r#"{"action":"subscribe","symbols":["A"]}"#).await;
    assert_ne!(again["type"], "error", "it has that one");
}

#[tokio::test]
async fn who_asks_too_fast_waits_and_loses_nothing() {
    let alpaca = Alpaca::start().await;
    let stream = Stream::with(alpaca.address, |settings| settings.requests_per_s = 20).await;
    let mut client = stream.client().await;
    let started = std::time::Instant::now();
    for _ in 0..205 {
        client.say(r#"{"action":"ping"}"#).await;
    }
    for _ in 0..205 {
        assert_eq!(client.hear().await["type"], "pong");
    }
    assert!(
        started.elapsed() >= Duration::from_millis(200),
        "{:?}",
        started.elapsed()
    );
}

#[tokio::test]
async fn silent_clients_are_pinged_and_the_gone_are_closed() {
    // A machine with other work may be too slow for an answer to come in time.
    for ping in [30, 300] {
        let tried = tokio::spawn(silence(Duration::from_millis(ping)));
        if tried.await.is_ok() {
            return;
        }
    }
    silence(Duration::from_secs(3)).await;
}

async fn silence(ping: Duration) {
    let alpaca = Alpaca::start().await;
    let stream = Stream::with(alpaca.address, |settings| settings.ping = ping).await;
    let mut there = stream.client().await;
    let first = soon("a ping", there.0.next()).await;
    assert!(matches!(first, Some(Ok(Message::Ping(_)))));
    // A client that never looks at its socket, and so never answers.
    let gone = TcpStream::connect(stream.address).await.expect("connected");
    let handshake = tokio_tungstenite::client_async(format!("ws://{}/", stream.address), gone);
    let (gone, _) = soon("handshake", handshake).await.expect("accepted");
    let watching = tokio::time::timeout(ping * 13, async {
        loop {
            assert!(
                matches!(there.0.next().await, Some(Ok(Message::Ping(_)))),
                "answering keeps it open"
            );
        }
    });
    assert!(watching.await.is_err());
    let mut gone = Client(gone);
    let close = gone.expect_close().await;
    assert_eq!((code(&close), close.reason.as_str()), (1011, "no answer to ping"));
    assert_eq!(there.ask(r#"{"action":"ping"}"#).await["type"], "pong");
}
