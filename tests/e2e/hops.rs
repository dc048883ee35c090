//! What a client behind both hops gets while the backend dies under it.

use std::collections::BTreeSet;

use futures_util::{SinkExt, StreamExt};
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use crate::house::{PATIENCE, signal, until};
use crate::stream::{Client, Stream};

/// The next frame that is not a trade.
async fn heard(client: &mut Client) -> Message {
    let hear = async {
        loop {
            let frame = client
                .0
                .next()
                .await
                .expect("the connection stays")
                .expect("read");
            let is_trade = frame
                .to_text()
                .is_ok_and(|text| text.starts_with(r#"{"type":"trade""#));
            if !is_trade {
                return frame;
            }
        }
    };
    let waited = tokio::time::timeout(PATIENCE, hear).await;
    waited.expect("an answer")
}

async fn told(client: &mut Client) -> Value {
    let frame = heard(client).await;
    serde_json::from_str(frame.to_text().expect("text")).expect("JSON")
}

/// Requests of each kind, a wrong one among them.
fn asked() -> [Value; 8] {
    [
        json!({"action": "ping"}),
        json!({"action": "health"}),
        json!({"action": "subscribe", "symbol": "TSLA"}),
        json!({"action": "ping"}),
        json!({"action": "subscribe", "symbol": "SPY", "channel": "quotes"}),
        json!({"action": "unsubscribe", "symbol": "MSFT"}),
        json!({"action": "dance"}),
        json!({"action": "heartbeat"}),
    ]
}

#[tokio::test]
async fn no_request_loses_its_answer_when_the_backend_is_killed_before_it() {
    let stream = Stream::up();
    let mut client = Client::of(stream.proxy).await;
    client.say(json!({"action": "subscribe", "symbol": "AAPL"})).await;
    client.until("subscribed", &mut BTreeSet::new()).await;
    client.until("trade", &mut BTreeSet::new()).await;
    let backend = stream.house.pid("trade_stream");
    until("it is proven", || {
        stream.house.service("trade_stream")["uptime_s"].as_f64() > Some(0.1)
    });
    // What is asked of a stopped process is not answered before its death.
    signal(backend, Signal::SIGSTOP);
    client.0.send(Message::Ping("there?".into())).await.expect("sent");
    for request in asked() {
        client.say(request).await;
    }
    signal(backend, Signal::SIGKILL);

    // The ping is answered at once, everything else by the next backend and in the order asked.
    let mut answers = Vec::new();
    let mut is_ponged = false;
    while answers.len() < 10 {
        let frame = heard(&mut client).await;
        let Ok(text) = frame.to_text() else { continue };
        if let Message::Pong(payload) = &frame {
            assert_eq!(payload.as_ref(), b"there?");
            is_ponged = true;
            continue;
        }
        let told: Value = serde_json::from_str(text).expect("JSON");
        let word = |key: &str| told[key].as_str().unwrap_or_default().to_owned();
        // Quotes come as they like, once they are subscribed.
        if !matches!(word("type").as_str(), "connecting" | "quote") {
            answers.push(format!("{} {}", word("type"), word("symbol")));
        }
    }
    assert!(is_ponged, "{answers:?}");
    let expected = [
        "subscribed AAPL",
        // It was killed, and so could not tell the next one where it was.
        "gap AAPL",
        "pong ",
        "health ",
        "subscribed TSLA",
        "pong ",
        "subscribed SPY",
        "unsubscribed MSFT",
        "error ",
        "heartbeat ",
    ];
    assert_eq!(answers, expected);
    client.say(json!({"action": "ping"})).await;
    loop {
        let told = told(&mut client).await;
        if told["type"] == "pong" {
            break;
        }
        assert!(
            matches!(told["type"].as_str(), Some("quote" | "heartbeat")),
            "nothing comes twice: {told}"
        );
    }
}

/// Another program with the same key, which has the only place until it is dropped.
async fn place_taken(sim: u16) -> Client {
    let mut other = Client::at(sim, "/v2/iex").await;
    heard(&mut other).await;
    other
        .say(json!({"action": "auth", "key": "simulator", "secret": "simulator"}))
        .await;
    let answer = heard(&mut other).await;
    let answer = answer.to_text().expect("text");
    assert!(answer.contains("authenticated"), "{answer}");
    other
}

#[tokio::test]
async fn status_says_that_the_slot_is_held_elsewhere_and_for_how_long() {
    let stream = Stream::up();
    let other = place_taken(stream.sim).await;
    let mut client = Client::of(stream.proxy).await;
    client.say(json!({"action": "subscribe", "symbol": "AAPL"})).await;
    until("a second has passed", || {
        stream.health("trade_stream")["detail"]["reason"]
            .as_str()
            .is_some_and(|reason| reason.starts_with("slot held elsewhere, 1 s"))
    });
    let status = stream.house.run(&["status", "trade_stream"]).exits(0);
    status.says("slot held elsewhere, ");
    let health = stream.health("trade_stream");
    assert_eq!(health["status"], "healthy", "a state, not a failure: {health}");
    assert_eq!(health["detail"]["state"], "SLOT_HELD", "{health}");
    assert_eq!(stream.house.service("trade_stream")["restarts"], 0);

    drop(other);
    client.until("trade", &mut BTreeSet::new()).await;
    assert_eq!(stream.health("trade_stream")["detail"]["reason"], Value::Null);
}

#[tokio::test]
async fn a_second_backend_waits_for_the_first_and_status_says_for_whom() {
    let stream = Stream::up();
    let mut first = Client::of(stream.backend).await;
    first.say(json!({"action": "subscribe", "symbol": "AAPL"})).await;
    first.until("trade", &mut BTreeSet::new()).await;
    let pid = stream.house.pid("trade_stream");
    let port = stream.add_backend();

    let mut second = Client::of(port).await;
    second.say(json!({"action": "subscribe", "symbol": "AAPL"})).await;
    let named = format!("trade-stream (process {pid})");
    until("the second names the first", || {
        stream.health("second")["detail"]["reason"]
            .as_str()
            .is_some_and(|reason| reason.starts_with("slot held elsewhere") && reason.contains(&named))
    });
    stream
        .house
        .run(&["status", "second"])
        .exits(0)
        .says("slot held elsewhere, ");
    stream.house.run(&["stop", "trade_stream"]).exits(0);
    second.until("trade", &mut BTreeSet::new()).await;
}

#[tokio::test]
async fn sentinels_own_probes_are_not_counted_as_clients() {
    let stream = Stream::up();
    let clients = || stream.health("browser_proxy")["detail"]["total_clients"].clone();
    assert_eq!(clients(), 0);
    let _client = Client::of(stream.proxy).await;
    until("it is counted", || clients() == 1);
    let own = stream.health("browser_proxy")["detail"]["proxy"].clone();
    assert_eq!(
        own["browsers"], 1,
        "the figures of the other hop are told as well: {own}"
    );
}
