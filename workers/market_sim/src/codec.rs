//! How messages are spelled: JSON text, or msgpack when the client's request said so.
//!
//! msgpack differs in more than bytes: times are of its timestamp type, and trades also say when
//! the server received them (`r`). In both, `T` comes first: Alpaca's Go client relies on it.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use serde_json::Value;
use tokio_tungstenite::tungstenite::Message;

use crate::peer::{Answer, Subscription};
use crate::trade::{Bar, BarKind, Item, Quote, Trade};

mod rare;

/// The spelling of one connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Codec {
    Json,
    Msgpack,
}

/// The fields of a client's message.
pub(crate) type Fields = BTreeMap<String, Value>;

impl Codec {
    /// The fields of a client's message; `None` when it is no object in this spelling.
    pub(crate) fn read(self, message: &[u8]) -> Option<Fields> {
        match self {
            Self::Json => serde_json::from_slice(message).ok(),
            Self::Msgpack => rmp_serde::from_slice(message).ok(),
        }
    }

    /// An answer; always alone in its array.
    pub(crate) fn answer(self, answer: &Answer) -> Message {
        self.write(&[answer])
    }

    /// Data, as one array.
    pub(crate) fn items(self, items: &[Item]) -> Message {
        let wire = items.iter().map(|item| match item {
            // Crypto has no exchanges, and so no conditions and no tapes.
            Item::Trade(trade) if trade.exchange.is_empty() => Wire::Crypto(rare::WireCrypto::of(trade)),
            Item::Trade(trade) => Wire::Trade(self.trade(trade)),
            Item::Quote(quote) => Wire::Quote(self.quote(quote)),
            Item::Bar(kind, bar) => Wire::Bar(WireBar::of(*kind, bar)),
            Item::Status(status) => Wire::Status(rare::WireStatus::of(status)),
            Item::Correction(trade, price) => Wire::Correction(rare::WireCorrection::of(trade, *price)),
            Item::Cancel(trade) => Wire::Cancel(rare::WireCancel::of(trade)),
        });
        self.write(&wire.collect::<Vec<_>>())
    }

    fn quote(self, quote: &Quote) -> WireQuote<'_> {
        WireQuote {
            kind: "q",
            symbol: &quote.symbol,
            bx: quote.exchange,
            bp: quote.bid,
            bs: quote.bid_size,
            ax: quote.exchange,
            ap: quote.ask,
            ask_size: quote.ask_size,
            c: &["R"],
            z: quote.tape,
            t: Stamp(quote.at),
            r: self.received(quote.at),
        }
    }

    /// msgpack also says when the server received a trade or a quote.
    fn received(self, at: Timestamp) -> Option<Stamp> {
        match self {
            Self::Json => None,
            Self::Msgpack => Some(Stamp(at)),
        }
    }

    fn trade(self, trade: &Trade) -> WireTrade<'_> {
        WireTrade {
            kind: "t",
            symbol: &trade.symbol,
            id: trade.id,
            exchange: trade.exchange,
            price: trade.price,
            size: trade.size,
            conditions: trade.conditions,
            tape: trade.tape,
            at: Stamp(trade.at),
            received: self.received(trade.at),
        }
    }

    fn write<T: Serialize>(self, array: &[T]) -> Message {
        const WHY: &str = "keys are texts and numbers are finite";
        match self {
            Self::Json => Message::text(serde_json::to_string(array).expect(WHY)),
            Self::Msgpack => Message::binary(rmp_serde::to_vec_named(array).expect(WHY)),
        }
    }
}

#[derive(Serialize)]
#[serde(untagged)]
enum Wire<'a> {
    Trade(WireTrade<'a>),
    Quote(WireQuote<'a>),
    Bar(WireBar<'a>),
    Status(rare::WireStatus<'a>),
    Correction(rare::WireCorrection<'a>),
    Cancel(rare::WireCancel<'a>),
    Crypto(rare::WireCrypto<'a>),
}

#[derive(Serialize)]
struct WireQuote<'a> {
    #[serde(rename = "T")]
    kind: &'static str,
    #[serde(rename = "S")]
    symbol: &'a str,
    bx: &'static str,
    bp: f64,
    bs: u32,
    ax: &'static str,
    ap: f64,
    #[serde(rename = "as")]
    ask_size: u32,
    c: &'static [&'static str],
    z: &'static str,
    t: Stamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    r: Option<Stamp>,
}

#[derive(Serialize)]
struct WireBar<'a> {
    #[serde(rename = "T")]
    kind: &'static str,
    #[serde(rename = "S")]
    symbol: &'a str,
    o: f64,
    h: f64,
    l: f64,
    c: f64,
    v: u64,
    t: Stamp,
    n: u64,
    vw: f64,
}

impl<'a> WireBar<'a> {
    fn of(kind: BarKind, bar: &'a Bar) -> Self {
        Self {
            kind: match kind {
                BarKind::Minute => "b",
                BarKind::Updated => "u",
                BarKind::Daily => "d",
            },
            symbol: &bar.symbol,
            o: bar.open,
            h: bar.high,
            l: bar.low,
            c: bar.close,
            v: bar.volume,
            t: Stamp(bar.at),
            n: bar.count,
            vw: bar.mean,
        }
    }
}

#[derive(Serialize)]
struct WireTrade<'a> {
    #[serde(rename = "T")]
    kind: &'static str,
    #[serde(rename = "S")]
    symbol: &'a str,
    #[serde(rename = "i")]
    id: u64,
    #[serde(rename = "x")]
    exchange: &'static str,
    #[serde(rename = "p")]
    price: f64,
    #[serde(rename = "s")]
    size: u32,
    #[serde(rename = "c")]
    conditions: &'static [&'static str],
    #[serde(rename = "z")]
    tape: &'static str,
    #[serde(rename = "t")]
    at: Stamp,
    #[serde(rename = "r", skip_serializing_if = "Option::is_none")]
    received: Option<Stamp>,
}

/// A time: RFC 3339 with as many digits as it needs, or msgpack's timestamp.
struct Stamp(Timestamp);

impl Serialize for Stamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            return serializer.collect_str(&self.0);
        }
        // Timestamp 64: nanoseconds in the upper 30 bits, seconds in the lower 34.
        let nanoseconds = u64::from(self.0.subsec_nanosecond().unsigned_abs());
        let seconds = self.0.as_second().unsigned_abs();
        let packed = (nanoseconds << 34) | seconds;
        let extension = (-1_i8, Octets(packed.to_be_bytes()));
        serializer.serialize_newtype_struct(rmp_serde::MSGPACK_EXT_STRUCT_NAME, &extension)
    }
}

