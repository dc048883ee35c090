//! Times at which nobody was there, clocks that are set, runs that are put off.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::{at, schedule, shared};
use crate::schedule::{Due, Planner, Schedule};

fn planner(schedule: Schedule, seen: &str) -> Planner {
    let seen = BTreeMap::from([(schedule.name.clone(), at(seen))]);
    Planner::new(&vec![shared(schedule)], &seen, at("2026-06-12T12:00:00Z"), 7)
}

fn run(time: &str, late: bool) -> Due {
    let (name, at) = ("nightly".into(), at(time));
    Due::Run { name, at, late }
}

fn missed(time: &str, count: usize) -> Due {
    let (name, at) = ("nightly".into(), at(time));
    Due::Missed { name, at, count }
}

/// New York's four o'clock in summer.
const FOUR: &str = "2026-06-12T08:00:00Z";

#[test]
fn each_time_is_due_once() {
    let mut planner = planner(schedule("0 4 * * *"), "2026-06-12T00:00:00Z");
    assert_eq!(planner.next_deadline(), Some(at(FOUR)));
    assert_eq!(planner.due(at("2026-06-12T07:59:59Z")), []);
    assert_eq!(planner.due(at(FOUR)), [run(FOUR, false)]);
    assert_eq!(planner.due(at(FOUR)), []);
    assert_eq!(planner.next_deadline(), Some(at("2026-06-13T08:00:00Z")));
}

#[test]
fn what_nobody_was_there_for_is_missed() {
    let mut asleep = planner(schedule("0 4 * * *"), "2026-06-09T12:00:00Z");
    assert_eq!(asleep.due(at("2026-06-12T09:00:00Z")), [missed(FOUR, 3)]);
    assert_eq!(asleep.due(at("2026-06-12T09:00:01Z")), []);
    // The last one just in time, the two before it not.
    let mut awake = planner(schedule("0 4 * * *"), "2026-06-09T12:00:00Z");
    assert_eq!(
        awake.due(at("2026-06-12T08:00:30Z")),
        [missed("2026-06-11T08:00:00Z", 2), run(FOUR, false)]
    );
}

#[test]
fn or_made_up_for_once_if_that_is_wanted_and_not_too_late() {
    let made_up = Schedule {
        missed_within: Some(Duration::from_secs(7200)),
        ..schedule("0 4 * * *")
    };
    let mut soon = planner(made_up.clone(), "2026-06-09T12:00:00Z");
    assert_eq!(soon.due(at("2026-06-12T09:30:00Z")), [run(FOUR, true)]);
    let mut late = planner(made_up, "2026-06-09T12:00:00Z");
    assert_eq!(late.due(at("2026-06-12T10:30:00Z")), [missed(FOUR, 3)]);
}

#[test]
fn a_clock_that_is_set() {
    let mut planner = planner(schedule("0 4 * * *"), "2026-06-12T00:00:00Z");
    assert_eq!(planner.due(at(FOUR)), [run(FOUR, false)]);
    // Back by an hour: nothing is repeated.
    assert_eq!(planner.due(at("2026-06-12T07:00:00Z")), []);
    assert_eq!(planner.due(at("2026-06-12T08:00:01Z")), []);
    // Back by a year: it was wrong before.
    assert_eq!(planner.due(at("2025-06-12T00:00:00Z")), []);
    assert_eq!(planner.next_deadline(), Some(at("2025-06-12T08:00:00Z")));
    // And forward by two: missed, not run.
    assert!(matches!(
        planner.due(at("2027-06-12T00:00:00Z"))[..],
        [Due::Missed { count: 730, .. }]
    ));
}

#[test]
fn years_of_minutes_are_not_walked_through() {
    let mut planner = planner(schedule("* * * * *"), "2016-06-12T00:00:00Z");
    let due = planner.due(at("2026-06-12T00:00:30Z"));
    assert_eq!(due.last(), Some(&run("2026-06-12T00:00:00Z", false)));
    assert_eq!(planner.next_deadline(), Some(at("2026-06-12T00:01:00Z")));
}

#[test]
fn a_run_is_put_off_by_the_same_time_on_the_same_host() {
    let spread = Schedule {
        spread: Duration::from_secs(300),
        ..schedule("0 4 * * *")
    };
    let mut delays = Vec::new();
    for host in 0..50 {
        let next = spread.next(at("2026-06-12T00:00:00Z"), host).expect("every day");
        assert_eq!(Some(next), spread.next(at("2026-06-12T00:00:00Z"), host));
        delays.push(next.duration_since(at(FOUR)));
    }
    assert!(
        delays
            .iter()
            .all(|delay| (SignedDuration::ZERO..=SignedDuration::from_secs(300)).contains(delay))
    );
    let late = delays.iter().filter(|delay| delay.as_secs() > 150).count();
    assert!((10..=40).contains(&late), "{late} of 50 in the later half");
    let mut planner = planner(spread, "2026-06-12T00:00:00Z");
    let begins = planner.next_deadline().expect("every day");
    assert_eq!(planner.due(begins - SignedDuration::from_secs(1)), []);
    assert_eq!(planner.due(begins), [run(FOUR, false)]);
}

#[test]
fn other_times_begin_anew_and_the_same_go_on() {
    let now: Timestamp = at("2026-06-12T09:00:00Z");
    let mut kept = planner(schedule("0 4 * * *"), "2026-06-12T07:00:00Z");
    kept.replace(&vec![shared(schedule("0 4 * * *"))], now);
    assert_eq!(kept.due(now), [missed(FOUR, 1)]);
    let mut changed = planner(schedule("0 4 * * *"), "2026-06-12T07:00:00Z");
    changed.replace(&vec![shared(schedule("5 4 * * *"))], now);
    assert_eq!(changed.due(now), []);
}
