//! What the server sends. One bad element never costs the rest of its array.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;
use stream_protocol::Number;

use super::{fields, packed, quick};
use crate::datum::{Datum, Kind};
use crate::trade::Written;
use crate::{Channel, Topic, Trade};

/// One message of the server, sorted.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Frame {
    /// Answers and errors, in order.
    pub controls: Vec<Control>,
    /// Trades, in order.
    pub trades: Vec<Trade>,
    /// Halts and resumptions, in order.
    pub halts: Vec<Halt>,
    /// All other data, in order.
    pub data: Vec<Datum>,
    /// Elements of kinds that are not known here.
    pub ignored: usize,
    /// Elements that could not be read; a frame that is no array counts as one.
    pub broken: usize,
}

/// Trading of a symbol is halted, or goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Halt {
    /// The symbol, upper-case.
    pub symbol: String,
    /// Whether it is halted now.
    pub halted: bool,
}

/// A message about the session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Control {
    /// `connected`: the server is there and waits for credentials.
    Welcome,
    /// `authenticated`: the credentials were accepted.
    Authenticated,
    /// The whole subscription as it now stands; the answer to every request.
    Subscription {
        /// All that is sent, sorted. What follows the trades by itself is not named.
        topics: Vec<Topic>,
    },
    /// A refusal or a failure.
    Error {
        /// Alpaca's code, 0 if there was none.
        code: u16,
        /// Alpaca's words.
        message: String,
    },
}

#[derive(Deserialize)]
struct Tagged<'a> {
    #[serde(rename = "T", borrow)]
    tag: Cow<'a, str>,
}

#[derive(Deserialize)]
struct Success<'a> {
    #[serde(borrow)]
    msg: Cow<'a, str>,
}

#[derive(Deserialize)]
struct Failure {
    #[serde(default)]
    code: u16,
    #[serde(default)]
    msg: String,
}

#[derive(Deserialize)]
struct WireStatus<'a> {
    #[serde(rename = "S")]
    symbol: String,
    #[serde(borrow)]
    sc: Cow<'a, str>,
}

impl WireStatus<'_> {
    /// `None` for what neither halts nor resumes. Codes 2 and 3 are of tapes A and B, the letters of
    /// tape C (<https://docs.alpaca.markets/docs/real-time-stock-pricing-data#status-codes>).
    fn halt(self) -> Option<Halt> {
        let halted = match self.sc.as_ref() {
            "2" | "H" | "P" => true,
            "3" | "T" => false,
            _ => return None,
        };
        let Self { symbol, .. } = self;
        Some(Halt { symbol, halted })
    }
}

/// Every list is optional: the test stream names only some, others may be null.
type Subscription<'a> = BTreeMap<Cow<'a, str>, IgnoredOr<Vec<String>>>;

/// A value, or one of another type.
#[derive(Deserialize)]
#[serde(untagged)]
enum IgnoredOr<T> {
    Value(T),
    Ignored(IgnoredAny),
}

fn topics(lists: Subscription<'_>) -> Vec<Topic> {
    let mut topics: Vec<Topic> = lists
        .into_iter()
        .filter_map(|(name, list)| match (Channel::named(&name)?, list) {
            (channel, IgnoredOr::Value(symbols)) => Some((channel, symbols)),
            (_, IgnoredOr::Ignored(_)) => None,
        })
        .flat_map(|(channel, symbols)| symbols.into_iter().map(move |symbol| Topic { symbol, channel }))
        .collect();
    topics.sort_unstable();
    topics
}

#[derive(Deserialize)]
struct WireTrade {
    #[serde(rename = "S", default)]
    symbol: String,
    #[serde(default)]
    i: u64,
    #[serde(default)]
    x: String,
    p: Number,
    s: Number,
    c: Option<Conditions>,
    t: String,
    z: Option<String>,
    tks: Option<String>,
}

/// Stocks carry a list, options a single text.
#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum Conditions {
    Many(Vec<String>),
    One(String),
}

