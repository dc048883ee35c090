//! A string of `expect` that compares: `"< 120"`, `">= 1"`, `"!= dead"`, `"< 120 or null"`.
//!
//! - `<`, `<=`, `>`, `>=` compare with a number, and only numbers hold.
//! - `==` and `!=` compare with any JSON scalar; what is not JSON is a text without quotes. So `"== < 5"` is the
//!   way to mean the text `< 5` itself.
//! - ` or ` joins alternatives, of which one must hold; a word without an operator is one that must be equal.

use std::cmp::Ordering;
use std::fmt;

use serde_json::{Number, Value};

/// A string that compares. None of the alternatives is empty.
#[derive(Clone, Debug, PartialEq)]
pub struct Expectation(Vec<Comparison>);

#[derive(Clone, Debug, PartialEq)]
struct Comparison {
    operator: Operator,
    with: Value,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    Less,
    AtMost,
    Greater,
    AtLeast,
    Equal,
    Unequal,
}

/// The longer ones first, so that `<=` is not taken for `<`.
const OPERATORS: [(&str, Operator); 6] = [
    ("<=", Operator::AtMost),
    (">=", Operator::AtLeast),
    ("==", Operator::Equal),
    ("!=", Operator::Unequal),
    ("<", Operator::Less),
    (">", Operator::Greater),
];

/// A string that begins like a comparison and is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Malformed {
    /// The operator that it begins with.
    pub operator: &'static str,
    /// What stands where a number should.
    pub operand: String,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { operator, operand } = self;
        match operand.as_str() {
            "" => write!(f, "`{operator}` compares with nothing"),
            operand => write!(f, "`{operator}` compares with a number, and `{operand}` is none"),
        }
    }
}

impl Expectation {
    /// The comparison that a string is; none for a string that means itself.
    ///
    /// # Errors
    /// It begins with an operator, and what follows cannot be compared with.
    pub fn parse(text: &str) -> Result<Option<Self>, Malformed> {
        let text = text.trim();
        let Some(first) = operator(text) else {
            return Ok(None);
        };
        // The text after `==` is taken as it is: it may hold anything.
        if first.1 == Operator::Equal {
            return comparison(text).map(|one| Some(Self(vec![one])));
        }
        let alternatives: Result<Vec<_>, _> = text.split(" or ").map(comparison).collect();
        alternatives.map(|alternatives| Some(Self(alternatives)))
    }

    /// Whether this value is as wanted.
    #[must_use]
    pub fn holds(&self, came: &Value) -> bool {
        self.0.iter().any(|alternative| alternative.holds(came))
    }
}

impl Comparison {
    fn holds(&self, came: &Value) -> bool {
        let ordering = order(came, &self.with);
        match self.operator {
            Operator::Less => ordering == Some(Ordering::Less),
            Operator::AtMost => matches!(ordering, Some(Ordering::Less | Ordering::Equal)),
            Operator::Greater => ordering == Some(Ordering::Greater),
            Operator::AtLeast => matches!(ordering, Some(Ordering::Greater | Ordering::Equal)),
            Operator::Equal => equal(came, &self.with),
            Operator::Unequal => !equal(came, &self.with),
        }
    }
}

fn operator(text: &str) -> Option<(&'static str, Operator)> {
    OPERATORS.into_iter().find(|(sign, _)| text.starts_with(sign))
}

fn comparison(text: &str) -> Result<Comparison, Malformed> {
    let text = text.trim();
    let (sign, kind) = operator(text).unwrap_or(("", Operator::Equal));
    let operand = text[sign.len()..].trim();
    let with = scalar(operand);
    let comparable = match kind {
        Operator::Less | Operator::AtMost | Operator::Greater | Operator::AtLeast => with.is_number(),
        Operator::Equal | Operator::Unequal => !operand.is_empty(),
    };
    if comparable {
        return Ok(Comparison { operator: kind, with });
    }
    let (operator, operand) = (sign, operand.to_owned());
    Err(Malformed { operator, operand })
}

/// A number, `true`, `null` or a text in quotes; anything else is a text without them.
fn scalar(text: &str) -> Value {
    match serde_json::from_str(text) {
        Ok(value @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_))) => value,
        Ok(Value::Array(_) | Value::Object(_)) | Err(_) => Value::from(text),
    }
}

fn equal(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(_), Value::Number(_)) => order(one, other) == Some(Ordering::Equal),
        (one, other) => one == other,
    }
}

fn order(one: &Value, other: &Value) -> Option<Ordering> {
    let (Value::Number(one), Value::Number(other)) = (one, other) else {
        return None;
    };
    match (whole(one), whole(other)) {
        (Some(one), Some(other)) => Some(one.cmp(&other)),
        (None, _) | (_, None) => one.as_f64()?.partial_cmp(&other.as_f64()?),
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

    fn holds(wanted: &str, came: &Value) -> bool {
        let parsed = Expectation::parse(wanted).expect("well-formed");
        parsed.expect("a comparison").holds(came)
    }

    #[test]
    fn numbers_are_compared_by_value() {
        for (wanted, came, expected) in [
            ("< 120", json!(119.9), true),
            ("< 120", json!(120), false),
            ("<=120", json!(120.0), true),
            (">= 1", json!(1), true),
            (">= 1", json!(0), false),
            ("> -2.5e1", json!(-24), true),
            ("== 1", json!(1.0), true),
            ("!= 0", json!(0.0), false),
            ("> 9007199254740992", json!(9_007_199_254_740_993_u64), true),
        ] {
            assert_eq!(holds(wanted, &came), expected, "{came} {wanted}");
        }
    }

    #[test]
    fn what_is_no_number_is_neither_more_nor_less() {
        for came in [json!(null), json!("5"), json!(true), json!([5]), json!({"a": 5})] {
            assert!(!holds("< 120", &came) && !holds(">= -120", &came), "{came}");
            assert!(holds("!= 120", &came), "{came}");
        }
    }

    #[test]
    fn texts_truths_and_nothing_are_equal_or_not() {
        assert!(holds("!= dead", &json!("running")) && !holds("!= dead", &json!("dead")));
        assert!(holds("== true", &json!(true)) && !holds("== true", &json!("true")));
        assert!(holds("== \"true\"", &json!("true")) && !holds("!= null", &json!(null)));
        assert!(holds("== [1]", &json!("[1]")), "a list is a text here");
    }

    #[test]
    fn alternatives_need_one_that_holds() {
        for (came, expected) in [(json!(5), true), (json!(null), true), (json!(500), false)] {
            assert_eq!(holds("< 120 or null", &came), expected, "{came}");
        }
        assert!(holds("< 0 or > 9 or ok", &json!("ok")));
    }

    #[test]
    fn two_equal_signs_mean_the_text_itself() {
        assert!(holds("== < 5", &json!("< 5")));
        assert!(holds("== this or that", &json!("this or that")));
        assert_eq!(Expectation::parse("plain <text>"), Ok(None));
        assert_eq!(Expectation::parse(""), Ok(None));
    }

    #[test]
    fn what_cannot_be_compared_with_is_told() {
        let told = |text| Expectation::parse(text).expect_err("malformed").to_string();
        assert_eq!(told("< 12O"), "`<` compares with a number, and `12O` is none");
        assert_eq!(told(">="), "`>=` compares with nothing");
        assert_eq!(told("=="), "`==` compares with nothing");
        assert_eq!(told("< 5 or > x"), "`>` compares with a number, and `x` is none");
    }
}
