//! No trade is lost unnoticed: numbers, replays, gaps, heartbeats.

mod common;

use std::time::Duration;

use common::alpaca::{Alpaca, trade};
use common::{Client, Stream};
use serde_json::{Value, json};

fn numbers(heard: &[Value]) -> Vec<u64> {
    let trades = heard.iter().filter(|message| message["type"] == "trade");
    trades
        .map(|trade| trade["seq"].as_u64().expect("a number"))
        .collect()
}

async fn subscribe_since(client: &mut Client, epoch: &Value, seq: u64) -> Value {
    let since = json!({"action":"subscribe","symbol":"AAPL","since":{"epoch":epoch,"seq":seq}});
    client.ask(&since.to_string()).await
}

#[tokio::test]
async fn a_client_that_comes_back_gets_what_it_missed() {
    let alpaca = Alpaca::start().await;
    let stream = Stream::start(alpaca.address).await;
    let (mut there, mut away) = tokio::join!(stream.client(), stream.client());
    there.subscribe(&alpaca, "AAPL").await;
    let epoch = away.ask(r#"{"action":"subscribe","symbol":"AAPL"}"#).await["epoch"].take();
    alpaca.send(json!([trade("AAPL", 1), trade("AAPL", 2)]));
    away.hear().await;
    drop(away);
    alpaca.send(json!([trade("AAPL", 3), trade("AAPL", 4)]));
    for _ in 0..4 {
        there.hear().await;
    }

    let mut back = stream.client().await;
    let subscribed = subscribe_since(&mut back, &epoch, 1).await;
    assert_eq!(
        (&subscribed["recovered"], &subscribed["seq"]),
        (&json!(true), &json!(4)),
        "{subscribed}"
    );
    alpaca.send(json!([trade("AAPL", 5)]));
    there.hear().await;
    assert_eq!(numbers(&back.hear_all().await), [2, 3, 4, 5]);
}

#[tokio::test]
async fn a_client_of_an_earlier_backend_is_told_that_there_is_a_gap() {
    let alpaca = Alpaca::start().await;
    let stream = Stream::start(alpaca.address).await;
    let mut client = stream.client().await;
    client.subscribe(&alpaca, "AAPL").await;
    let subscribed = subscribe_since(&mut client, &json!("of another life.1"), 7).await;
    assert_eq!(subscribed["recovered"], false);
    assert_eq!(
        client.hear().await,
        json!({"type":"gap","symbol":"AAPL","from":null,"to":null,"missed":null,"reason":"history"})
    );
}

#[tokio::test]
async fn what_is_no_longer_kept_is_told_by_its_numbers() {
    let alpaca = Alpaca::start().await;
    let stream = Stream::with(alpaca.address, |settings| settings.retention.trades = 2).await;
    let mut client = stream.client().await;
    let epoch = {
        client.ask(r#"{"action":"subscribe","symbol":"AAPL"}"#).await;
        client.hear().await["epoch"].take()
    };
    alpaca.subscribed(&["AAPL"]).await;
    for id in 1..=5 {
        alpaca.send(json!([trade("AAPL", id)]));
        client.hear().await;
    }
    let subscribed = subscribe_since(&mut client, &epoch, 1).await;
    assert_eq!(subscribed["recovered"], false);
    assert_eq!(
        client.hear_all().await,
        [json!({"type":"gap","symbol":"AAPL","from":2,"to":5,"missed":4,"reason":"history"})],
        "all or nothing"
    );
}

#[tokio::test]
async fn an_upstream_loss_is_a_gap_in_the_place_of_the_trades_also_for_who_comes_later() {
    let alpaca = Alpaca::start().await;
    let stream = Stream::start(alpaca.address).await;
    let mut client = stream.client().await;
    client.ask(r#"{"action":"subscribe","symbol":"AAPL"}"#).await;
    let epoch = client.hear().await["epoch"].take();
    alpaca.subscribed(&["AAPL"]).await;
    alpaca.send(json!([trade("AAPL", 1)]));
    assert_eq!(client.hear().await["seq"], 1);
    alpaca.cut();
    let gap = client.hear().await;
    assert_eq!(
        (&gap["type"], &gap["reason"], &gap["seq"], &gap["missed"]),
        (&json!("gap"), &json!("upstream"), &json!(2), &Value::Null),
        "{gap}"
    );
    let (since, until) = (gap["since"].as_str(), gap["until"].as_str());
    assert!(since.is_some() && since < until, "{gap}");
    alpaca.send(json!([trade("AAPL", 9)]));
    assert_eq!(client.hear().await["seq"], 3);

    let mut later = stream.client().await;
    assert_eq!(subscribe_since(&mut later, &epoch, 1).await["recovered"], true);
    assert_eq!(later.hear().await, gap);
    assert_eq!(later.hear().await["seq"], 3);
}

#[tokio::test]
async fn heartbeats_tell_the_upstreams_state_to_those_who_asked() {
    let alpaca = Alpaca::start().await;
    let stream = Stream::with(alpaca.address, |settings| {
        settings.heartbeat = Duration::from_millis(20);
    })
    .await;
    let (mut asked, mut plain) = tokio::join!(stream.client(), stream.client());
    let idle = json!({"type":"heartbeat","alpaca_connected":false,"state":"IDLE","silence_s":null});
    assert_eq!(asked.ask(r#"{"action":"heartbeat"}"#).await, idle, "at once");
    assert_eq!(asked.hear().await, idle, "again, without a question");
    plain.subscribe(&alpaca, "AAPL").await;
    loop {
        let heartbeat = asked.hear().await;
        if heartbeat["alpaca_connected"] == true {
            assert!(heartbeat["silence_s"].is_number(), "{heartbeat}");
            break;
        }
    }
    assert_eq!(plain.hear_all().await, [Value::Null; 0], "nothing unasked");
}

fn past(ids: std::ops::RangeInclusive<u64>) -> Value {
    let mut trades: Vec<Value> = ids.map(|id| trade("AAPL", id)).collect();
    for trade in &mut trades {
        let fields = trade.as_object_mut().expect("an object");
        fields.remove("T");
        fields.remove("S");
    }
    json!({"AAPL": trades})
}

#[tokio::test]
async fn what_an_upstream_loss_cost_is_fetched_before_live_goes_on_and_marked() {
    let alpaca = Alpaca::start().await;
    let stream = Stream::start(alpaca.address).await;
    let mut client = stream.client().await;
    client.subscribe(&alpaca, "AAPL").await;
    alpaca.send(json!([trade("AAPL", 1), trade("AAPL", 2)]));
    client.hear().await;
    client.hear().await;
    alpaca.remember(&past(1..=5));
    alpaca.cut();
    let mut heard = Vec::new();
    for _ in 0..3 {
        heard.push(client.hear().await);
    }
    assert_eq!(numbers(&heard), [3, 4, 5], "1 and 2 had come");
    assert!(heard.iter().all(|trade| trade["backfill"] == true), "{heard:?}");
    alpaca.send(json!([trade("AAPL", 5), trade("AAPL", 6), trade("AAPL", 7)]));
    let live = [client.hear().await, client.hear().await];
    assert_eq!(numbers(&live), [6, 7]);
    assert!(
        live.iter().all(|trade| trade.get("backfill").is_none()),
        "{live:?}"
    );
    let health = client.ask(r#"{"action":"health"}"#).await;
    let figures = &health["figures"];
    assert_eq!(
        (
            &figures["backfills"],
            &figures["backfilled"],
            &figures["gaps_upstream"]
        ),
        (&json!(1), &json!(3), &json!(0)),
        "{health}"
    );
}

#[tokio::test]
async fn a_restart_goes_on_with_the_numbers_and_fetches_what_was_made_meanwhile() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("positions");
    let alpaca = Alpaca::start().await;
    let kept = |settings: &mut trade_stream::Settings| settings.positions = Some(file.clone());
    let first = Stream::with(alpaca.address, kept).await;
    let mut client = first.client().await;
    let epoch = {
        client.ask(r#"{"action":"subscribe","symbol":"AAPL"}"#).await;
        client.hear().await["epoch"].take()
    };
    alpaca.subscribed(&["AAPL"]).await;
    alpaca.send(json!([trade("AAPL", 1)]));
    client.hear().await;
    drop(first.stop);
    common::soon("the end", first.ended)
        .await
        .expect("no panic")
        .expect("told to");

    alpaca.remember(&past(1..=3));
    let second = Stream::with(alpaca.address, kept).await;
    let mut client = second.client().await;
    client
        .say(&json!({"action":"subscribe","symbol":"AAPL","since":{"epoch":epoch,"seq":1}}).to_string())
        .await;
    assert_eq!(client.hear().await["type"], "connecting");
    let subscribed = client.hear().await;
    assert_eq!(
        (&subscribed["recovered"], &subscribed["seq"]),
        (&json!(true), &json!(1)),
        "{subscribed}"
    );
    let filled = [client.hear().await, client.hear().await];
    assert_eq!(numbers(&filled), [2, 3]);
    assert!(filled.iter().all(|trade| trade["backfill"] == true), "{filled:?}");
}
