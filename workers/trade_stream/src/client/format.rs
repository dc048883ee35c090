//! How messages are spelled for a client: the stream's own way, or Alpaca's.
//!
//! Alpaca's: <https://docs.alpaca.markets/docs/streaming-market-data>. Every message is an array of
//! objects whose first key is `T` (the Go client relies on that), as JSON in text frames or as
//! msgpack in binary ones, where times are of msgpack's timestamp type.

use alpaca::{Number, Trade};
use bytes::{Bytes, BytesMut};
use jiff::Timestamp;
use serde::{Serialize, Serializer};
use serde_json::{Map, Value};
use ws_listener::frame;

/// The spelling of one connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// The messages of `stream_protocol`.
    Stream,
    /// Alpaca's, JSON.
    AlpacaJson,
    /// Alpaca's, msgpack.
    AlpacaMsgpack,
}

impl Format {
    /// All of them, each at the place of its number.
    pub const ALL: [Self; 3] = [Self::Stream, Self::AlpacaJson, Self::AlpacaMsgpack];

    /// Appends a message of this spelling as one frame.
    pub fn put_frame(self, out: &mut BytesMut, message: &[u8]) {
        match self {
            Self::Stream | Self::AlpacaJson => frame::put_text(out, message),
            Self::AlpacaMsgpack => frame::put_binary(out, message),
        }
    }

    /// A client's message; `None` when it is no object in this spelling.
    pub fn read(self, message: &[u8]) -> Option<Map<String, Value>> {
        match self {
            Self::Stream | Self::AlpacaJson => serde_json::from_slice(message).ok(),
            Self::AlpacaMsgpack => rmp_serde::from_slice(message).ok(),
        }
    }

    /// `connected` or `authenticated`, framed.
    pub fn success(self, msg: &'static str) -> Bytes {
        self.frame(&Success { kind: "success", msg })
    }

    /// A refusal, framed.
    pub fn error(self, code: u16, msg: &str) -> Bytes {
        let kind = "error";
        self.frame(&Failure { kind, code, msg })
    }

    /// The whole subscription as it stands, framed.
    pub fn subscription<'a>(self, trades: impl Iterator<Item = &'a String>) -> Bytes {
        self.frame(&Subscription {
            kind: "subscription",
            trades: trades.map(String::as_str).collect(),
            ..Subscription::default()
        })
    }

    /// Writes a trade as Alpaca sent it.
    pub fn write_trade(self, out: &mut Vec<u8>, trade: &Trade) {
        self.write(out, &WireTrade::new(trade));
    }

    fn frame<T: Serialize>(self, message: &T) -> Bytes {
        let mut text = Vec::new();
        self.write(&mut text, message);
        let mut out = BytesMut::with_capacity(text.len() + 10);
        self.put_frame(&mut out, &text);
        out.freeze()
    }

    fn write<T: Serialize>(self, out: &mut Vec<u8>, message: &T) {
        const WHY: &str = "texts and numbers, into memory";
        match self {
            Self::Stream | Self::AlpacaJson => serde_json::to_writer(out, &[message]).expect(WHY),
            Self::AlpacaMsgpack => rmp_serde::encode::write_named(out, &[message]).expect(WHY),
        }
    }
}

#[derive(Serialize)]
struct Success {
    #[serde(rename = "T")]
    kind: &'static str,
    msg: &'static str,
}

#[derive(Serialize)]
struct Failure<'a> {
    #[serde(rename = "T")]
    kind: &'static str,
    code: u16,
    msg: &'a str,
}