/// Reads a trade of the REST endpoint, which names the symbol once for many.
pub(crate) fn past_trade(symbol: &str, text: &str) -> Option<Trade> {
    let wire: WireTrade = serde_json::from_str(text).ok()?;
    Some(wire.of(symbol))
}

/// Reads one message of the server, JSON or msgpack.
pub fn decode(message: &[u8]) -> Frame {
    if packed::is_packed(message) {
        return packed::decode(message);
    }
    let text = std::str::from_utf8(message).ok();
    text.and_then(quick::decode)
        .unwrap_or_else(|| decode_any(message))
}

/// The same, however it is written.
pub(super) fn decode_any(message: &[u8]) -> Frame {
    let mut frame = Frame::default();
    match serde_json::from_slice::<Vec<&RawValue>>(message) {
        Ok(elements) => {
            for element in elements {
                frame.take(Text(element.get()));
            }
        }
        Err(_) => frame.broken = 1,
    }
    frame
}

/// One element of a message, in whatever spelling; `None` when it is not of the kind asked for.
pub(super) trait Element<'a>: Copy {
    fn read<T: Deserialize<'a>>(self) -> Option<T>;
    fn trade(self) -> Option<Trade>;
    fn fields(self) -> Option<fields::Fields>;
}

/// One element, as JSON.
#[derive(Clone, Copy)]
pub(super) struct Text<'a>(pub(super) &'a str);

impl<'a> Element<'a> for Text<'a> {
    fn read<T: Deserialize<'a>>(self) -> Option<T> {
        serde_json::from_str(self.0).ok()
    }

    fn trade(self) -> Option<Trade> {
        let trade: WireTrade = self.read()?;
        (!trade.symbol.is_empty()).then(|| trade.of(&trade.symbol))
    }

    fn fields(self) -> Option<fields::Fields> {
        fields::from_json(self.0)
    }
}

impl Frame {
    /// Sorts an element in, or counts it as broken.
    pub(super) fn take<'a>(&mut self, element: impl Element<'a>) {
        if self.sort(element).is_none() {
            self.broken += 1;
        }
    }

    fn sort<'a>(&mut self, element: impl Element<'a>) -> Option<()> {
        let Tagged { tag } = element.read()?;
        match tag.as_ref() {
            "t" => self.trades.push(element.trade()?),
            "success" => match element.read::<Success<'_>>()?.msg.as_ref() {
                "connected" => self.controls.push(Control::Welcome),
                "authenticated" => self.controls.push(Control::Authenticated),
                _ => self.ignored += 1,
            },
            "subscription" => {
                let topics = topics(element.read()?);
                self.controls.push(Control::Subscription { topics });
            }
            "error" => {
                let Failure { code, msg } = element.read()?;
                self.controls.push(Control::Error { code, message: msg });
            }
            other => match Kind::named(other) {
                Some(kind) => self.datum(kind, element)?,
                None => self.ignored += 1,
            },
        }
        Some(())
    }

    fn datum<'a>(&mut self, kind: Kind, element: impl Element<'a>) -> Option<()> {
        if kind == Kind::Status {
            self.halts.extend(element.read::<WireStatus<'_>>()?.halt());
        }
        self.data.push(fields::datum(kind, element.fields()?)?);
        Some(())
    }
}

impl Conditions {
    pub(super) fn as_slice(&self) -> &[String] {
        match self {
            Self::Many(many) => many,
            Self::One(one) => std::slice::from_ref(one),
        }
    }
}

