//! When a log is old enough to be rotated.

use jiff::tz::TimeZone;
use jiff::{RoundMode, SignedDuration, Timestamp, ToSpan, Unit, Zoned, ZonedRound};

use crate::service::MaxAge;

/// When a log that was begun then is due.
pub(super) fn due(age: Option<MaxAge>, begun: Timestamp) -> Option<Timestamp> {
    due_in(age?, begun, TimeZone::system)
}

/// The zone is asked for where it matters: to find this host's takes reading files.
fn due_in(age: MaxAge, begun: Timestamp, zone: impl FnOnce() -> TimeZone) -> Option<Timestamp> {
    let local = || begun.to_zoned(zone());
    match age {
        MaxAge::After(after) => begun.checked_add(SignedDuration::try_from(after).ok()?).ok(),
        MaxAge::Hourly => {
            let hour = ZonedRound::new().smallest(Unit::Hour).mode(RoundMode::Trunc);
            Some(local().round(hour).ok()?.checked_add(1.hour()).ok()?.timestamp())
        }
        MaxAge::Daily => days_on(&local(), 1),
        MaxAge::Weekly => {
            let local = local();
            days_on(&local, 7 - i64::from(local.weekday().to_monday_zero_offset()))
        }
    }
}

/// The beginning of the day so many days later, whatever its length.
fn days_on(from: &Zoned, days: i64) -> Option<Timestamp> {
    let day = from.checked_add(days.days()).ok()?;
    Some(day.start_of_day().ok()?.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn each_age_ends_where_people_expect_it() {
        let zone = TimeZone::get("America/New_York").expect("the host's zones");
        let due = |age, begun: &str| {
            let due = due_in(age, begun.parse().expect("a time"), || zone.clone());
            due.expect("a time").to_string()
        };
        // A Saturday, 03:41 in New York.
        let begun = "2026-11-21T08:41:00Z";
        assert_eq!(due(MaxAge::Hourly, begun), "2026-11-21T09:00:00Z");
        assert_eq!(due(MaxAge::Daily, begun), "2026-11-22T05:00:00Z");
        assert_eq!(due(MaxAge::Weekly, begun), "2026-11-23T05:00:00Z");
        assert_eq!(
            due(MaxAge::After(Duration::from_secs(90)), begun),
            "2026-11-21T08:42:30Z"
        );
        // The day that the clock goes back has 25 hours.
        assert_eq!(due(MaxAge::Daily, "2026-11-01T05:00:00Z"), "2026-11-02T05:00:00Z");
    }
}
