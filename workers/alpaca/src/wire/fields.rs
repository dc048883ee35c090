//! Reads an object field by field, whatever it holds, from JSON or msgpack.

use std::fmt;

use serde::de::{Error as _, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use stream_protocol::Number;

use super::packed::Octets;
use crate::datum::{Datum, Kind, Value};

/// Fields in the order in which they came.
pub(super) type Fields = Vec<(String, Value)>;

/// How deep lists and objects may be nested: Alpaca's deepest is an object in a list.
const DEEPEST: usize = 8;

/// The datum that these fields make; `None` without a symbol.
pub(super) fn datum(kind: Kind, fields: Fields) -> Option<Datum> {
    let mut symbol = None;
    let mut rest = Vec::with_capacity(fields.len());
    for (name, value) in fields {
        match (name.as_str(), value) {
            ("T", _) => {}
            ("S", Value::Text(text)) => symbol = Some(text),
            // JSON has no times of its own.
            ("t" | "r", Value::Text(text)) => rest.push((name, Value::Time(text))),
            (_, value) => rest.push((name, value)),
        }
    }
    Some(Datum {
        kind,
        symbol: symbol?,
        fields: rest,
    })
}

/// The fields of a JSON object; numbers keep their digits.
pub(super) fn from_json(text: &str) -> Option<Fields> {
    let Raw(fields) = serde_json::from_str(text).ok()?;
    let fields = fields.into_iter();
    fields
        .map(|(name, raw)| Some((name, value(raw.get(), DEEPEST)?)))
        .collect()
}

fn value(text: &str, depth: usize) -> Option<Value> {
    let depth = depth.checked_sub(1)?;
    Some(match text.as_bytes().first()? {
        b'"' => Value::Text(serde_json::from_str(text).ok()?),
        b'[' => {
            let raw: Vec<&RawValue> = serde_json::from_str(text).ok()?;
            let values: Option<Vec<Value>> = raw.iter().map(|raw| value(raw.get(), depth)).collect();
            Value::List(values?)
        }
        b'{' => {
            let Raw(raw) = serde_json::from_str(text).ok()?;
            let fields: Option<Fields> = raw
                .into_iter()
                .map(|(name, raw)| Some((name, value(raw.get(), depth)?)))
                .collect();
            Value::Fields(fields?)
        }
        b't' | b'f' => Value::Flag(serde_json::from_str(text).ok()?),
        b'n' => Value::Null,
        _ => Value::Number(Number::parse(text).ok()?),
    })
}

/// A JSON object whose values are not read yet.
struct Raw<'a>(Vec<(String, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Raw<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries;
        impl<'de> Visitor<'de> for Entries {
            type Value = Vec<(String, &'de RawValue)>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(entries)
            }
        }
        deserializer.deserialize_map(Entries).map(Raw)
    }
}

/// The fields of a msgpack map.
pub(super) fn from_msgpack(bytes: &[u8]) -> Option<Fields> {
    match rmp_serde::from_slice(bytes).ok()? {
        Packed(Value::Fields(fields)) => Some(fields),
        Packed(_) => None,
    }
}

struct Packed(Value);

impl<'de> Deserialize<'de> for Packed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Any).map(Packed)
    }
}

/// Takes whatever comes.
struct Any;

impl<'de> Visitor<'de> for Any {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(Value::Text(text.to_owned()))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Value, E> {
        Ok(Value::Number(Number::from(number)))
    }

