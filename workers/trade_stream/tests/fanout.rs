//! Who gets which trades, and what a slow client costs the others: nothing.

mod common;

use std::time::Duration;

use common::alpaca::{Alpaca, trade};
use common::{Client, Stream, code, soon};
use futures_util::StreamExt;
use serde_json::{Value, json};
use trade_stream::Slow;

#[tokio::test]
async fn each_client_gets_its_own_symbols_only() {
    let alpaca = Alpaca::start().await;
    let stream = Stream::start(alpaca.address).await;
    let (mut first, mut second, mut idle) = tokio::join!(stream.client(), stream.client(), stream.client());
    first.subscribe(&alpaca, "AAPL").await;
    second.subscribe(&alpaca, "AAPL").await;
    second.subscribe(&alpaca, "TSLA").await;
    alpaca.send(json!([trade("AAPL", 1), trade("TSLA", 2), trade("NVDA", 3)]));
    let symbols = |heard: Vec<Value>| -> Vec<String> {
        heard
            .iter()
            .map(|trade| trade["symbol"].as_str().expect("a trade").to_owned())
            .collect()
    };
    assert_eq!(second.hear().await["symbol"], "AAPL");
    assert_eq!(second.hear().await["symbol"], "TSLA");
    assert_eq!(symbols(first.hear_all().await), ["AAPL"]);
    assert_eq!(symbols(second.hear_all().await), [""; 0]);
    assert_eq!(symbols(idle.hear_all().await), [""; 0]);
}

#[tokio::test]
async fn the_upstream_carries_a_symbol_once_and_drops_it_after_the_linger() {
    let alpaca = Alpaca::start().await;
    let stream = Stream::with(alpaca.address, |settings| {
        settings.linger = Duration::from_millis(50);
    })
    .await;
    let (mut first, mut second) = tokio::join!(stream.client(), stream.client());
    first.subscribe(&alpaca, "AAPL").await;
    second.subscribe(&alpaca, "AAPL").await;
    second.subscribe(&alpaca, "TSLA").await;
    first.ask(r#"{"action":"unsubscribe","symbol":"AAPL"}"#).await;
    alpaca.send(json!([trade("AAPL", 1)]));
    assert_eq!(second.hear().await["symbol"], "AAPL", "the second still wants it");
    drop(second);
    alpaca.subscribed(&[]).await;
    first.subscribe(&alpaca, "AAPL").await;
    assert_eq!(alpaca.seen().connections, 1, "one connection for all of it");
}

/// Sends bursts until `is_enough`, so that a client that reads nothing falls behind for sure: the
/// kernel swallows some megabytes first.
async fn flood(alpaca: &Alpaca, lively: &mut Client, bursts: u64) {
    for burst in 0..bursts {
        let trades: Vec<Value> = (0..100)
            .map(|number| trade("AAPL", burst * 100 + number))
            .collect();
        alpaca.send(Value::Array(trades));
        for _ in 0..100 {
            assert_eq!(
                lively.hear().await["type"],
                "trade",
                "the lively client loses nothing"
            );
        }
    }
}

#[tokio::test]
async fn a_slow_client_holds_up_nobody_and_is_told_what_it_missed() {
    let alpaca = Alpaca::start().await;
    let stream = Stream::with(alpaca.address, |settings| settings.limits.bytes = 32 * 1024).await;
    let (mut lively, mut slow) = tokio::join!(stream.client(), Client::narrow(stream.address));
    lively.subscribe(&alpaca, "AAPL").await;
    slow.subscribe(&alpaca, "AAPL").await;
    let bursts = 50;
    flood(&alpaca, &mut lively, bursts).await;

    let (mut trades, mut missed) = (0, 0);
    while trades + missed < bursts * 100 {
        let message = slow.hear().await;
        match message["type"].as_str() {
            Some("trade") => trades += 1,
            Some("gap") => {
                assert_eq!(message["symbol"], "AAPL");
                assert_eq!(message["from"].as_u64(), Some(trades + missed + 1), "{message}");
                missed += message["missed"].as_u64().expect("a number");
                assert_eq!(message["to"].as_u64(), Some(trades + missed), "{message}");
            }
            other => panic!("{other:?}"),
        }
    }
    assert!(missed > 0, "the flood was too small to fill the kernel's buffers");
    assert_eq!(
        trades + missed,
        bursts * 100,
        "every trade was delivered or told as missed"
    );
}

#[tokio::test]
async fn the_other_policy_closes_a_slow_client_with_a_reason() {
    let alpaca = Alpaca::start().await;
    let stream = Stream::with(alpaca.address, |settings| {
        settings.limits.bytes = 32 * 1024;
        settings.limits.slow = Slow::Close;
    })
    .await;
    let (mut lively, mut slow) = tokio::join!(stream.client(), Client::narrow(stream.address));
    lively.subscribe(&alpaca, "AAPL").await;
    slow.subscribe(&alpaca, "AAPL").await;
    flood(&alpaca, &mut lively, 50).await;
    let close = slow.expect_close().await;
    assert_eq!(
        (code(&close), close.reason.as_str()),
        (1008, "too slow: over 32768 bytes or 10000 trades waited")
    );
    assert!(soon("the end", slow.0.next()).await.is_none());
    assert!(lively.hear_all().await.is_empty());
    let health = lively.ask(r#"{"action":"health"}"#).await;
    assert_eq!(health["figures"]["slow_closed"], 1, "{health}");
}

#[tokio::test]
async fn conflated_a_slow_client_has_the_newest_and_is_told_of_the_rest() {
    let alpaca = Alpaca::start().await;
    let stream = Stream::with(alpaca.address, |settings| {
        settings.limits.bytes = 32 * 1024;
        settings.limits.slow = Slow::Conflate;
    })
    .await;
    let (mut lively, mut slow) = tokio::join!(stream.client(), Client::narrow(stream.address));
    lively.subscribe(&alpaca, "AAPL").await;
    slow.subscribe(&alpaca, "AAPL").await;
    let bursts = 50;
    flood(&alpaca, &mut lively, bursts).await;
    let waiting = lively.ask(r#"{"action":"health"}"#).await["figures"]["queue_bytes"].clone();
    assert!(waiting.as_u64() < Some(40 * 1024), "{waiting} bytes wait");

    let (mut next, mut missed) = (1, 0);
    while next <= bursts * 100 {
        let message = slow.hear().await;
        match message["type"].as_str() {
            Some("trade") => assert_eq!(message["seq"], next, "in order, and the newest is among them"),
            Some("gap") => {
                assert_eq!(message["from"], next, "{message}");
                missed += message["missed"].as_u64().expect("a number");
                next = message["to"].as_u64().expect("a number");
            }
            other => panic!("{other:?}"),
        }
        next += 1;
    }
    let dropped = lively.ask(r#"{"action":"health"}"#).await["figures"]["missed"].clone();
    assert!(
        missed > 0 && dropped == missed,
        "{dropped} of which it was told {missed}"
    );
}
