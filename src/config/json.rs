//! What a probe sends and expects: TOML as JSON.

use serde_json::{Map, Number, Value};
use toml::de::DeValue;

use super::item::Item;
use crate::service::Expectation;

/// A table as a JSON object. Dates become strings.
pub(super) fn object(item: Item<'_>) -> Option<Value> {
    match item.value.get_ref() {
        DeValue::Table(_) => any(item),
        _ => item.mistyped(),
    }
}

/// What an answer must hold: its strings may compare.
pub(super) fn expectation(item: Item<'_>) -> Option<Value> {
    let wanted = object(item)?;
    comparisons(item).map(|()| wanted)
}

/// Whether each string that begins like a comparison is one.
fn comparisons(item: Item<'_>) -> Option<()> {
    let all = |values: Vec<Option<()>>| values.into_iter().collect::<Option<Vec<()>>>().map(drop);
    match item.value.get_ref() {
        DeValue::String(text) => match Expectation::parse(text) {
            Ok(_) => Some(()),
            Err(malformed) => item.wrong(
                malformed.to_string(),
                format!("to mean the text itself, write \"== {text}\""),
            ),
        },
        DeValue::Array(values) => all(values
            .iter()
            .map(|value| comparisons(item.within(value)))
            .collect()),
        DeValue::Table(entries) => all(entries
            .iter()
            .map(|(_, value)| comparisons(item.within(value)))
            .collect()),
        DeValue::Integer(_) | DeValue::Float(_) | DeValue::Boolean(_) | DeValue::Datetime(_) => Some(()),
    }
}

/// Any value. Reads on past what is wrong, so that all of it is told.
fn any(item: Item<'_>) -> Option<Value> {
    let within = |value| any(item.within(value));
    match item.value.get_ref() {
        DeValue::String(text) => Some(Value::from(&**text)),
        DeValue::Integer(_) => item.integer().map(Value::from),
        DeValue::Float(number) => {
            let finite = number.as_str().parse().ok().and_then(Number::from_f64);
            let wrong = || item.wrong(format!("JSON has no {number}"), "write a finite number");
            finite.map(Value::Number).or_else(wrong)
        }
        DeValue::Boolean(yes) => Some(Value::Bool(*yes)),
        DeValue::Datetime(moment) => Some(Value::String(moment.to_string())),
        DeValue::Array(values) => {
            let values: Vec<_> = values.iter().map(within).collect();
            values.into_iter().collect::<Option<_>>().map(Value::Array)
        }
        DeValue::Table(entries) => {
            let entry = |(key, value): (&toml::Spanned<_>, _)| {
                (String::from(AsRef::<str>::as_ref(key.get_ref())), within(value))
            };
            let entries: Vec<_> = entries.iter().map(entry).collect();
            let whole: Option<Map<_, _>> = entries
                .into_iter()
                .map(|(key, value)| Some((key, value?)))
                .collect();
            whole.map(Value::Object)
        }
    }
}