/// Only trades are offered; the other lists are there since clients expect them.
#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Subscription<'a> {
    #[serde(rename = "T")]
    kind: &'static str,
    trades: Vec<&'a str>,
    quotes: [&'a str; 0],
    bars: [&'a str; 0],
    updated_bars: [&'a str; 0],
    daily_bars: [&'a str; 0],
    statuses: [&'a str; 0],
    lulds: [&'a str; 0],
    corrections: [&'a str; 0],
    cancel_errors: [&'a str; 0],
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
    exchange: &'a str,
    #[serde(rename = "p")]
    price: Figure<'a>,
    #[serde(rename = "s")]
    size: Figure<'a>,
    #[serde(rename = "c")]
    conditions: &'a [String],
    #[serde(rename = "z")]
    tape: &'a str,
    #[serde(rename = "t")]
    at: Stamp<'a>,
}

impl<'a> WireTrade<'a> {
    fn new(trade: &'a Trade) -> Self {
        Self {
            kind: "t",
            symbol: &trade.symbol,
            id: trade.id,
            exchange: trade.exchange.code(),
            price: Figure(&trade.price),
            size: Figure(&trade.size),
            conditions: &trade.conditions,
            tape: &trade.tape,
            at: Stamp(&trade.timestamp),
        }
    }
}

/// A number digit for digit where that can be written, else its value.
struct Figure<'a>(&'a Number);

impl Serialize for Figure<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            return self.0.serialize(serializer);
        }
        match self.0.as_str().parse() {
            Ok(whole) => serializer.serialize_u64(whole),
            Err(_) => serializer.serialize_f64(self.0.to_f64()),
        }
    }
}

/// A time: RFC 3339 as it was sent, or msgpack's timestamp.
struct Stamp<'a>(&'a str);

impl Serialize for Stamp<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let at = if serializer.is_human_readable() {
            None
        } else {
            self.0.parse::<Timestamp>().ok()
        };
        let Some(at) = at else {
            return serializer.serialize_str(self.0);
        };
        // Timestamp 64: nanoseconds in the upper 30 bits, seconds in the lower 34.
        let nanoseconds = u64::from(at.subsec_nanosecond().unsigned_abs());
        let packed = (nanoseconds << 34) | at.as_second().unsigned_abs();
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

#[cfg(test)]
mod tests {
    use alpaca::wire;

    use super::Format;

    const TRADE: &str = r#"[{"T":"t","S":"AAPL","i":628,"x":"K","p":162.90,"s":3,"c":["@","F"],"z":"C","t":"2023-04-06T11:54:26.838232225Z"}]"#;

    fn written(format: Format) -> Vec<u8> {
        let frame = wire::decode(TRADE.as_bytes());
        let mut out = Vec::new();
        format.write_trade(&mut out, &frame.trades[0]);
        out
    }

    #[test]
    fn a_trade_is_passed_on_as_alpaca_wrote_it() {
        assert_eq!(String::from_utf8_lossy(&written(Format::AlpacaJson)), TRADE);
    }

    #[test]
    fn msgpack_has_the_kind_first_and_times_of_its_own() {
        let bytes = written(Format::AlpacaMsgpack);
        assert_eq!(&bytes[..6], b"\x91\x89\xa1T\xa1t");
        let packed = (838_232_225_u64 << 34) | 1_680_782_066;
        let stamp = [&b"\xa1t\xd7\xff"[..], &packed.to_be_bytes()].concat();
        assert!(bytes.ends_with(&stamp));
    }

    #[test]
    fn answers_are_as_documented() {
        let text = |frame: bytes::Bytes| String::from_utf8_lossy(&frame[frame.len().min(2)..]).into_owned();
        assert_eq!(
            text(Format::AlpacaJson.error(401, "not authenticated")),
            r#"[{"T":"error","code":401,"msg":"not authenticated"}]"#
        );
        let symbols = ["AAPL".to_owned()];
        let subscription = text(Format::AlpacaJson.subscription(symbols.iter()));
        assert!(
            subscription.ends_with(
                r#"[{"T":"subscription","trades":["AAPL"],"quotes":[],"bars":[],"updatedBars":[],"dailyBars":[],"statuses":[],"lulds":[],"corrections":[],"cancelErrors":[]}]"#
            ),
            "{subscription}"
        );
    }
}
