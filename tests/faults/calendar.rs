//! Schedules of the real binary by another calendar: across a change of the clocks, and on a market holiday.

use std::fs;
use std::path::Path;

use jiff::Timestamp;

use crate::house::{House, Ran};
use crate::kernel::{clock_shim, skip};

const SERVICES: &str = "[services.web]\ncommand = 'sleep 1000'\nmin_uptime = '50ms'\n\
    [schedules.nightly]\ncron = '0 4 * * *'\ntimezone = 'America/New_York'\nrun = ['true']\n\
    [schedules.gap]\ncron = '30 2 * * *'\ntimezone = 'America/New_York'\nrun = ['true']\n\
    [schedules.trading]\ncron = '0 12 * * *'\ntimezone = 'America/New_York'\nrun = ['true']\nunless = 'market_closed'\n\
    [schedules.quiet]\ncron = '0 12 * * *'\ntimezone = 'America/New_York'\nrun = ['true']\nunless = 'market_open'\n";

/// Runs `sentinel` as if it were then.
fn at(house: &House, shim: &Path, then: &str, arguments: &[&str]) -> Ran {
    let then: Timestamp = then.parse().expect("a time");
    let offset = house.path("offset");
    fs::write(
        &offset,
        (then.as_second() - Timestamp::now().as_second()).to_string(),
    )
    .expect("written");
    let mut command = house.command(arguments);
    command.env("LD_PRELOAD", shim).env("CLOCK_OFFSET", offset);
    command
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped());
    crate::house::finish(command.spawn().expect("it runs"))
}

#[test]
fn schedules_follow_the_clocks_of_their_zone_and_the_holidays_of_the_market() {
    let house = House::new(SERVICES);
    let Some(shim) = clock_shim(&house.path("")) else {
        return skip("no C compiler to build another clock with");
    };
    // Four o'clock in New York, whatever hour that is elsewhere; half past two does not come on the day in March.
    // Years ahead, since a timer at a time that is past here would be due at once.
    for (then, nightly, gap) in [
        (
            "2035-03-09T12:00:00Z",
            "2035-03-10T04:00:00-05:00",
            "2035-03-10T02:30:00-05:00",
        ),
        (
            "2035-03-10T12:00:00Z",
            "2035-03-11T04:00:00-04:00",
            "2035-03-11T03:00:00-04:00",
        ),
        (
            "2035-11-02T12:00:00Z",
            "2035-11-03T04:00:00-04:00",
            "2035-11-03T02:30:00-04:00",
        ),
        (
            "2035-11-03T12:00:00Z",
            "2035-11-04T04:00:00-05:00",
            "2035-11-04T02:30:00-05:00",
        ),
    ] {
        at(&house, &shim, then, &["start"]).exits(0);
        let listed = at(&house, &shim, then, &["schedule"]).exits(0);
        assert!(
            listed.out.contains(nightly),
            "{then}: no {nightly} in {}",
            listed.out
        );
        assert!(listed.out.contains(gap), "{then}: no {gap} in {}", listed.out);
        at(&house, &shim, then, &["shutdown"]).exits(0);
    }
    // The day before Thanksgiving, Thanksgiving, and the afternoon of the half day after it; noon but for the last.
    for (then, open) in [
        ("2026-11-25T17:00:00Z", true),
        ("2026-11-26T17:00:00Z", false),
        ("2026-11-27T17:00:00Z", true),
        ("2026-11-27T19:00:00Z", false),
    ] {
        let (runs, waits) = if open {
            ("trading", "quiet")
        } else {
            ("quiet", "trading")
        };
        let state = if open { "open" } else { "closed" };
        at(&house, &shim, then, &["schedule", "run", runs]).exits(0);
        at(&house, &shim, then, &["schedule", "run", waits])
            .exits(75)
            .says(&format!(
                "skipped: schedule {waits}: the New York market is {state}"
            ));
    }
}