    fn visit_i64<E: serde::de::Error>(self, number: i64) -> Result<Value, E> {
        let number = Number::parse(&number.to_string());
        number.map(Value::Number).map_err(|_| E::custom("no number"))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Value, E> {
        Ok(Value::Number(Number::from(number)))
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Value, E> {
        Ok(Value::Flag(flag))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        while let Some(Packed(value)) = seq.next_element()? {
            values.push(value);
        }
        Ok(Value::List(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut fields = Vec::new();
        while let Some((name, Packed(value))) = map.next_entry()? {
            fields.push((name, value));
        }
        Ok(Value::Fields(fields))
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, extension: D) -> Result<Value, D::Error> {
        let (kind, octets) = <(i8, Octets)>::deserialize(extension)?;
        let time = (kind == -1).then(|| octets.timestamp()).flatten();
        let time = time.ok_or_else(|| D::Error::custom("no timestamp"))?;
        Ok(Value::Time(time.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::super::decode;
    use crate::datum::{Kind, Value};

    const DOCUMENTED: [(&str, Kind); 7] = [
        (
            r#"[{"T":"q","S":"AMD","bx":"U","bp":87.66,"bs":1,"ax":"Q","ap":87.680,"as":4,"t":"2021-02-22T15:51:45.335689322Z","c":["R"],"z":"C"}]"#,
            Kind::Quote,
        ),
        (
            r#"[{"T":"b","S":"SPY","o":388.985,"h":389.13,"l":388.975,"c":389.12,"v":49378,"n":461,"vw":389.062639,"t":"2021-02-22T19:15:00Z"}]"#,
            Kind::Bar,
        ),
        (
            r#"[{"T":"c","S":"EEM","x":"M","oi":52983525033527,"op":39.1582,"os":440000,"oc":[" ","7"],"ci":52983525034326,"cp":39.1809,"cs":440000,"cc":[" ","7"],"z":"B","t":"2023-04-06T14:25:06.542305024Z"}]"#,
            Kind::Correction,
        ),
        (
            r#"[{"T":"x","S":"GOOGL","i":465,"x":"D","p":105.31,"s":300,"a":"C","z":"C","t":"2023-04-06T13:15:42.83540958Z"}]"#,
            Kind::Cancel,
        ),
        (
            r#"[{"T":"l","S":"IONM","u":3.24,"d":2.65,"i":"B","t":"2023-04-06T13:34:45.565004401Z","z":"C"}]"#,
            Kind::Luld,
        ),
        (
            r#"[{"T":"s","S":"AAPL","sc":"H","sm":"Trading Halt","rc":"T12","rm":"Trading Halted","t":"2021-02-22T19:15:00Z","z":"C"}]"#,
            Kind::Status,
        ),
        (
            r#"[{"T":"o","S":"BTC/USD","t":"2024-03-12T10:27:48.858228144Z","b":[{"p":71859.53,"s":0.27994}],"a":[],"r":true}]"#,
            Kind::Orderbook,
        ),
    ];

    #[test]
    fn all_documented_data_are_read_whole_and_written_as_they_came() {
        for (text, kind) in DOCUMENTED {
            let frame = decode(text.as_bytes());
            assert_eq!((frame.data.len(), frame.broken), (1, 0), "{text}");
            assert_eq!(frame.data[0].kind, kind);
            assert_eq!(serde_json::to_string(&frame.data).expect("JSON"), text);
        }
    }

    #[test]
    fn msgpack_carries_the_same_with_times_of_its_own() {
        for (text, _) in DOCUMENTED {
            let json = decode(text.as_bytes()).data;
            let packed = rmp_serde::to_vec_named(&json).expect("msgpack");
            let back = decode(&packed);
            assert_eq!(back.broken, 0, "{text}");
            // 87.680 is written as a float there.
            let same = serde_json::to_string(&back.data).expect("JSON");
            assert_eq!(same, text.replace("87.680", "87.68"));
            assert!(matches!(back.data[0].field("t"), Some(Value::Time(_))));
        }
    }

    #[test]
    fn fields_are_found_by_their_names_and_new_ones_kept() {
        let frame = decode(br#"[{"T":"q","S":"A","ap":1.50,"new":{"a":null},"t":"x"},{"T":"q","ap":1}]"#);
        let quote = &frame.data[0];
        assert_eq!(
            quote.number("ap").map(stream_protocol::Number::as_str),
            Some("1.50")
        );
        assert_eq!((quote.text("t"), quote.text("ap")), (Some("x"), None));
        assert!(quote.field("new").is_some());
        assert_eq!(frame.broken, 1, "without a symbol");
    }
}
