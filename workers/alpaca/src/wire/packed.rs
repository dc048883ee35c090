//! Alpaca's msgpack variant: the same messages, with times of the timestamp type and numbers as floats.

use std::fmt;
use std::io::Cursor;

use jiff::Timestamp;
use serde::de::{Error as _, IgnoredAny, Visitor};
use serde::{Deserialize, Deserializer};
use stream_protocol::Number;

use super::incoming::{Conditions, Element, Frame};
use super::{fields, quick_packed};
use crate::Trade;
use crate::trade::Written;

/// How deep an element may be nested: Alpaca's deepest has a list in it.
const DEEPEST: usize = 16;

/// msgpack's array markers; a JSON message begins with `[`, which is none of them.
pub(super) fn is_packed(message: &[u8]) -> bool {
    matches!(message.first(), Some(0x90..=0x9f | 0xdc | 0xdd))
}

/// Reads one message of the server.
pub(super) fn decode(message: &[u8]) -> Frame {
    let mut frame = Frame::default();
    let Some((length, mut rest)) = array_header(message) else {
        frame.broken = 1;
        return frame;
    };
    let mut text = String::new();
    for _ in 0..length {
        if let Some((trade, end)) = quick_packed::trade(rest, &mut text) {
            frame.trades.push(trade);
            rest = &rest[end..];
            continue;
        }
        let Some(end) = element_end(rest) else {
            // What is cut or malformed hides all that follows.
            frame.broken += 1;
            break;
        };
        let (element, after) = rest.split_at(end);
        frame.take(Packed(element));
        rest = after;
    }
    frame
}

/// The number of elements, and the bytes after the header.
fn array_header(message: &[u8]) -> Option<(u32, &[u8])> {
    let (marker, rest) = message.split_first()?;
    match marker {
        0x90..=0x9f => Some((u32::from(marker & 0x0f), rest)),
        0xdc => {
            let (length, rest) = rest.split_first_chunk()?;
            Some((u16::from_be_bytes(*length).into(), rest))
        }
        0xdd => {
            let (length, rest) = rest.split_first_chunk()?;
            Some((u32::from_be_bytes(*length), rest))
        }
        _ => None,
    }
}

/// How many bytes the first element takes.
pub(super) fn element_end(bytes: &[u8]) -> Option<usize> {
    let mut reader = rmp_serde::Deserializer::new(Cursor::new(bytes));
    reader.set_max_depth(DEEPEST);
    IgnoredAny::deserialize(&mut reader).ok()?;
    usize::try_from(reader.position()).ok()
}

/// One element, as msgpack.
#[derive(Clone, Copy)]
pub(super) struct Packed<'a>(pub(super) &'a [u8]);

impl<'a> Element<'a> for Packed<'a> {
    fn read<T: Deserialize<'a>>(self) -> Option<T> {
        rmp_serde::from_slice(self.0).ok()
    }

    fn trade(self) -> Option<Trade> {
        self.read::<PackedTrade>().map(|packed| packed.trade())
    }

    fn fields(self) -> Option<fields::Fields> {
        fields::from_msgpack(self.0)
    }
}

#[derive(Deserialize)]
struct PackedTrade {
    #[serde(rename = "S")]
    symbol: String,
    #[serde(default)]
    i: u64,
    #[serde(default)]
    x: String,
    p: Figure,
    s: Figure,
    c: Option<Conditions>,
    t: Time,
    z: Option<String>,
    tks: Option<String>,
}

impl PackedTrade {
    fn trade(&self) -> Trade {
        let conditions = self.c.as_ref();
        Trade::from(Written {
            symbol: &self.symbol,
            id: self.i,
            exchange: &self.x,
            price: self.p.0.as_str(),
            size: self.s.0.as_str(),
            conditions: conditions.map(Conditions::as_slice).unwrap_or_default(),
            timestamp: &self.t.0,
            tape: self.z.as_deref().unwrap_or_default(),
            taker: self.tks.as_deref().unwrap_or_default(),
        })
    }
}

/// A number of any msgpack type.
struct Figure(Number);

impl<'de> Deserialize<'de> for Figure {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Digits;
        impl Visitor<'_> for Digits {
            type Value = Figure;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number")
            }

            fn visit_u64<E>(self, value: u64) -> Result<Figure, E> {
                Ok(Figure(Number::from(value)))
            }

            fn visit_f64<E>(self, value: f64) -> Result<Figure, E> {
                Ok(Figure(Number::from(value)))
            }
        }
        deserializer.deserialize_any(Digits)
    }
}

/// A time as RFC 3339, from msgpack's timestamp type or from a text.
struct Time(String);

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Clock;
        impl<'de> Visitor<'de> for Clock {
            type Value = Time;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a timestamp")
            }

            fn visit_str<E>(self, text: &str) -> Result<Time, E> {
                Ok(Time(text.to_owned()))
            }

            fn visit_newtype_struct<D: Deserializer<'de>>(self, extension: D) -> Result<Time, D::Error> {
                let (kind, octets) = <(i8, Octets)>::deserialize(extension)?;
                let time = (kind == -1).then(|| octets.timestamp()).flatten();
                let time = time.ok_or_else(|| D::Error::custom("no timestamp"))?;
                Ok(Time(time.to_string()))
            }
        }
        deserializer.deserialize_any(Clock)
    }
}

