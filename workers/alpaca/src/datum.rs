//! Everything but trades that a feed tells: quotes, bars, statuses, corrections and cancels.
//!
//! Kept field by field as it came, so that what Alpaca adds tomorrow reaches those who read it.

use jiff::Timestamp;
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use stream_protocol::Number;

use crate::Channel;

/// What a datum is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The best offers: `bp bs bx ap as ax c z t`.
    Quote,
    /// A bar of a minute: `o h l c v n vw t`.
    Bar,
    /// A minute's bar again, after late trades.
    UpdatedBar,
    /// The bar of the day so far.
    DailyBar,
    /// A halt or a resumption: `sc sm rc rm z t`.
    Status,
    /// Limit-up-limit-down bands: `u d i z t`.
    Luld,
    /// A trade was other than told: `x oi op os oc ci cp cs cc z t`.
    Correction,
    /// A trade never was: `i x p s a z t`.
    Cancel,
    /// Levels of an order book: `b a r t`.
    Orderbook,
}

impl Kind {
    const ALL: [(Self, &'static str); 9] = [
        (Self::Quote, "q"),
        (Self::Bar, "b"),
        (Self::UpdatedBar, "u"),
        (Self::DailyBar, "d"),
        (Self::Status, "s"),
        (Self::Luld, "l"),
        (Self::Correction, "c"),
        (Self::Cancel, "x"),
        (Self::Orderbook, "o"),
    ];

    /// The kind that `T` names; `None` for trades, answers, and what is not known.
    pub fn named(name: &str) -> Option<Self> {
        let mut all = Self::ALL.into_iter();
        all.find(|(_, known)| *known == name).map(|(kind, _)| kind)
    }

    /// Its letter on the wire.
    pub fn letter(self) -> &'static str {
        let mut all = Self::ALL.into_iter();
        all.find(|(kind, _)| *kind == self)
            .map_or("", |(_, letter)| letter)
    }

    /// The channel by which it comes; corrections and cancels come with the trades.
    pub fn channel(self) -> Channel {
        match self {
            Self::Quote => Channel::Quotes,
            Self::Bar => Channel::Bars,
            Self::UpdatedBar => Channel::UpdatedBars,
            Self::DailyBar => Channel::DailyBars,
            Self::Status => Channel::Statuses,
            Self::Luld => Channel::Lulds,
            Self::Correction | Self::Cancel => Channel::Trades,
            Self::Orderbook => Channel::Orderbooks,
        }
    }
}

/// One thing told of a symbol.
#[derive(Clone, Debug, PartialEq)]
pub struct Datum {
    /// What it is.
    pub kind: Kind,
    /// The symbol, as sent.
    pub symbol: String,
    /// All its other fields by their names on the wire, in the order in which they came.
    pub fields: Vec<(String, Value)>,
}

/// The value of a field.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A text.
    Text(String),
    /// A time, RFC 3339 as it was sent, or as msgpack's timestamp says.
    Time(String),
    /// A number, digit for digit where it came as digits.
    Number(Number),
    /// True or false.
    Flag(bool),
    /// Nothing.
    Null,
    /// Several.
    List(Vec<Value>),
    /// Fields of its own, such as a level of an order book.
    Fields(Vec<(String, Value)>),
}

impl Datum {
    /// The field of this name.
    pub fn field(&self, name: &str) -> Option<&Value> {
        let mut fields = self.fields.iter();
        fields.find(|(known, _)| known == name).map(|(_, value)| value)
    }

    /// The text or time of this name.
    pub fn text(&self, name: &str) -> Option<&str> {
        match self.field(name)? {
            Value::Text(text) | Value::Time(text) => Some(text),
            Value::Number(_) | Value::Flag(_) | Value::Null | Value::List(_) | Value::Fields(_) => None,
        }
    }

    /// The number of this name.
    pub fn number(&self, name: &str) -> Option<&Number> {
        match self.field(name)? {
            Value::Number(number) => Some(number),
            Value::Text(_)
            | Value::Time(_)
            | Value::Flag(_)
            | Value::Null
            | Value::List(_)
            | Value::Fields(_) => None,
        }
    }
}

/// As Alpaca spells it, `T` first: JSON, or msgpack with its own timestamps.
impl Serialize for Datum {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(2 + self.fields.len()))?;
        map.serialize_entry("T", self.kind.letter())?;
        map.serialize_entry("S", &self.symbol)?;
        for (name, value) in &self.fields {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Text(text) => serializer.serialize_str(text),
            Self::Time(time) => Stamp(time).serialize(serializer),
            Self::Number(number) => Figure(number).serialize(serializer),
            Self::Flag(flag) => serializer.serialize_bool(*flag),
            Self::Null => serializer.serialize_unit(),
            Self::List(values) => serializer.collect_seq(values),
            Self::Fields(fields) => serializer.collect_map(fields.iter().map(|(name, value)| (name, value))),
        }
    }
}

/// A number digit for digit where that can be written, else its value.
pub struct Figure<'a>(pub &'a Number);

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
pub struct Stamp<'a>(pub &'a str);

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
