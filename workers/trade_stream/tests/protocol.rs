//! Every message of the contract's §3, compared to the letter.

mod common;

use common::alpaca::{Alpaca, trade};
use common::{Stream, code};
use futures_util::SinkExt;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_tungstenite::tungstenite::Message;

const SUBSCRIBE: &str = r#"{"action":"subscribe","symbol":"aapl"}"#;

#[tokio::test]
async fn a_subscription_connects_delivers_and_ends() {
    let alpaca = Alpaca::start().await;
    let stream = Stream::start(alpaca.address).await;
    let mut client = stream.client().await;
    assert_eq!(alpaca.seen().connections, 0, "the upstream is connected lazily");

    let connecting = client.ask(SUBSCRIBE).await;
    assert_eq!(connecting["type"], "connecting");
    assert_eq!(connecting["symbol"], "AAPL");
    assert!(connecting["message"].is_string());
    let subscribed = client.hear().await;
    let epoch = &subscribed["epoch"];
    assert!(epoch.is_string(), "{subscribed}");
    assert_eq!(
        subscribed,
        json!({"type":"subscribed","symbol":"AAPL","message":"Subscribed to AAPL trades","epoch":epoch,"seq":0})
    );
    alpaca.subscribed(&["AAPL"]).await;

    alpaca.send(json!([trade("AAPL", 1)]));
    assert_eq!(
        client.hear().await,
        json!({"type":"trade","symbol":"AAPL","data":{
            "timestamp":"2025-12-14T10:30:45.123456789Z","price":150.25,"size":100,
            "exchange":"IEX","conditions":["@","I"]},"seq":1})
    );
    let subscribed = client.ask(r#"{"action":"subscribe","symbols":["TSLA"]}"#).await;
    assert_eq!(subscribed["type"], "subscribed", "no `connecting` once connected");
    assert_eq!(subscribed["message"], "Subscribed to TSLA trades");
    assert_eq!(
        client.ask(r#"{"action":"unsubscribe","symbol":"Aapl"}"#).await,
        json!({"type":"unsubscribed","symbol":"AAPL","message":"Unsubscribed from AAPL trades"})
    );
    alpaca.send(json!([trade("AAPL", 2)]));
    assert_eq!(
        client.hear_all().await,
        [Value::Null; 0],
        "no trade after `unsubscribed`"
    );
}

#[tokio::test]
async fn ping_is_answered_with_the_upstreams_state() {
    let alpaca = Alpaca::start().await;
    let stream = Stream::start(alpaca.address).await;
    let mut client = stream.client().await;
    let ping = r#"{"action":"ping"}"#;
    assert_eq!(
        client.ask(ping).await,
        json!({"type":"pong","alpaca_connected":false})
    );
    client.subscribe(&alpaca, "AAPL").await;
    assert_eq!(
        client.ask(ping).await,
        json!({"type":"pong","alpaca_connected":true})
    );
}

/// Leaves what clients of the first version read.
fn keep_contract(health: &mut serde_json::Value) {
    const ADDED: [&str; 12] = [
        "state",
        "sentence",
        "expected_every_s",
        "alarm_after_s",
        "round_trip_ms",
        "flapping",
        "quarantined",
        "orders_state",
        "latency",
        "bars_per_minute",
        "last_bar_age_s",
        "uptime_percent",
    ];
    let object = health.as_object_mut().expect("an object");
    for name in ADDED {
        assert!(object.remove(name).is_some(), "{name}");
    }
    let first = [
        "trades_in",
        "trades_out",
        "missed",
        "gaps_upstream",
        "gaps_overrun",
        "gaps_history",
        "replays",
        "queue_bytes",
    ];
    let figures = object["figures"].as_object_mut().expect("an object");
    figures.retain(|name, _| first.contains(&name.as_str()));
}

#[tokio::test]
async fn health_before_the_first_subscription() {
    let alpaca = Alpaca::start().await;
    let stream = Stream::start(alpaca.address).await;
    let mut client = stream.client().await;
    let mut health = client.ask(r#"{"action":"health"}"#).await;
    assert_eq!(
        (&health["state"], &health["flapping"]),
        (&json!("IDLE"), &json!(false))
    );
    keep_contract(&mut health);
    assert_eq!(
        health,
        json!({"type":"health","alpaca_connected":false,"active_symbols":[],"total_clients":1,
            "alpaca_task_status":"not_started","alpaca_subscribed":[],"last_data_received":null,
            "connection_established_at":null,"healthy":true,"reason":null,"silence_s":null,
            "market":"unknown","reconnects":0,"feed":"iex","trades_per_minute":0,
            "figures":{"trades_in":0,"trades_out":0,"missed":0,"gaps_upstream":0,"gaps_overrun":0,
                "gaps_history":0,"replays":0,"queue_bytes":0}})
    );
}

#[tokio::test]
async fn health_of_a_running_stream() {
    let alpaca = Alpaca::start().await;
    let stream = Stream::start(alpaca.address).await;
    let mut client = stream.client().await;
    let _second = stream.client().await;
    client.subscribe(&alpaca, "TSLA").await;
    client.subscribe(&alpaca, "AAPL").await;
    alpaca.send(json!([trade("AAPL", 1), trade("TSLA", 2)]));
    client.hear().await;
    client.hear().await;

    let mut health = client.ask(r#"{"action":"health"}"#).await;
    for field in ["last_data_received", "connection_established_at"] {
        let instant = health[field].take();
        let instant = instant.as_str().unwrap_or_else(|| panic!("{field}: {instant}"));
        assert!(
            instant.starts_with("20") && instant.ends_with('Z'),
            "{field}: {instant}"
        );
    }
    let market = health["market"].take();
    assert!(
        market == "open" || market == "closed",
        "a session knows its market: {market}"
    );
    let silence = health["silence_s"].take();
    assert!(
        (0.0..5.0).contains(&silence.as_f64().expect("a number")),
        "{silence}"
    );
    let latency = &health["latency"];
    assert!(
        latency["inside_p50_ms"].is_number() && latency["feed_p99_ms"].is_number(),
        "{health}"
    );
    keep_contract(&mut health);
    assert_eq!(
        health,
        json!({"type":"health","alpaca_connected":true,"active_symbols":["AAPL","TSLA"],"total_clients":2,
            "alpaca_task_status":"running","alpaca_subscribed":["AAPL","TSLA"],"last_data_received":null,
            "connection_established_at":null,"healthy":true,"reason":null,"silence_s":null,
            "market":null,"reconnects":0,"feed":"iex","trades_per_minute":2,
            "figures":{"trades_in":2,"trades_out":2,"missed":0,"gaps_upstream":0,"gaps_overrun":0,
                "gaps_history":0,"replays":0,"queue_bytes":0}})
    );
}

#[tokio::test]
async fn reconnect_is_answered_and_done_and_subscriptions_are_kept() {
    let alpaca = Alpaca::start().await;
    let stream = Stream::start(alpaca.address).await;
    let mut client = stream.client().await;
    client.subscribe(&alpaca, "AAPL").await;
    let answer = client.ask(r#"{"action":"reconnect"}"#).await;
    assert_eq!(answer["type"], "reconnect_initiated");
    assert!(answer["message"].is_string());
    alpaca
        .saw("a second connection with AAPL", |seen| {
            seen.connections == 2 && seen.trades.contains("AAPL")
        })
        .await;
    alpaca.send(json!([trade("AAPL", 3)]));
    assert_eq!(client.hear().await["reason"], "upstream", "a gap is told first");
    assert_eq!(client.hear().await["type"], "trade");
}

#[tokio::test]
async fn what_cannot_be_used_is_a_bad_request_and_the_connection_stays_open() {
    let alpaca = Alpaca::start().await;
    let stream = Stream::start(alpaca.address).await;
    let mut client = stream.client().await;
    for text in [
        "",
        "hello",
        "[]",
        "{}",
        r#"{"action":"buy"}"#,
        r#"{"action":"subscribe"}"#,
        r#"{"action":"subscribe","symbol":"A B"}"#,
        r#"{"action":"subscribe","symbols":[]}"#,
    ] {
        let answer = client.ask(text).await;
        assert_eq!(
            (&answer["type"], &answer["code"]),
            (&json!("error"), &json!("bad_request")),
            "{text}"
        );
        assert!(answer["message"].is_string(), "{text}");
    }
    client
        .0
        .send(Message::binary(b"{}".to_vec()))
        .await
        .expect("sent");
    assert_eq!(client.hear().await["code"], "bad_request");
    assert_eq!(client.ask(r#"{"action":"ping"}"#).await["type"], "pong");
}

#[tokio::test]
async fn a_message_without_end_closes_with_1009() {
    let alpaca = Alpaca::start().await;
    let stream = Stream::start(alpaca.address).await;
    let mut client = stream.client().await;
    client.say(&"x".repeat(100_000)).await;
    assert_eq!(code(&client.expect_close().await), 1009);
}

#[tokio::test]
async fn a_symbol_that_alpaca_refuses_is_told_to_those_who_wanted_it() {
    let alpaca = Alpaca::start().await;
    let stream = Stream::start(alpaca.address).await;
    let mut client = stream.client().await;
    client.subscribe(&alpaca, "AAPL").await;
    client.ask(r#"{"action":"subscribe","symbol":"REFUSED"}"#).await;
    let refusal = client.hear().await;
    assert_eq!(
        (&refusal["type"], &refusal["code"]),
        (&json!("error"), &json!("refused")),
        "{refusal}"
    );
    let message = refusal["message"].as_str().expect("a sentence");
    assert!(message.starts_with("Alpaca refused REFUSED: "), "{message}");
    alpaca.send(json!([trade("AAPL", 1)]));
    assert_eq!(
        client.hear().await["symbol"],
        "AAPL",
        "the others are not affected"
    );
    let health = client.ask(r#"{"action":"health"}"#).await;
    assert_eq!(health["active_symbols"], json!(["AAPL"]));
}

#[tokio::test]
async fn metrics_are_told_to_plain_http_in_prometheus_text() {
    let alpaca = Alpaca::start().await;
    let stream = Stream::start(alpaca.address).await;
    let mut client = stream.client().await;
    client.subscribe(&alpaca, "AAPL").await;
    alpaca.send(json!([trade("AAPL", 1)]));
    client.hear().await;
    let mut http = tokio::net::TcpStream::connect(stream.address)
        .await
        .expect("connected");
    http.write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .await
        .expect("sent");
    let mut answer = String::new();
    http.read_to_string(&mut answer).await.expect("answered");
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    for line in [
        "trade_stream_clients 1",
        "trade_stream_trades_in_total 1",
        "trade_stream_trades_out_total 1",
        "trade_stream_upstream_connected 1",
        "trade_stream_gaps_total{reason=\"upstream\"} 0",
    ] {
        assert!(answer.lines().any(|one| one == line), "{line}: {answer}");
    }
}