/// The bytes of an extension, at most the 12 of the longest timestamp.
pub(super) struct Octets {
    bytes: [u8; 12],
    length: usize,
}

impl Octets {
    pub(super) fn timestamp(&self) -> Option<Timestamp> {
        timestamp(&self.bytes[..self.length])
    }
}

/// <https://github.com/msgpack/msgpack/blob/master/spec.md#timestamp-extension-type>
pub(super) fn timestamp(bytes: &[u8]) -> Option<Timestamp> {
    match bytes.len() {
        4 => Timestamp::new(u32::from_be_bytes(bytes.try_into().ok()?).into(), 0).ok(),
        8 => {
            let packed = u64::from_be_bytes(bytes.try_into().ok()?);
            let seconds = i64::try_from(packed & 0x3_ffff_ffff).ok()?;
            Timestamp::new(seconds, i32::try_from(packed >> 34).ok()?).ok()
        }
        12 => {
            let nanoseconds = u32::from_be_bytes(bytes[..4].try_into().ok()?);
            let seconds = i64::from_be_bytes(bytes[4..].try_into().ok()?);
            Timestamp::new(seconds, i32::try_from(nanoseconds).ok()?).ok()
        }
        _ => None,
    }
}

impl<'de> Deserialize<'de> for Octets {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Bytes;
        impl Visitor<'_> for Bytes {
            type Value = Octets;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("at most 12 bytes")
            }

            fn visit_bytes<E: serde::de::Error>(self, given: &[u8]) -> Result<Octets, E> {
                let mut bytes = [0; 12];
                let place = bytes.get_mut(..given.len());
                place.ok_or_else(|| E::custom("too long"))?.copy_from_slice(given);
                let length = given.len();
                Ok(Octets { bytes, length })
            }
        }
        deserializer.deserialize_bytes(Bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Control, decode};
    use crate::Topic;

    fn trade(price: &[u8]) -> Vec<u8> {
        let packed = (838_232_225_u64 << 34) | 1_680_782_066;
        let fields: [&[u8]; 4] = [
            b"\x89\xa1T\xa1t\xa1S\xa4AAPL\xa1i\xcd\x02\x74\xa1x\xa1K\xa1p",
            price,
            b"\xa1s\x03\xa1c\x92\xa1@\xa1I\xa1z\xa1C\xa1t",
            &[&b"\xd7\xff"[..], &packed.to_be_bytes()].concat(),
        ];
        fields.concat()
    }

    fn float(value: f64) -> Vec<u8> {
        [&[0xcb][..], &value.to_be_bytes()].concat()
    }

    #[test]
    fn a_trade_is_read_whole() {
        let message = [&[0x91][..], &trade(&float(162.92))].concat();
        let frame = decode(&message);
        let trade = &frame.trades[0];
        assert_eq!((trade.symbol(), trade.id()), ("AAPL", 628));
        assert_eq!((trade.price(), trade.size()), ("162.92", "3"));
        assert!(trade.conditions().eq(["@", "I"]));
        assert_eq!(trade.timestamp(), "2023-04-06T11:54:26.838232225Z");
        assert_eq!((trade.exchange().code(), trade.tape()), ("K", "C"));
    }

    #[test]
    fn controls_are_read_and_one_bad_element_does_not_cost_the_rest() {
        let parts: [&[u8]; 6] = [
            b"\x95",
            b"\x82\xa1T\xa7success\xa3msg\xa9connected",
            b"\x07",
            &trade(b"\xa1x"),
            b"\x83\xa1T\xa5error\xa4code\xcd\x01\x96\xa3msg\xa1m",
            &trade(&float(1.5)),
        ];
        let frame = decode(&parts.concat());
        let error = Control::Error {
            code: 406,
            message: "m".into(),
        };
        assert_eq!(frame.controls, [Control::Welcome, error]);
        assert_eq!((frame.trades.len(), frame.broken), (1, 2));
        let subscription = b"\x91\x83\xa1T\xacsubscription\xa6trades\x91\xa4AAPL\xa6quotes\x90";
        let topics = vec![Topic::trades("AAPL")];
        assert_eq!(decode(subscription).controls, [Control::Subscription { topics }]);
    }

    #[test]
    fn what_is_cut_or_endless_is_broken_and_nothing_worse() {
        let whole = [&[0x92][..], &trade(&float(1.5)), &trade(&float(2.5))].concat();
        for cut in 0..whole.len() {
            let frame = decode(&whole[..cut]);
            assert!(frame.broken == 1 && frame.trades.len() < 2, "cut at {cut}");
        }
        assert_eq!(decode(b"\xdd\xff\xff\xff\xff\x81").broken, 1);
        assert_eq!(decode(b"\xdc\x00").broken, 1);
        assert_eq!(decode(&[0x91; 100_000]).broken, 1, "nested without end");
    }
}
