//! How messages are spelled for a client: the stream's own way, or Alpaca's.
//!
//! Alpaca's: <https://docs.alpaca.markets/docs/streaming-market-data>. Every message is an array of
//! objects whose first key is `T` (the Go client relies on that), as JSON in text frames or as
//! msgpack in binary ones, where times are of msgpack's timestamp type.

use std::collections::BTreeSet;

use alpaca::{Datum, Exchange, Kind, Trade, Value};
use bytes::{Bytes, BytesMut};
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use serde_json::Map;
use stream_protocol::{Channel, DatumMessage, Gap, ServerMessage, field_name};
use ws_listener::frame;

use super::trade::{self, WireTrade};

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

    /// Whether messages of this spelling go in text frames.
    pub fn is_text(self) -> bool {
        match self {
            Self::Stream | Self::AlpacaJson => true,
            Self::AlpacaMsgpack => false,
        }
    }

    /// Appends a message of this spelling as one frame.
    pub fn put_frame(self, out: &mut BytesMut, message: &[u8]) {
        match self {
            Self::Stream | Self::AlpacaJson => frame::put_text(out, message),
            Self::AlpacaMsgpack => frame::put_binary(out, message),
        }
    }

    /// A client's message; `None` when it is no object in this spelling.
    pub fn read(self, message: &[u8]) -> Option<Map<String, serde_json::Value>> {
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
    pub fn subscription(self, feed: &str, pairs: &BTreeSet<(Channel, String)>) -> Bytes {
        self.frame(&Subscription { feed, pairs })
    }

    /// Writes a trade: in the stream's own words, or as Alpaca sent it.
    pub fn write_trade(self, out: &mut Vec<u8>, trade: &Trade, seq: u64, backfill: bool) {
        match self {
            Self::Stream => trade::write_stream(out, trade, seq, backfill),
            Self::AlpacaJson => trade::write_alpaca(out, trade),
            Self::AlpacaMsgpack => self.write(out, &WireTrade(trade)),
        }
    }

    /// Writes a datum: in the stream's own words, or as Alpaca sent it.
    pub fn write_datum(self, out: &mut Vec<u8>, datum: &Datum, seq: u64) {
        match self {
            Self::Stream => {
                let r#type = message_name(datum.kind);
                let message = DatumMessage {
                    r#type,
                    symbol: &datum.symbol,
                    data: Named(r#type, &datum.fields),
                    seq,
                };
                serde_json::to_writer(out, &message).expect("texts and numbers, into memory");
            }
            Self::AlpacaJson | Self::AlpacaMsgpack => self.write(out, datum),
        }
    }

    /// Writes a gap. Alpaca's protocol has no word for it; an error is what every SDK shows, and 500
    /// makes none of them leave.
    pub fn write_gap(self, out: &mut Vec<u8>, gap: Gap<'_>) {
        match self {
            Self::Stream => {
                let gap = ServerMessage::Gap(gap);
                serde_json::to_writer(out, &gap).expect("texts and numbers, into memory");
            }
            Self::AlpacaJson | Self::AlpacaMsgpack => {
                let since = gap.since.as_deref().unwrap_or("a while ago");
                let what = gap.channel.map_or("trades", Channel::name);
                let msg = &format!("gap: {what} of {} may be missing since {since}", gap.symbol);
                let (kind, code) = ("error", 500);
                self.write(out, &Failure { kind, code, msg });
            }
        }
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

/// Every list, as the feed has them.
struct Subscription<'a> {
    feed: &'a str,
    pairs: &'a BTreeSet<(Channel, String)>,
}

impl Serialize for Subscription<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let list = |channel: Channel| {
            let pairs = self.pairs.iter().filter(move |(one, _)| *one == channel);
            pairs.map(|(_, symbol)| symbol.as_str()).collect::<Vec<_>>()
        };
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("T", "subscription")?;
        for channel in offered(self.feed) {
            map.serialize_entry(channel.name(), &list(*channel))?;
        }
        if is_of_stocks(self.feed) {
            map.serialize_entry("corrections", &list(Channel::Corrections))?;
            map.serialize_entry("cancelErrors", &list(Channel::Corrections))?;
        }
        map.end()
    }
}

/// The channels that clients of Alpaca's protocol may name on a feed.
pub fn offered(feed: &str) -> &'static [Channel] {
    use Channel::{Bars, DailyBars, Lulds, Orderbooks, Quotes, Statuses, Trades, UpdatedBars};
    match feed {
        "test" => &[Trades, Quotes, Bars],
        "crypto" => &[Trades, Quotes, Orderbooks, Bars, UpdatedBars, DailyBars],
        _ => &[Trades, Quotes, Bars, UpdatedBars, DailyBars, Statuses, Lulds],
    }
}

fn is_of_stocks(feed: &str) -> bool {
    !matches!(feed, "test" | "crypto")
}

/// The fields of a datum by the stream's own names.
struct Named<'a>(&'a str, &'a [(String, Value)]);

impl Serialize for Named<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(message, fields) = self;
        serializer.collect_map(
            fields
                .iter()
                .map(|(name, value)| (field_name(message, name), NamedValue(message, name, value))),
        )
    }
}

struct NamedValue<'a>(&'a str, &'a str, &'a Value);

impl Serialize for NamedValue<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(message, name, value) = self;
        match value {
            Value::Fields(fields) => Named(message, fields).serialize(serializer),
            Value::List(values) => {
                serializer.collect_seq(values.iter().map(|one| NamedValue(message, "", one)))
            }
            // Ids have more digits than JavaScript keeps; exchanges are spelled out as in trades.
            Value::Number(id) if matches!(*name, "i" | "oi" | "ci") => serializer.serialize_str(id.as_str()),
            Value::Text(code) if matches!(*name, "x" | "ax" | "bx") => {
                serializer.serialize_str(Exchange::from_code(code).name())
            }
            other => other.serialize(serializer),
        }
    }
}

/// What a message about a datum of this kind is called.
fn message_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Quote => "quote",
        Kind::Bar => "bar",
        Kind::UpdatedBar => "updated_bar",
        Kind::DailyBar => "daily_bar",
        Kind::Status => "status",
        Kind::Luld => "luld",
        Kind::Correction => "correction",
        Kind::Cancel => "cancel",
        Kind::Orderbook => "orderbook",
    }
}

#[cfg(test)]
mod tests {
    use alpaca::wire;

    use stream_protocol::Channel;

    use super::Format;

    const TRADE: &str = r#"[{"T":"t","S":"AAPL","i":628,"x":"K","p":162.90,"s":3,"c":["@","F"],"z":"C","t":"2023-04-06T11:54:26.838232225Z"}]"#;

    fn written(format: Format) -> Vec<u8> {
        let frame = wire::decode(TRADE.as_bytes());
        let mut out = Vec::new();
        format.write_trade(&mut out, &frame.trades[0], 0, false);
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
        let pairs = [(Channel::Trades, "AAPL".to_owned())].into();
        let subscription = text(Format::AlpacaJson.subscription("iex", &pairs));
        assert!(
            subscription.ends_with(
                r#"[{"T":"subscription","trades":["AAPL"],"quotes":[],"bars":[],"updatedBars":[],"dailyBars":[],"statuses":[],"lulds":[],"corrections":[],"cancelErrors":[]}]"#
            ),
            "{subscription}"
        );
    }
}
