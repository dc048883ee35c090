//! A JSON number exactly as it was written: prices cross the stream digit for digit.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

/// A JSON number that keeps its spelling: `150.10` stays `150.10`, and a 19-digit id keeps all its
/// digits. Equality is equality of the spelling.
///
/// It can be read from and written to JSON only; other formats lend it their value by `From`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Number(Box<str>);

/// The text was not a JSON number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotANumber(String);

impl Number {
    /// Takes over the text of a JSON number (RFC 8259 §6), such as `150.25`, `-3` or `1e-7`.
    pub fn parse(text: &str) -> Result<Self, NotANumber> {
        let starts_well = text.starts_with(|c: char| c == '-' || c.is_ascii_digit());
        if starts_well && serde_json::from_str::<&RawValue>(text).is_ok() && !ends_in_space(text) {
            Ok(Self(text.into()))
        } else {
            Err(NotANumber(text.chars().take(40).collect()))
        }
    }

    /// The number as it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The nearest float; very large numbers become infinite.
    pub fn to_f64(&self) -> f64 {
        self.0.parse().expect("every JSON number is a valid f64 text")
    }
}

fn ends_in_space(text: &str) -> bool {
    text.ends_with(|c: char| c.is_ascii_whitespace())
}

impl From<u64> for Number {
    fn from(value: u64) -> Self {
        Self(value.to_string().into())
    }
}

/// The shortest text that reads back as the same float. Infinities and NaN, which JSON cannot
/// express, become 0.
impl From<f64> for Number {
    fn from(value: f64) -> Self {
        serde_json::Number::from_f64(value)
            .map_or_else(|| Self("0".into()), |number| Self(number.to_string().into()))
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for NotANumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} is not a JSON number", self.0)
    }
}

impl std::error::Error for NotANumber {}

impl Serialize for Number {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serde_json::from_str::<&RawValue>(&self.0)
            .map_err(serde::ser::Error::custom)?
            .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = <&RawValue>::deserialize(deserializer)?;
        Self::parse(raw.get()).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::Number;

    #[test]
    fn spelling_is_kept() {
        for text in ["150.10", "0.1", "3447222699101865076", "-1e-7", "0"] {
            let number: Number = serde_json::from_str(text).expect(text);
            assert_eq!(number.as_str(), text);
            assert_eq!(serde_json::to_string(&number).expect(text), text);
        }
    }

    #[test]
    fn other_json_is_refused() {
        for text in [
            "\"1\"", "null", "[1]", "", "1 ", " 1", "1x", "01", "+1", ".5", "NaN", "-",
        ] {
            assert!(Number::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn floats_are_written_in_the_shortest_way_that_reads_back() {
        assert_eq!(Number::from(162.92).as_str(), "162.92");
        assert_eq!(Number::from(f64::NAN).as_str(), "0");
        assert_eq!(Number::from(7_u64).as_str(), "7");
        assert!((Number::from(0.1).to_f64() - 0.1).abs() < f64::EPSILON);
    }
}
