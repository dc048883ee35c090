//! What `--since` means: an instant, a time of day, or so long ago.

use jiff::civil::{DateTime, Time};
use jiff::{Span, Timestamp, Zoned};

/// Reads `2026-11-21T08:41:00Z`, `2026-11-21 08:41` and `08:41` (local, the last time it was that late), `10m`, `2h`, `1d`.
///
/// # Errors
/// A sentence that shows what is understood.
pub fn parse_since(text: &str, now: &Zoned) -> Result<Timestamp, String> {
    let text = text.trim();
    instant(text)
        .or_else(|| local(text, now))
        .or_else(|| time_of_day(text, now))
        .or_else(|| ago(text, now))
        .ok_or_else(|| {
            format!("`{text}` is not a time: try 10m, 2h, 1d, 08:41, 2026-11-21 or 2026-11-21T08:41:00Z")
        })
}

fn instant(text: &str) -> Option<Timestamp> {
    text.parse().ok()
}

fn local(text: &str, now: &Zoned) -> Option<Timestamp> {
    let at: DateTime = text.parse().ok()?;
    Some(at.to_zoned(now.time_zone().clone()).ok()?.timestamp())
}

fn time_of_day(text: &str, now: &Zoned) -> Option<Timestamp> {
    let time: Time = text.contains(':').then(|| text.parse().ok())??;
    let on = |day: &Zoned| {
        day.date()
            .to_datetime(time)
            .to_zoned(now.time_zone().clone())
            .ok()
    };
    let today = on(now)?;
    if today <= *now {
        return Some(today.timestamp());
    }
    Some(on(&now.yesterday().ok()?)?.timestamp())
}

fn ago(text: &str, now: &Zoned) -> Option<Timestamp> {
    let span: Span = text.parse().ok()?;
    Some(now.checked_sub(span.abs()).ok()?.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::tz::{Offset, TimeZone};

    fn since(text: &str) -> Result<String, String> {
        let zone = TimeZone::fixed(Offset::constant(-5));
        let now: Timestamp = "2026-11-21T08:41:30Z".parse().expect("a time");
        parse_since(text, &now.to_zoned(zone)).map(|at| at.to_string())
    }

    #[test]
    fn each_form_is_an_instant() {
        for (text, at) in [
            ("2026-11-21T08:41:00Z", "2026-11-21T08:41:00Z"),
            ("2026-11-21T09:41:00.5+01:00", "2026-11-21T08:41:00.5Z"),
            ("2026-11-20 08:00", "2026-11-20T13:00:00Z"),
            ("2026-11-20", "2026-11-20T05:00:00Z"),
            ("10m", "2026-11-21T08:31:30Z"),
            ("90s", "2026-11-21T08:40:00Z"),
            ("2h", "2026-11-21T06:41:30Z"),
            ("1h30m", "2026-11-21T07:11:30Z"),
            (" 1d ", "2026-11-20T08:41:30Z"),
            ("5m ago", "2026-11-21T08:36:30Z"),
            ("03:00", "2026-11-21T08:00:00Z"),
            ("03:41:30", "2026-11-21T08:41:30Z"),
            ("03:42", "2026-11-20T08:42:00Z"),
        ] {
            assert_eq!(since(text), Ok(at.into()), "{text}");
        }
    }

    #[test]
    fn all_else_is_refused_with_examples() {
        for text in ["", "yesterday-ish", "25:00", "10", "m", "999999999y"] {
            let sentence = since(text).expect_err(text);
            assert!(
                sentence.starts_with(&format!("`{text}` is not a time: try ")),
                "{sentence}"
            );
        }
    }
}
