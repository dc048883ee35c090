//! `[logs]` and a service's `log`: sizes, ages, rates and patterns.

use std::sync::Arc;
use std::time::Duration;

use toml::de::DeValue;

use super::item::Item;
use super::scalar::{self, Wrong};
use super::table::Table;
use crate::service::{Compress, ErrorLines, Format, LogSpec, MaxAge, pattern};

/// A file smaller than this would be nothing but rotation.
const LEAST_SIZE: u64 = 4 << 10;
/// Shorter records would be more label than text.
const LEAST_LINE: u64 = 256;
/// Longer records are cut by those who read them.
const MOST_LINE: u64 = 1 << 20;

/// The table over what holds without it.
pub(super) fn log(item: Item<'_>, usual: &LogSpec) -> Option<LogSpec> {
    let table = item.table()?;
    let size = |name, least| {
        table
            .item(name)
            .and_then(|item| at_least(item, least, item.size()))
    };
    let optional = |name| table.item(name);
    Some(LogSpec {
        max_size: size("max_size", LEAST_SIZE).unwrap_or(usual.max_size),
        max_age: optional("max_age").and_then(age).or(usual.max_age),
        keep: optional("keep").and_then(|item| item.number()).or(usual.keep),
        keep_for: optional("keep_for")
            .and_then(|item| judged(item, scalar::days))
            .or(usual.keep_for),
        max_total: size("max_total", 2 * LEAST_SIZE).or(usual.max_total),
        compress: optional("compress").and_then(compress).unwrap_or(usual.compress),
        format: optional("format").and_then(format).unwrap_or(usual.format),
        separate: optional("separate")
            .and_then(Item::flag)
            .unwrap_or(usual.separate),
        max_rate: optional("max_rate")
            .and_then(|item| at_least(item, 1, judged(item, scalar::rate)))
            .or(usual.max_rate),
        max_line: max_line(&table).unwrap_or(usual.max_line),
        errors: optional("error_pattern")
            .and_then(errors)
            .unwrap_or_else(|| usual.errors.clone()),
    })
}

/// How a service's output is kept.
pub(super) fn of_service(service: &Table<'_>, usual: &Arc<LogSpec>) -> Arc<LogSpec> {
    let declared = service.item("log").and_then(|item| log(item, usual));
    declared.map_or_else(|| usual.clone(), Arc::new)
}

/// `log_max_total` of `[sentinel]`.
pub(super) fn max_total(item: Item<'_>) -> Option<u64> {
    at_least(item, 16 * LEAST_SIZE, item.size())
}

fn judged<T>(item: Item<'_>, read: impl Fn(&str) -> Result<T, Wrong>) -> Option<T> {
    let DeValue::String(text) = item.value.get_ref() else {
        return item.mistyped();
    };
    match read(text) {
        Ok(value) => Some(value),
        Err(Wrong { message, help }) => item.wrong(message, help),
    }
}

fn at_least(item: Item<'_>, least: u64, value: Option<u64>) -> Option<u64> {
    let value = value?;
    if value < least {
        let help = format!("the smallest is \"{}\"", in_words(least));
        return item.wrong(format!("`{}` is too small", item.key), help);
    }
    Some(value)
}

fn in_words(bytes: u64) -> String {
    if bytes.is_multiple_of(1024) {
        format!("{}KiB", bytes / 1024)
    } else {
        format!("{bytes}B")
    }
}

fn max_line(table: &Table<'_>) -> Option<usize> {
    let item = table.item("max_line")?;
    let bytes = at_least(item, LEAST_LINE, item.size())?;
    if bytes > MOST_LINE {
        return item.wrong("`max_line` is too large", "the largest is \"1MiB\"");
    }
    usize::try_from(bytes).ok()
}

fn age(item: Item<'_>) -> Option<MaxAge> {
    judged(item, |text| match text {
        "hourly" => Ok(MaxAge::Hourly),
        "daily" => Ok(MaxAge::Daily),
        "weekly" => Ok(MaxAge::Weekly),
        text => match scalar::days(text)? {
            short if short < Duration::from_secs(1) => Err(Wrong {
                message: format!("\"{text}\" is too short"),
                help: "the shortest age is \"1s\"".into(),
            }),
            after => Ok(MaxAge::After(after)),
        },
    })
}

fn compress(item: Item<'_>) -> Option<Compress> {
    Some(match item.choice()? {
        "none" => Compress::None,
        _ => Compress::Gzip,
    })
}

fn format(item: Item<'_>) -> Option<Format> {
    Some(match item.choice()? {
        "raw" => Format::Raw,
        "json" => Format::Json,
        _ => Format::Text,
    })
}

fn errors(item: Item<'_>) -> Option<ErrorLines> {
    match item.text()? {
        "" => Some(ErrorLines::None),
        text => match pattern(text) {
            Ok(_) => Some(ErrorLines::Matching(text.to_owned())),
            Err(error) => item.wrong(
                format!("not a regular expression: {error}"),
                "a literal is written with `\\`, like \"\\\\(\"",
            ),
        },
    }
}
