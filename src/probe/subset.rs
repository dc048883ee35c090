//! Whether a JSON answer holds what is wanted, and where it does not. The only matcher of `expect`.
//!
//! - An object holds another when it has each of its keys and each value holds the wanted one.
//! - An array holds another when each wanted element is held by some element, in any order.
//! - A string that begins with an operator compares: `"< 120"`, `">= 1"`, `"!= dead"`; see [`Expectation`].
//! - Numbers are equal by value: `1` is `1.0`. All else is equal or not.

use std::fmt;

use serde_json::{Number, Value};

use crate::service::Expectation;

/// One place where an answer is not what is wanted.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    /// Where: `healthy`, `feed.symbols`; empty for the answer itself.
    pub path: String,
    /// What should be there; inside an array, the element that is lacking.
    pub wanted: Value,
    /// What is there.
    pub came: Came,
}

/// What is in the place of something wanted.
#[derive(Clone, Debug, PartialEq)]
pub enum Came {
    /// Another value.
    Other(Value),
    /// No such key.
    Nothing,
    /// An array without such an element.
    ArrayWithout,
}

/// How many characters of a value a sentence quotes.
const QUOTED: usize = 60;

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = if self.path.is_empty() {
            "the answer"
        } else {
            &self.path
        };
        let wanted = excerpt(&in_words(&self.wanted), QUOTED);
        match &self.came {
            Came::Other(came) => {
                let came = excerpt(&came.to_string(), QUOTED);
                write!(f, "{path} is {came}, wanted {wanted}")
            }
            Came::Nothing => write!(f, "{path} is missing, wanted {wanted}"),
            Came::ArrayWithout => write!(f, "{path} lacks {wanted}"),
        }
    }
}

/// In what `came` differs from `wanted`; empty when it holds it.
#[must_use]
pub fn differences(wanted: &Value, came: &Value) -> Vec<Difference> {
    let mut found = Vec::new();
    compare(String::new(), wanted, came, &mut found);
    found
}

/// How many of the wanted object's own keys agree; tells a near answer from a stranger.
pub(super) fn agreement(wanted: &Value, came: &Value) -> usize {
    let (Some(wanted), Some(came)) = (wanted.as_object(), came.as_object()) else {
        return 0;
    };
    let agrees = |(key, value): &(&String, &Value)| came.get(*key).is_some_and(|came| holds(value, came));
    wanted.iter().filter(agrees).count()
}

/// The first `limit` characters, and a sign that there were more.
pub(super) fn excerpt(text: &str, limit: usize) -> String {
    match text.char_indices().nth(limit) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.into(),
    }
}

/// As JSON; a comparison as it was declared, without quotes.
fn in_words(wanted: &Value) -> String {
    match wanted.as_str() {
        Some(text) if Expectation::parse(text).is_ok_and(|parsed| parsed.is_some()) => text.to_owned(),
        Some(_) | None => wanted.to_string(),
    }
}

pub(super) fn holds(wanted: &Value, came: &Value) -> bool {
    differences(wanted, came).is_empty()
}

fn compare(path: String, wanted: &Value, came: &Value, found: &mut Vec<Difference>) {
    match (wanted, came) {
        (Value::Object(keys), Value::Object(have)) => {
            for (key, wanted) in keys {
                let path = if path.is_empty() {
                    key.clone()
                } else {
                    format!("{path}.{key}")
                };
                match have.get(key) {
                    Some(came) => compare(path, wanted, came, found),
                    None => found.push(Difference {
                        path,
                        wanted: wanted.clone(),
                        came: Came::Nothing,
                    }),
                }
            }
        }
        (Value::Array(elements), Value::Array(have)) => {
            let lacking = elements
                .iter()
                .filter(|wanted| !have.iter().any(|came| holds(wanted, came)));
            found.extend(lacking.map(|wanted| Difference {
                path: path.clone(),
                wanted: wanted.clone(),
                came: Came::ArrayWithout,
            }));
        }
        (wanted, came) if leaf_holds(wanted, came) => {}
        (wanted, came) => {
            let (wanted, came) = (wanted.clone(), Came::Other(came.clone()));
            found.push(Difference { path, wanted, came });
        }
    }
}

/// Whether one value is the wanted one. A comparison such as `"< 120"` would be understood here.
/// A string that compares, compared; numbers by value; all else is equal or not.
fn leaf_holds(wanted: &Value, came: &Value) -> bool {
    match wanted {
        Value::String(text) => match Expectation::parse(text) {
            Ok(Some(expectation)) => expectation.holds(came),
            Ok(None) | Err(_) => wanted == came,
        },
        Value::Number(wanted) => came.as_number().is_some_and(|came| same_number(wanted, came)),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => wanted == came,
    }
}

fn same_number(one: &Number, other: &Number) -> bool {
    match (whole(one), whole(other)) {
        (Some(one), Some(other)) => one == other,
        (None, _) | (_, None) => one.as_f64() == other.as_f64(),
    }
}

