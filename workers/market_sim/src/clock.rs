//! The market's clock as `/v2/clock` tells it: weekdays, 09:30 to 16:00 in New York.

use jiff::civil::{Weekday, time};
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};
use serde_json::{Value, json};

/// New York's clock by the rule in force since 2007.
const NEW_YORK: &str = "EST5EDT,M3.2.0,M11.1.0";

/// <https://docs.alpaca.markets/reference/getclock-1>; `closed`: today is no day of trading after all.
pub(crate) fn told(now: Timestamp, closed: bool) -> Value {
    let zone = TimeZone::posix(NEW_YORK).unwrap_or(TimeZone::UTC);
    let local = now.to_zoned(zone);
    let (open, close) = (session(&local, true), session(&local, false));
    let is_open = !closed && is_weekday(&local) && open <= local && local < close;
    let skip = closed && is_weekday(&local);
    let next_open = next(&local, true, skip);
    let next_close = if is_open { close } else { next(&local, false, skip) };
    let text = |at: &Zoned| at.strftime("%Y-%m-%dT%H:%M:%S%:z").to_string();
    json!({
        "timestamp": text(&local), "is_open": is_open,
        "next_open": text(&next_open), "next_close": text(&next_close),
    })
}

fn is_weekday(day: &Zoned) -> bool {
    !matches!(day.weekday(), Weekday::Saturday | Weekday::Sunday)
}

/// The opening or the close of a day.
fn session(day: &Zoned, opening: bool) -> Zoned {
    let at = if opening {
        time(9, 30, 0, 0)
    } else {
        time(16, 0, 0, 0)
    };
    let then = day.date().to_datetime(at).to_zoned(day.time_zone().clone());
    then.unwrap_or_else(|_| day.clone())
}

fn next(now: &Zoned, opening: bool, skip_today: bool) -> Zoned {
    let mut day = now.clone();
    for _ in 0..8 {
        let at = session(&day, opening);
        let is_today = day.date() == now.date();
        if is_weekday(&day) && at > *now && !(is_today && skip_today) {
            return at;
        }
        day = day.tomorrow().unwrap_or(day);
    }
    day
}

#[cfg(test)]
mod tests {
    use super::told;

    #[test]
    fn the_clock_knows_sessions_and_weekends() {
        let at = |time: &str, closed| told(time.parse().expect("a time"), closed);
        let open = at("2025-10-08T10:29:00-04:00", false);
        assert_eq!(open["is_open"], true);
        assert_eq!(open["next_open"], "2025-10-09T09:30:00-04:00");
        assert_eq!(open["next_close"], "2025-10-08T16:00:00-04:00");
        let night = at("2025-10-10T22:00:00-04:00", false);
        assert_eq!(
            (&night["is_open"], &night["next_open"]),
            (&false.into(), &"2025-10-13T09:30:00-04:00".into())
        );
        let mourning = at("2025-01-09T10:00:00-05:00", true);
        assert_eq!(mourning["is_open"], false);
        assert_eq!(mourning["next_open"], "2025-01-10T09:30:00-05:00");
    }
}
