//! Order updates: from the simulator's trading API, over the one connection, to clients of both
//! protocols.

mod common;

use common::sim::{order, post, start};
use common::{Client, Stream, soon};
use futures_util::{SinkExt, StreamExt};
use market_sim::Settings;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::client_async;
use tokio_tungstenite::tungstenite::Message;

async fn live(client: &mut Client) {
    loop {
        let health = client.ask(r#"{"action":"health"}"#).await;
        if health["orders_state"] == "LIVE" {
            return;
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn what_becomes_of_an_order_is_told_in_both_protocols() {
    let (sim, _running) = start(Settings::default()).await;
    let stream = Stream::start(sim).await;
    let mut browser = stream.client().await;
    let subscribed = browser.ask(r#"{"action":"subscribe_orders"}"#).await;
    assert_eq!(subscribed["type"], "orders_subscribed", "{subscribed}");
    live(&mut browser).await;

    let tcp = TcpStream::connect(stream.address).await.expect("connected");
    let (mut trader, _) = client_async(format!("ws://{}/stream", stream.address), tcp)
        .await
        .expect("accepted");
    for (asked, told) in [
        (
            json!({"action":"listen","data":{"streams":["trade_updates"]}}),
            json!({"stream":"authorization","data":{"status":"unauthorized","action":"listen"}}),
        ),
        (
            json!({"action":"authenticate","data":{"key_id":"K","secret_key":"S"}}),
            json!({"stream":"authorization","data":{"status":"authorized","action":"authenticate"}}),
        ),
        (
            json!({"action":"listen","data":{"streams":["trade_updates","news"]}}),
            json!({"stream":"listening","data":{"streams":["trade_updates"]}}),
        ),
    ] {
        trader.send(Message::text(asked.to_string())).await.expect("sent");
        assert_eq!(binary(&mut trader).await, told);
    }
    // Told after `listening`, but by the hub: wait until it has taken it.
    assert_eq!(browser.ask(r#"{"action":"ping"}"#).await["type"], "pong");

    let asked = json!({"symbol":"AAPL","qty":"10","side":"buy","type":"market","time_in_force":"day"});
    post(sim, "/v2/orders", &asked.to_string()).await;
    for event in ["new", "partial_fill", "fill"] {
        let ours = browser.hear().await;
        assert_eq!(
            (&ours["type"], &ours["data"]["event"]),
            (&json!("order_update"), &json!(event))
        );
        let alpacas = binary(&mut trader).await;
        assert_eq!(
            (&alpacas["stream"], &alpacas["data"]),
            (&json!("trade_updates"), &ours["data"])
        );
    }
    let health = browser.ask(r#"{"action":"health"}"#).await;
    assert_eq!(health["figures"]["order_updates"], 3);

    order(sim, r#"{"blow":"drop"}"#).await;
    assert_eq!(browser.hear().await["type"], "orders_gap", "nothing is replayed");
}

async fn binary<S>(socket: &mut tokio_tungstenite::WebSocketStream<S>) -> Value
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    match soon("a message", socket.next()).await {
        Some(Ok(Message::Binary(bytes))) => serde_json::from_slice(&bytes).expect("JSON"),
        other => panic!("expected a binary message, got {other:?}"),
    }
}
