//! What the client sends.

use serde::Serialize;

use tokio_tungstenite::tungstenite::Message;

use crate::Credentials;

/// The longest frame that is sent, in bytes. The official Python client cuts at this length, so the
/// server is known to take it.
pub const MAX_FRAME: usize = 32 * 1024;

/// Room for everything in a frame that is not a symbol.
const ENVELOPE: usize = 64;

/// A change of the subscription. The server applies it whole or not at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// What is asked.
    pub verb: Verb,
    /// For which symbols; at least one.
    pub symbols: Vec<String>,
}

/// What a request asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verb {
    /// Also these.
    Subscribe,
    /// No longer these.
    Unsubscribe,
}

/// How messages are spelled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Spelling {
    #[default]
    Json,
    Msgpack,
}

impl Spelling {
    /// A request in this spelling, also for statuses if they are told.
    pub(crate) fn request(self, request: &Request, statuses: bool) -> Message {
        self.message(&request.wire(statuses.then_some(&request.symbols)))
    }

    fn message(self, value: &impl Serialize) -> Message {
        match self {
            Self::Json => Message::text(json(value)),
            Self::Msgpack => {
                let bytes = rmp_serde::to_vec_named(value);
                Message::binary(bytes.expect("texts and lists of texts always serialize"))
            }
        }
    }
}

#[derive(Serialize)]
struct Wire<'a> {
    action: Verb,
    trades: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    statuses: Option<&'a [String]>,
}

#[derive(Serialize)]
struct Auth<'a> {
    action: &'static str,
    key: &'a str,
    secret: &'a str,
}

impl Request {
    /// The text frame.
    pub fn encode(&self) -> String {
        self.frame(None)
    }

    /// The text frame that also asks for halts and resumptions, which only stock feeds tell.
    pub fn encode_with_statuses(&self) -> String {
        self.frame(Some(&self.symbols))
    }

    fn frame(&self, statuses: Option<&[String]>) -> String {
        json(&self.wire(statuses))
    }

    fn wire<'a>(&'a self, statuses: Option<&'a [String]>) -> Wire<'a> {
        Wire {
            action: self.verb,
            trades: &self.symbols,
            statuses,
        }
    }
}

/// The frame that authenticates. Never to be logged.
pub(crate) fn auth(spelling: Spelling, credentials: &Credentials) -> Message {
    spelling.message(&Auth {
        action: "auth",
        key: credentials.key(),
        secret: credentials.secret(),
    })
}

/// How many of these symbols, taken from the front, fit into one frame that names them twice; at
/// least one.
pub(crate) fn chunk_len(symbols: &[String]) -> usize {
    let mut room = (MAX_FRAME - ENVELOPE) / 2;
    let fitting = symbols.iter().take_while(|symbol| {
        let needed = json(symbol).len() + 1;
        let fits = needed <= room;
        room = room.saturating_sub(needed);
        fits
    });
    fitting.count().max(1)
}

fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("texts and lists of texts always serialize")
}

#[cfg(test)]
mod tests {
    use super::{MAX_FRAME, Message, Request, Spelling, Verb, auth, chunk_len};
    use crate::Credentials;

    #[test]
    fn requests_are_written_to_the_letter() {
        let request = |verb| Request {
            verb,
            symbols: vec!["AAPL".into(), "BRK.B".into()],
        };
        assert_eq!(
            request(Verb::Subscribe).encode(),
            r#"{"action":"subscribe","trades":["AAPL","BRK.B"]}"#
        );
        assert_eq!(
            request(Verb::Unsubscribe).encode(),
            r#"{"action":"unsubscribe","trades":["AAPL","BRK.B"]}"#
        );
        assert_eq!(
            request(Verb::Subscribe).encode_with_statuses(),
            r#"{"action":"subscribe","trades":["AAPL","BRK.B"],"statuses":["AAPL","BRK.B"]}"#
        );
        assert_eq!(
            auth(Spelling::Json, &Credentials::new("K", "S")),
            Message::text(r#"{"action":"auth","key":"K","secret":"S"}"#)
        );
    }

    #[test]
    fn a_chunk_fills_a_frame_and_no_more() {
        let symbols: Vec<String> = (0..10_000).map(|n| format!("S\"{n}")).collect();
        let length = chunk_len(&symbols);
        let frame = |symbols: &[String]| Request {
            verb: Verb::Unsubscribe,
            symbols: symbols.to_vec(),
        };
        let length_of = |symbols| frame(symbols).encode_with_statuses().len();
        assert!(length_of(&symbols[..length]) <= MAX_FRAME);
        assert!(length_of(&symbols[..length + 10]) > MAX_FRAME);
        assert_eq!(chunk_len(&["x".repeat(MAX_FRAME)]), 1);
    }
}
