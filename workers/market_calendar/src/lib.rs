//! On which days the New York Stock Exchange trades: its rules, and what was decided besides them.

mod holidays;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::Path;

use jiff::civil::Date;

/// Closures that no rule foretold (2025-01-09: mourning for President Carter).
const DECIDED: &str = "2025-01-09 closed";

/// How long the exchange trades on a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Day {
    /// Not at all: a weekend, a holiday, a day of mourning.
    Closed,
    /// Until 13:00 New York time, and late trading until 17:00.
    Half,
    /// Until 16:00 New York time, and late trading until 20:00.
    Full,
}

/// The exchange's days. The rules are those in force since 2022, with Juneteenth from then on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Calendar {
    /// Days that are not as the rules say.
    decided: BTreeMap<Date, Day>,
}

impl Default for Calendar {
    fn default() -> Self {
        Self {
            decided: parse(DECIDED).unwrap_or_default(),
        }
    }
}

impl Calendar {
    /// The built-in calendar and the days of this file, which go before it. One day per line, such
    /// as `2025-01-09 closed`, `2025-07-03 half` or `2026-07-03 full`; `#` begins a comment. The
    /// error names the file, the line and what is wrong with it.
    pub fn with_file(path: &Path) -> Result<Self, String> {
        let told = |what: String| format!("the calendar file {}: {what}", path.display());
        let text = std::fs::read_to_string(path).map_err(|error| told(error.to_string()))?;
        let mut calendar = Self::default();
        calendar.decided.append(&mut parse(&text).map_err(told)?);
        Ok(calendar)
    }

    /// How long the exchange trades on this day.
    pub fn day(&self, date: Date) -> Day {
        let decided = self.decided.get(&date).copied();
        decided.unwrap_or_else(|| holidays::by_rule(date))
    }
}

fn parse(text: &str) -> Result<BTreeMap<Date, Day>, String> {
    let mut days = BTreeMap::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.split('#').next().unwrap_or_default().trim();
        if line.is_empty() {
            continue;
        }
        let (date, day) = parse_line(line).ok_or_else(|| {
            format!(
                "line {}: {line:?} is not a day such as `2025-01-09 closed` (or half, or full)",
                index + 1
            )
        })?;
        days.insert(date, day);
    }
    Ok(days)
}

fn parse_line(line: &str) -> Option<(Date, Day)> {
    let (date, day) = line.split_once(char::is_whitespace)?;
    let day = match day.trim() {
        "closed" => Day::Closed,
        "half" => Day::Half,
        "full" => Day::Full,
        _ => return None,
    };
    Some((date.parse().ok()?, day))
}
