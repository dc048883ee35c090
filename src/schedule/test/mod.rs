//! Times of crontabs over days that clocks and markets make special.

mod days;
mod fields;
mod missed;

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::{Cron, Deed, Schedule};

fn new_york() -> TimeZone {
    TimeZone::get("America/New_York").expect("the time zones are bundled")
}

fn cron(text: &str) -> Cron {
    Cron::parse(text).expect("five fields")
}

fn at(text: &str) -> Timestamp {
    text.parse().expect("RFC 3339")
}

/// A schedule in New York that makes up for nothing.
fn schedule(text: &str) -> Schedule {
    Schedule {
        name: "nightly".into(),
        cron: cron(text),
        zone: new_york(),
        deed: Deed::Sentinel(vec!["restart".into()]),
        condition: None,
        missed_within: None,
        spread: Duration::ZERO,
    }
}

fn shared(schedule: Schedule) -> Arc<Schedule> {
    Arc::new(schedule)
}

/// The first times after this, as New York's clocks show them.
fn times(text: &str, after: &str, count: usize) -> Vec<String> {
    let (cron, zone) = (cron(text), new_york());
    let mut after = at(after);
    let mut times = Vec::new();
    for _ in 0..count {
        let Some(next) = cron.next(after, &zone) else {
            break;
        };
        assert!(next > after, "times go on");
        times.push(
            next.to_zoned(zone.clone())
                .strftime("%a %d %b %H:%M %Z")
                .to_string(),
        );
        after = next;
    }
    times
}
