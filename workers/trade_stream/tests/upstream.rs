//! What clients notice of the upstream's troubles.

mod common;

use std::time::Duration;

use common::alpaca::{Alpaca, Manner, trade};
use common::{Stream, code, soon};
use futures_util::StreamExt;
use serde_json::json;

#[tokio::test]
async fn after_a_lost_connection_trades_come_again_by_themselves() {
    let alpaca = Alpaca::start().await;
    let stream = Stream::start(alpaca.address).await;
    let mut client = stream.client().await;
    client.subscribe(&alpaca, "AAPL").await;
    alpaca.cut();
    alpaca
        .saw("a second connection with AAPL", |seen| {
            seen.connections == 2 && seen.trades.contains("AAPL")
        })
        .await;
    alpaca.send(json!([trade("AAPL", 1)]));
    assert_eq!(client.hear().await["type"], "gap");
    assert_eq!(client.hear().await["type"], "trade");
    let health = client.ask(r#"{"action":"health"}"#).await;
    assert_eq!(
        (&health["reconnects"], &health["healthy"]),
        (&json!(1), &json!(true)),
        "{health}"
    );
}

#[tokio::test]
async fn an_upstream_that_is_down_is_told_and_unhealthy_after_the_grace() {
    // Bound, so that nobody else has it, and nobody listens.
    let absent = tokio::net::TcpSocket::new_v4().expect("a socket");
    absent.bind(([127, 0, 0, 1], 0).into()).expect("a free port");
    let address = absent.local_addr().expect("bound");
    let stream = Stream::with(address, |settings| settings.grace = Duration::ZERO).await;
    let mut client = stream.client().await;
    assert_eq!(
        client.ask(r#"{"action":"subscribe","symbol":"AAPL"}"#).await["type"],
        "connecting"
    );
    assert_eq!(client.hear().await["type"], "subscribed");
    let health = client.ask(r#"{"action":"health"}"#).await;
    assert_eq!(health["healthy"], false, "{health}");
    assert_eq!(health["alpaca_task_status"], "connecting", "{health}");
    let reason = health["reason"].as_str().expect("a reason");
    let lasts = reason.strip_prefix("no upstream connection for ");
    let lasts = lasts.and_then(|rest| rest.split_once(" s, 1 symbol waits: "));
    assert!(
        lasts.is_some_and(|(lasts, _)| lasts.parse::<u64>().is_ok()),
        "{reason}"
    );
}

#[tokio::test]
async fn refused_credentials_end_the_stream_after_telling_the_clients() {
    let alpaca = Alpaca::with(Manner {
        auth: 402,
        refuse: "",
    })
    .await;
    let stream = Stream::start(alpaca.address).await;
    let mut client = stream.client().await;
    client.ask(r#"{"action":"subscribe","symbol":"AAPL"}"#).await;
    client.hear().await;
    let error = client.hear().await;
    assert_eq!(
        (&error["type"], &error["code"]),
        (&json!("error"), &json!("upstream_refused")),
        "{error}"
    );
    assert_eq!(code(&client.expect_close().await), 1011);
    drop(client);
    let fatal = soon("the end", stream.ended)
        .await
        .expect("no panic")
        .expect_err("fatal");
    assert_eq!(fatal.code, 402);
    assert_eq!(alpaca.seen().connections, 1, "no second attempt");
}

#[tokio::test]
async fn stopping_closes_clients_and_the_upstream_cleanly() {
    let alpaca = Alpaca::start().await;
    let stream = Stream::start(alpaca.address).await;
    let mut client = stream.client().await;
    client.subscribe(&alpaca, "AAPL").await;
    drop(stream.stop);
    let close = client.expect_close().await;
    assert_eq!(
        (code(&close), close.reason.as_str()),
        (1001, "trade-stream is stopping")
    );
    assert!(soon("the end", client.0.next()).await.is_none());
    soon("the stream ends", stream.ended)
        .await
        .expect("no panic")
        .expect("not fatal");
    alpaca.saw("a Close frame", |seen| seen.closed_cleanly).await;
}