/// Bytes that serialize as bytes; an array would serialize as a list of numbers.
struct Octets([u8; 8]);

impl Serialize for Octets {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl Serialize for Subscription {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(1 + self.0.len()))?;
        map.serialize_entry("T", "subscription")?;
        for (channel, symbols) in &self.0 {
            map.serialize_entry(channel, symbols)?;
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::Codec;
    use crate::peer::{Answer, Failure, Subscription, Success};
    use crate::trade::{Bar, BarKind, Item, Quote, Trade};

    fn trade() -> Trade {
        Trade {
            symbol: "AAPL".into(),
            id: 628,
            exchange: "K",
            price: 162.92,
            size: 3,
            conditions: &["@", "F"],
            tape: "C",
            at: "2023-04-06T11:54:26.838232225Z".parse().expect("a time"),
        }
    }

    #[test]
    fn json_is_as_documented() {
        let json =
            |message: tokio_tungstenite::tungstenite::Message| message.into_text().expect("text").to_string();
        assert_eq!(
            json(Codec::Json.items(&[Item::Trade(trade())])),
            r#"[{"T":"t","S":"AAPL","i":628,"x":"K","p":162.92,"s":3,"c":["@","F"],"z":"C","t":"2023-04-06T11:54:26.838232225Z"}]"#
        );
        assert_eq!(
            json(Codec::Json.items(&[
                Item::Quote(Quote::before(&trade())),
                Item::Bar(BarKind::Minute, Bar::begun_by(&trade()))
            ])),
            r#"[{"T":"q","S":"AAPL","bx":"K","bp":162.92,"bs":9,"ax":"K","ap":162.93,"as":5,"c":["R"],"z":"C","t":"2023-04-06T11:54:26.838232225Z"},{"T":"b","S":"AAPL","o":162.92,"h":162.92,"l":162.92,"c":162.92,"v":3,"t":"2023-04-06T11:54:00Z","n":1,"vw":162.92}]"#
        );
        for (answer, text) in [
            (
                Answer::Success(Success { msg: "connected" }),
                r#"[{"T":"success","msg":"connected"}]"#,
            ),
            (
                Answer::Error(Failure {
                    code: 406,
                    msg: "connection limit exceeded",
                }),
                r#"[{"T":"error","code":406,"msg":"connection limit exceeded"}]"#,
            ),
            (
                Answer::Subscription(Subscription(vec![
                    ("trades", vec!["AAPL".into()]),
                    ("quotes", vec![]),
                ])),
                r#"[{"T":"subscription","trades":["AAPL"],"quotes":[]}]"#,
            ),
        ] {
            assert_eq!(json(Codec::Json.answer(&answer)), text);
        }
    }

    #[test]
    fn msgpack_has_timestamps_of_its_own_and_the_kind_first() {
        let bytes = Codec::Msgpack.items(&[Item::Trade(trade())]).into_data();
        assert_eq!(&bytes[..6], b"\x91\x8a\xa1T\xa1t");
        let packed = (838_232_225_u64 << 34) | 1_680_782_066;
        let stamp = [&b"\xd7\xff"[..], &packed.to_be_bytes()].concat();
        for key in [b"\xa1t", b"\xa1r"] {
            let field = [&key[..], &stamp].concat();
            assert!(bytes.windows(12).any(|window| window == field));
        }
    }

    #[test]
    fn what_is_no_object_is_not_read() {
        assert!(Codec::Json.read(b"[]").is_none());
        assert!(Codec::Json.read(b"x").is_none());
        assert!(Codec::Msgpack.read(b"\x90").is_none());
        let fields = Codec::Msgpack.read(b"\x81\xa6action\xa4auth");
        assert_eq!(fields.expect("an object")["action"], "auth");
    }
}