/// A whole number exactly: as floats, two neighbours above 2^53 would be the same.
fn whole(number: &Number) -> Option<i128> {
    number
        .as_i64()
        .map(i128::from)
        .or_else(|| number.as_u64().map(i128::from))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn sentences(wanted: &Value, came: &Value) -> Vec<String> {
        differences(wanted, came)
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    #[test]
    fn more_than_wanted_is_fine() {
        let came = json!({"type": "health", "healthy": true, "feed": {"name": "iex", "symbols": ["A", "B"]}});
        for wanted in [
            json!({}),
            json!({"type": "health", "healthy": true}),
            json!({"feed": {"name": "iex"}}),
            json!({"feed": {"symbols": ["B", "A"]}}),
            json!({"feed": {"symbols": []}}),
        ] {
            assert_eq!(sentences(&wanted, &came), Vec::<String>::new(), "{wanted}");
        }
    }

    #[test]
    fn each_difference_names_its_place() {
        let came = json!({"type": "health", "healthy": false, "feed": {"name": "iex", "symbols": ["A"]}});
        let wanted = json!({"healthy": true, "feed": {"name": "sip", "symbols": ["A", "B"], "lag": 1}});
        assert_eq!(
            sentences(&wanted, &came),
            [
                "feed.lag is missing, wanted 1",
                "feed.name is \"iex\", wanted \"sip\"",
                "feed.symbols lacks \"B\"",
                "healthy is false, wanted true",
            ]
        );
    }

    #[test]
    fn kinds_are_not_confused() {
        assert_eq!(
            sentences(&json!({"a": 1}), &json!([1])),
            [r#"the answer is [1], wanted {"a":1}"#]
        );
        assert_eq!(
            sentences(&json!(true), &json!("true")),
            [r#"the answer is "true", wanted true"#]
        );
        assert_eq!(
            sentences(&json!({"a": null}), &json!({})),
            ["a is missing, wanted null"]
        );
        assert_eq!(
            sentences(&json!({"a": null}), &json!({"a": null})),
            Vec::<String>::new()
        );
    }

    #[test]
    fn strings_that_begin_with_an_operator_compare() {
        let came = json!({"silence_s": 141.5, "clients": {"total": 0}, "state": "dead", "last": null});
        let wanted =
            json!({"silence_s": "< 120", "clients": {"total": ">= 1"}, "state": "!= dead", "last": "< 5"});
        assert_eq!(
            sentences(&wanted, &came),
            [
                "clients.total is 0, wanted >= 1",
                "last is null, wanted < 5",
                "silence_s is 141.5, wanted < 120",
                "state is \"dead\", wanted != dead",
            ]
        );
        let wanted = json!({"silence_s": "> 100", "clients": {"total": "== 0"}, "last": "< 5 or null"});
        assert_eq!(sentences(&wanted, &came), Vec::<String>::new());
        assert_eq!(
            sentences(&json!({"none": "< 1"}), &came),
            ["none is missing, wanted < 1"]
        );
        assert!(holds(&json!(["> 2"]), &json!([1, 2, 3])) && !holds(&json!(["> 3"]), &json!([1, 2, 3])));
        assert!(holds(&json!({"text": "== < 5"}), &json!({"text": "< 5"})));
    }

    #[test]
    fn numbers_are_equal_by_value() {
        assert!(holds(&json!(1), &json!(1.0)));
        assert!(holds(&json!(-3.0), &json!(-3)));
        assert!(!holds(&json!(1), &json!(1.5)));
        assert!(!holds(
            &json!(9_007_199_254_740_993_u64),
            &json!(9_007_199_254_740_992_u64)
        ));
        assert!(!holds(&json!(u64::MAX), &json!(-1)));
    }

    #[test]
    fn array_elements_are_matched_as_subsets() {
        let came = json!([{"port": 1, "state": "ok"}, {"port": 2, "state": "free"}]);
        assert!(holds(&json!([{"port": 2}]), &came));
        assert!(!holds(&json!([{"port": 2, "state": "ok"}]), &came));
    }

    #[test]
    fn long_values_are_cut_at_a_character() {
        let long = json!({"text": "é".repeat(200)});
        let sentence = sentences(&json!({"text": "x"}), &long).remove(0);
        assert!(sentence.chars().count() < 100, "{sentence}");
        assert!(sentence.contains("é…"), "{sentence}");
    }

    #[test]
    fn agreement_counts_keys() {
        let wanted = json!({"type": "health", "healthy": true});
        assert_eq!(
            agreement(&wanted, &json!({"type": "health", "healthy": false})),
            1
        );
        assert_eq!(agreement(&wanted, &json!({"type": "trade"})), 0);
        assert_eq!(agreement(&wanted, &json!("health")), 0);
    }
}
