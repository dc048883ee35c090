//! What the client sends.

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use tokio_tungstenite::tungstenite::Message;

use crate::{Channel, Credentials, Topic};

/// The longest frame that is sent, in bytes. The official Python client cuts at this length, so the
/// server is known to take it.
pub const MAX_FRAME: usize = 32 * 1024;

/// Room for everything in a frame that is not a symbol: the action and the names of all channels.
const ENVELOPE: usize = 160;

/// A change of the subscription. The server applies it whole or not at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// What is asked.
    pub verb: Verb,
    /// For what; at least one.
    pub topics: Vec<Topic>,
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
    /// A message in this spelling.
    pub(crate) fn message(self, value: &impl Serialize) -> Message {
        match self {
            Self::Json => Message::text(json(value)),
            Self::Msgpack => {
                let bytes = rmp_serde::to_vec_named(value);
                Message::binary(bytes.expect("texts and lists of texts always serialize"))
            }
        }
    }
}

/// The channels that are meant, each with its symbols.
impl Serialize for Request {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let lists = Channel::ALL.map(|channel| {
            let topics = self.topics.iter().filter(|topic| topic.channel == channel);
            let symbols: Vec<&str> = topics.map(|topic| topic.symbol.as_str()).collect();
            (channel, symbols)
        });
        let named = lists.iter().filter(|(_, symbols)| !symbols.is_empty());
        let mut map = serializer.serialize_map(Some(1 + named.clone().count()))?;
        map.serialize_entry("action", &self.verb)?;
        for (channel, symbols) in named {
            map.serialize_entry(channel.name(), symbols)?;
        }
        map.end()
    }
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
        json(self)
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

/// How many of these, taken from the front, fit into one frame; at least one.
pub(crate) fn chunk_len(topics: &[Topic]) -> usize {
    let mut room = MAX_FRAME - ENVELOPE;
    let fitting = topics.iter().take_while(|topic| {
        let needed = json(&topic.symbol).len() + 1;
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
    use crate::{Channel, Credentials, Topic};

    #[test]
    fn requests_are_written_to_the_letter() {
        let request = |verb| Request {
            verb,
            topics: vec![
                Topic::trades("AAPL"),
                Topic::new(Channel::Quotes, "SPY"),
                Topic::trades("BRK.B"),
            ],
        };
        assert_eq!(
            request(Verb::Subscribe).encode(),
            r#"{"action":"subscribe","trades":["AAPL","BRK.B"],"quotes":["SPY"]}"#
        );
        assert_eq!(
            request(Verb::Unsubscribe).encode(),
            r#"{"action":"unsubscribe","trades":["AAPL","BRK.B"],"quotes":["SPY"]}"#
        );
        assert_eq!(
            auth(Spelling::Json, &Credentials::new("K", "S")),
            Message::text(r#"{"action":"auth","key":"K","secret":"S"}"#)
        );
    }

    #[test]
    fn a_chunk_fills_a_frame_and_no_more() {
        let topic = |n: usize| Topic::new(Channel::ALL[n % 8], format!("S\"{n}"));
        let topics: Vec<Topic> = (0..10_000).map(topic).collect();
        let length = chunk_len(&topics);
        let length_of = |topics: &[Topic]| {
            let verb = Verb::Unsubscribe;
            let topics = topics.to_vec();
            Request { verb, topics }.encode().len()
        };
        assert!(length_of(&topics[..length]) <= MAX_FRAME);
        assert!(length_of(&topics[..length + 20]) > MAX_FRAME);
        assert_eq!(chunk_len(&[Topic::trades("x".repeat(MAX_FRAME))]), 1);
    }
}
