//! Days of 23 and 25 hours, leap days, and days on which the market does not open.

use super::{at, cron, new_york, times};
use crate::schedule::{Condition, Market, Phase};

/// New York's clocks jumped from 2:00 to 3:00 on 2026-03-08, and went from 2:00 back to 1:00 on 2026-11-01.
const SPRING: &str = "2026-03-07T12:00:00Z";
const AUTUMN: &str = "2026-10-31T12:00:00Z";

#[test]
fn ordinary_days() {
    assert_eq!(
        times("0 4 * * 1-5", "2026-06-12T12:00:00Z", 2),
        ["Mon 15 Jun 04:00 EDT", "Tue 16 Jun 04:00 EDT"]
    );
    assert_eq!(
        times("*/20 9,15 * * *", "2026-06-12T13:30:00Z", 4),
        [
            "Fri 12 Jun 09:40 EDT",
            "Fri 12 Jun 15:00 EDT",
            "Fri 12 Jun 15:20 EDT",
            "Fri 12 Jun 15:40 EDT"
        ]
    );
}

#[test]
fn a_time_that_the_clocks_skip_happens_once_when_they_jump() {
    assert_eq!(
        times("30 2 * * *", SPRING, 2),
        ["Sun 08 Mar 03:00 EDT", "Mon 09 Mar 02:30 EDT"]
    );
    assert_eq!(
        times("0,15,30 2 * * *", SPRING, 2),
        ["Sun 08 Mar 03:00 EDT", "Mon 09 Mar 02:00 EDT"],
        "several at once are one"
    );
    assert_eq!(
        times("0 3 * * *", SPRING, 2),
        ["Sun 08 Mar 03:00 EDT", "Mon 09 Mar 03:00 EDT"]
    );
}

#[test]
fn a_time_that_comes_twice_happens_the_first_time() {
    assert_eq!(
        times("30 1 * * *", AUTUMN, 2),
        ["Sun 01 Nov 01:30 EDT", "Mon 02 Nov 01:30 EST"]
    );
    // Asked between the two.
    assert_eq!(
        times("30 1 * * *", "2026-11-01T05:45:00Z", 1),
        ["Mon 02 Nov 01:30 EST"]
    );
    assert_eq!(times("0 2 * * *", AUTUMN, 1), ["Sun 01 Nov 02:00 EST"]);
}

#[test]
fn any_hour_follows_elapsed_time() {
    assert_eq!(
        times("30 * * * *", "2026-03-08T06:00:00Z", 2),
        ["Sun 08 Mar 01:30 EST", "Sun 08 Mar 03:30 EDT"]
    );
    assert_eq!(
        times("30 * * * *", "2026-11-01T05:00:00Z", 3),
        [
            "Sun 01 Nov 01:30 EDT",
            "Sun 01 Nov 01:30 EST",
            "Sun 01 Nov 02:30 EST"
        ]
    );
    let (every, zone) = (cron("*/5 * * * *"), new_york());
    for (day, hours) in [("2026-03-08T05:00:00Z", 23), ("2026-11-01T04:00:00Z", 25)] {
        let (mut now, end) = (at(day), at(day) + jiff::SignedDuration::from_hours(hours));
        let mut count = 0;
        while let Some(next) = every.next(now, &zone).filter(|next| *next <= end) {
            assert_eq!(next.duration_since(now).as_secs(), 300);
            (now, count) = (next, count + 1);
        }
        assert_eq!(count, hours * 12);
    }
}

#[test]
fn the_day_of_rest_and_the_leap_day() {
    assert_eq!(
        times("0 0 29 2 *", "2027-01-01T12:00:00Z", 2),
        ["Tue 29 Feb 00:00 EST", "Sun 29 Feb 00:00 EST"]
    );
    // 2100 is no leap year.
    let leap = cron("0 0 29 2 *")
        .next(at("2097-01-01T00:00:00Z"), &new_york())
        .expect("it comes");
    assert_eq!(leap.to_zoned(new_york()).year(), 2104);
    // Both day fields named: either is enough.
    assert_eq!(
        times("0 0 13 * fri", "2026-03-01T12:00:00Z", 3),
        [
            "Fri 06 Mar 00:00 EST",
            "Fri 13 Mar 00:00 EDT",
            "Fri 20 Mar 00:00 EDT"
        ]
    );
    // One begins with `*`: both must match.
    assert_eq!(
        times("0 0 */2 * mon", "2026-06-01T12:00:00Z", 1),
        ["Mon 15 Jun 00:00 EDT"]
    );
}

#[test]
fn the_market_of_new_york() {
    let market = Market::default();
    let table = [
        ("2026-06-12T13:29:59Z", "closed extended trading_day"),
        ("2026-06-12T07:59:59Z", "closed trading_day"),
        ("2026-06-12T13:30:00Z", "open extended trading_day"),
        ("2026-06-12T20:00:00Z", "closed extended trading_day"),
        ("2026-06-13T15:00:00Z", "closed"),
        // Thanksgiving, and the half day after it.
        ("2026-11-26T15:00:00Z", "closed holiday"),
        ("2026-11-27T17:59:00Z", "open extended trading_day half_day"),
        ("2026-11-27T18:00:00Z", "closed extended trading_day half_day"),
        // The first trading day of winter time: an hour later by UTC.
        ("2026-11-02T14:00:00Z", "closed extended trading_day"),
        ("2026-11-02T14:30:00Z", "open extended trading_day"),
    ];
    let phases = [
        ("open", Phase::Open),
        ("closed", Phase::Closed),
        ("extended", Phase::ExtendedHours),
        ("holiday", Phase::Holiday),
        ("trading_day", Phase::TradingDay),
        ("half_day", Phase::HalfDay),
    ];
    for (now, expected) in table {
        let now = at(now);
        let said = phases.iter().filter(|(_, phase)| {
            let holds = market.holds(*phase, now);
            for wanted in [true, false] {
                let condition = Condition {
                    phase: *phase,
                    wanted,
                };
                assert_eq!(market.refuses(condition, now).is_none(), holds == wanted);
            }
            holds
        });
        let said: Vec<&str> = said.map(|(name, _)| *name).collect();
        assert_eq!(said.join(" "), expected, "{now}");
    }
    let unless_open = Condition {
        phase: Phase::Open,
        wanted: false,
    };
    assert_eq!(
        market.refuses(unless_open, at("2026-06-12T15:00:00Z")),
        Some("the New York market is open")
    );
}