impl WireTrade {
    fn of(&self, symbol: &str) -> Trade {
        let conditions = self.c.as_ref();
        Trade::from(Written {
            symbol,
            id: self.i,
            exchange: &self.x,
            price: self.p.as_str(),
            size: self.s.as_str(),
            conditions: conditions.map(Conditions::as_slice).unwrap_or_default(),
            timestamp: &self.t,
            tape: self.z.as_deref().unwrap_or_default(),
            taker: self.tks.as_deref().unwrap_or_default(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{Control, decode};
    use crate::{Channel, Topic};

    #[test]
    fn a_documented_trade_is_read_whole() {
        let frame = decode(
            br#"[{"T":"t","S":"AAPL","i":628,"x":"K","p":162.920,"s":3,"c":["@","F","T","I"],"z":"C","t":"2023-04-06T11:54:26.838232225Z"}]"#,
        );
        let trade = &frame.trades[0];
        assert_eq!((trade.symbol(), trade.id()), ("AAPL", 628));
        assert_eq!(trade.exchange().name(), "Cboe EDGX");
        assert_eq!((trade.price(), trade.size()), ("162.920", "3"));
        assert!(trade.conditions().eq(["@", "F", "T", "I"]));
        assert_eq!(trade.timestamp(), "2023-04-06T11:54:26.838232225Z");
        assert_eq!(trade.tape(), "C");
    }

    #[test]
    fn trades_of_other_markets_are_read_too() {
        let frame = decode(
            br#"[{"T":"t","S":"AVAX/USD","p":47.299,"s":29.205707815,"t":"2024-03-12T10:27:48.858228144Z","i":3447222699101865076,"tks":"S"},
                {"T":"t","S":"AAPL240315C00172500","t":"2024-03-11T13:35:35.13312256Z","p":2.84,"s":1,"x":"N","c":"S"}]"#,
        );
        assert_eq!(frame.broken, 0);
        assert_eq!(frame.trades[0].id(), 3_447_222_699_101_865_076);
        assert_eq!(frame.trades[0].size(), "29.205707815");
        assert!(frame.trades[1].conditions().eq(["S"]));
    }

    #[test]
    fn controls_are_told_apart() {
        let frame = decode(
            br#"[{"T":"success","msg":"connected"},{"T":"success","msg":"authenticated"},{"T":"success","msg":"new"},
                {"T":"error","code":406,"msg":"connection limit exceeded"},{"T":"error"},
                {"T":"subscription","trades":["AAPL"],"quotes":[],"bars":["*"]},{"T":"subscription","trades":null},{"T":"subscription"}]"#,
        );
        let error = |code, message: &str| Control::Error {
            code,
            message: message.into(),
        };
        let subscription = |topics: &[Topic]| Control::Subscription {
            topics: topics.to_vec(),
        };
        assert_eq!(
            frame.controls,
            [
                Control::Welcome,
                Control::Authenticated,
                error(406, "connection limit exceeded"),
                error(0, ""),
                subscription(&[Topic::new(Channel::Bars, "*"), Topic::trades("AAPL")]),
                subscription(&[]),
                subscription(&[]),
            ]
        );
        assert_eq!((frame.ignored, frame.broken), (1, 0));
    }

    #[test]
    fn halts_and_resumptions_are_told_from_other_statuses() {
        let frame = decode(
            br#"[{"T":"s","S":"AAPL","sc":"H","sm":"Trading Halt","rc":"T12","rm":"x","t":"2021-02-22T19:15:00Z","z":"C"},
                {"T":"s","S":"AAPL","sc":"T"},{"T":"s","S":"IBM","sc":"2"},{"T":"s","S":"IBM","sc":"3"},
                {"T":"s","S":"AAPL","sc":"P"},{"T":"s","S":"IBM","sc":"5"}]"#,
        );
        let told: Vec<_> = frame
            .halts
            .iter()
            .map(|halt| (halt.symbol.as_str(), halt.halted))
            .collect();
        assert_eq!(
            told,
            [
                ("AAPL", true),
                ("AAPL", false),
                ("IBM", true),
                ("IBM", false),
                ("AAPL", true)
            ]
        );
        assert_eq!(frame.broken, 0);
    }

    #[test]
    fn one_bad_element_does_not_cost_the_rest() {
        let frame = decode(
            br#"[{"T":"t","S":"A"},7,{"T":"news","S":"A"},{"S":"A"},{"T":"t","S":"B","p":"1","s":1,"t":"x"},{"T":"t","S":"B","p":1.5,"s":1,"t":"x"}]"#,
        );
        assert_eq!((frame.trades.len(), frame.ignored, frame.broken), (1, 1, 4));
        for garbage in [&b""[..], b"hello", b"{}", b"[", b"\xff", b"[1,", b"null"] {
            assert_eq!(decode(garbage).broken, 1);
        }
    }
}
