//! One connection to the stream of orders. Answers and updates are JSON in binary frames, as Alpaca
//! sends them to paper accounts.

use std::time::{Duration, Instant};

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::client::House;
use crate::faults::Blow;
use crate::slots::Slot;

type Socket = WebSocketStream<TcpStream>;

/// How long a Close of ours waits for the client's.
const CLOSE_WITHIN: Duration = Duration::from_secs(2);

/// Serves one listener until it leaves or is sent away.
pub(crate) async fn serve(mut house: House, mut socket: Socket) {
    // Counted once it asks for something: whoever left while it was opened is seen to be gone only later, and
    // the next one may be here by then.
    let mut open = None;
    let mut slot: Option<Slot> = None;
    let mut listens = false;
    let mut updates = house.orders.updates();
    let mut blows = house.trouble.blows();
    loop {
        let answer = tokio::select! {
            () = house.stop.requested() => break,
            Ok(Blow::Drop) = blows.recv() => return,
            Ok(update) = updates.recv() => match (listens, serde_json::from_str::<Value>(&update)) {
                (true, Ok(data)) => Some(json!({"stream": "trade_updates", "data": data})),
                _ => None,
            },
            message = socket.next() => match message {
                Some(Ok(message @ (Message::Text(_) | Message::Binary(_)))) => {
                    open.get_or_insert_with(|| house.counts.open(None));
                    let asked = serde_json::from_slice(&message.into_data()).unwrap_or_default();
                    Some(answer(&house, &asked, &mut slot, &mut listens))
                }
                Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => None,
                Some(Ok(Message::Close(_))) => {
                    // Before the answer: who reads it may be back at once.
                    drop((slot.take(), open.take()));
                    let _ = timeout(CLOSE_WITHIN, socket.flush()).await;
                    return;
                }
                Some(Err(_)) | None => return,
            },
        };
        if let Some(answer) = answer
            && socket.send(Message::binary(answer.to_string())).await.is_err()
        {
            return;
        }
    }
    drop(slot.take());
    let closed = async {
        socket.close(None).await?;
        while let Some(message) = socket.next().await {
            message?;
        }
        Ok::<(), Error>(())
    };
    let _ = timeout(CLOSE_WITHIN, closed).await;
}

fn answer(house: &House, asked: &Value, slot: &mut Option<Slot>, listens: &mut bool) -> Value {
    let data = &asked["data"];
    // Both forms are accepted: that of this stream, and that of market data.
    let (key, secret) = match &data["key_id"] {
        Value::String(key) => (key.as_str(), data["secret_key"].as_str()),
        _ => (
            asked["key"].as_str().unwrap_or_default(),
            asked["secret"].as_str(),
        ),
    };
    match asked["action"].as_str() {
        Some("authenticate" | "auth") => {
            let is_known = house.settings.accept(key, secret.unwrap_or_default());
            let is_refused = house.trouble.standing().borrow().refuse_auth.is_some();
            if is_known && !is_refused && slot.is_none() {
                *slot = house.slots.take(Instant::now(), key, None);
                if slot.is_none() {
                    let why =
                        "your connection is rejected while another connection is open under the same account";
                    return json!({"action": "error", "data": {"error_message": why}});
                }
            }
            authorization(slot.is_some(), "authenticate")
        }
        Some("listen") if slot.is_some() => {
            let streams = data["streams"].as_array().into_iter().flatten();
            let known: Vec<&Value> = streams.filter(|stream| *stream == "trade_updates").collect();
            *listens = !known.is_empty();
            json!({"stream": "listening", "data": {"streams": known}})
        }
        Some("listen") => authorization(false, "listen"),
        _ => json!({"action": "error", "data": {"error_message": "invalid syntax"}}),
    }
}

fn authorization(is_authorized: bool, action: &str) -> Value {
    let status = if is_authorized {
        "authorized"
    } else {
        "unauthorized"
    };
    json!({"stream": "authorization", "data": {"status": status, "action": action}})
}
