//! How messages about orders are spelled. Paper accounts send JSON in binary frames, live ones in
//! text frames: both are read.

use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;
use tokio_tungstenite::tungstenite::Message;

use crate::Credentials;

/// The stream that is listened to.
const UPDATES: &str = "trade_updates";

/// A message of the server.
#[derive(Debug)]
pub(super) enum Told {
    /// Whether the credentials were accepted.
    Authorized(bool),
    /// Whether updates will be sent.
    Listening(bool),
    /// What became of an order.
    Update(Box<RawValue>),
    /// What is wrong.
    Error(String),
    /// Nothing that is known here.
    Other,
}

#[derive(Deserialize)]
struct Envelope<'a> {
    stream: Option<String>,
    action: Option<String>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Answer {
    status: Option<String>,
    streams: Option<Vec<String>>,
    error_message: Option<String>,
}

/// Reads one message.
pub(super) fn decode(message: &[u8]) -> Told {
    let Ok(Envelope { stream, action, data }) = serde_json::from_slice(message) else {
        return Told::Other;
    };
    let Some(data) = data else {
        return Told::Other;
    };
    if stream.as_deref() == Some(UPDATES) {
        return Told::Update(data.to_owned());
    }
    let Ok(answer) = serde_json::from_str::<Answer>(data.get()) else {
        return Told::Other;
    };
    match (stream.as_deref(), action.as_deref()) {
        (Some("authorization"), _) => Told::Authorized(answer.status.as_deref() == Some("authorized")),
        (Some("listening"), _) => {
            let streams = answer.streams.unwrap_or_default();
            Told::Listening(streams.iter().any(|stream| stream == UPDATES))
        }
        (_, Some("error")) => Told::Error(answer.error_message.unwrap_or_default()),
        _ => Told::Other,
    }
}

/// Never to be logged.
pub(super) fn authenticate(credentials: &Credentials) -> Message {
    let data = json!({"key_id": credentials.key(), "secret_key": credentials.secret()});
    Message::text(json!({"action": "authenticate", "data": data}).to_string())
}

pub(super) fn listen() -> Message {
    Message::text(json!({"action": "listen", "data": {"streams": [UPDATES]}}).to_string())
}

#[cfg(test)]
mod tests {
    use super::{Told, decode};

    #[test]
    fn documented_messages_are_read() {
        for (text, expected) in [
            (
                r#"{"stream":"authorization","data":{"status":"authorized","action":"authenticate"}}"#,
                "Authorized(true)",
            ),
            (
                r#"{"stream":"authorization","data":{"status":"unauthorized","action":"listen"}}"#,
                "Authorized(false)",
            ),
            (
                r#"{"stream":"listening","data":{"streams":["trade_updates"]}}"#,
                "Listening(true)",
            ),
            (
                r#"{"stream":"listening","data":{"streams":[]}}"#,
                "Listening(false)",
            ),
            (
                r#"{"action":"error","data":{"error_message":"no"}}"#,
                "Error(\"no\")",
            ),
            ("hello", "Other"),
            (r#"{"stream":"news"}"#, "Other"),
        ] {
            assert_eq!(format!("{:?}", decode(text.as_bytes())), expected);
        }
        let update = r#"{"stream":"trade_updates","data":{"event":"fill","price":"179.080","order":{}}}"#;
        let Told::Update(data) = decode(update.as_bytes()) else {
            panic!("an update");
        };
        assert_eq!(
            data.get(),
            r#"{"event":"fill","price":"179.080","order":{}}"#,
            "to the letter"
        );
    }
}
