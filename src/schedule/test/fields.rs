//! What the five fields mean, and what is said of wrong ones.

use proptest::prelude::{ProptestConfig, any, prop_assert, prop_assert_eq, proptest};

use super::{at, cron, new_york, times};
use crate::schedule::Cron;

#[test]
fn names_ranges_steps_and_words() {
    for (text, same) in [
        ("0 4 * * mon-fri", "0 4 * * 1-5"),
        ("0 0 * JAN,Jul *", "0 0 * 1,7 *"),
        ("*/15 * * * *", "0,15,30,45 * * * *"),
        ("10-30/10 * * * *", "10,20,30 * * * *"),
        ("50/5 * * * *", "50,55 * * * *"),
        ("0 0 * * 7", "0 0 * * 0"),
        ("0 0 * * sat-sun", "0 0 * * 6,0"),
        ("@daily", "0 0 * * *"),
        ("@Weekly", "0 0 * * sun"),
        (" 0  4\t* * * ", "0 4 * * *"),
    ] {
        let after = "2026-01-15T12:00:00Z";
        assert_eq!(times(text, after, 12), times(same, after, 12), "{text}");
    }
}

#[test]
fn what_is_wrong_is_named() {
    for (text, part, message) in [
        (
            "0 4 * *",
            "0 4 * *",
            "a time has five fields, and this has 4; write minute hour day month weekday, like \"0 4 * * 1-5\"",
        ),
        (
            "0 0 4 * * *",
            "0 0 4 * * *",
            "a time has five fields, and this has 6; seconds and years are not among them: minute hour day month weekday",
        ),
        ("60 * * * *", "60", "minute: `60` is no value; it is 0 to 59"),
        ("0 24 * * *", "24", "hour: `24` is no value; it is 0 to 23"),
        ("0 0 0 * *", "0", "day of month: `0` is no value; it is 1 to 31"),
        (
            "0 0 * nov-feb *",
            "nov-feb",
            "month: `nov-feb` goes backwards; write it in two, like 11-12,1-2",
        ),
        (
            "0 0 * * mun",
            "mun",
            "day of week: `mun` is no value; it is 0 to 7, or sun to sat",
        ),
        (
            "*/0 * * * *",
            "*/0",
            "minute: `*/0` has no step; a step is a number from 1, like */5",
        ),
        (
            "0 0 L * *",
            "L",
            "day of month: `L` is no value; `?`, `L`, `W` and `#` are not known here",
        ),
        (
            "0 0 31 2,4 *",
            "31 2,4",
            "this day never comes; no month of these is so long",
        ),
        (
            "@reboot",
            "@reboot",
            "`@reboot` is no time; services start with the supervisor; start that with `sentinel cron install` or systemd",
        ),
        ("1,,2 * * * *", "", "minute: `` is no value; it is 0 to 59"),
        ("+1 * * * *", "+1", "minute: `+1` is no value; it is 0 to 59"),
    ] {
        let wrong = Cron::parse(text).expect_err(text);
        assert_eq!(
            (&*wrong.part, format!("{}; {}", wrong.message, wrong.help)),
            (part, message.to_owned()),
            "{text}"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(200) })]

    #[test]
    fn any_text_is_read_or_refused(text in "\\PC{0,20}") {
        let _ = Cron::parse(&text);
    }

    /// Whatever the zone's clocks do, the next time lies ahead, shows what was asked for (or lies where clocks
    /// jump), and nothing that was asked for lies between.
    #[test]
    fn the_next_time_is_the_next(start in 1_700_000_000_i64..1_900_000_000, minute in 0_i8..60, hour in 0_i8..24) {
        let zone = new_york();
        let after = jiff::Timestamp::from_second(start).expect("in range");
        let next = cron(&format!("{minute} {hour} * * *")).next(after, &zone).expect("every day");
        let local = next.to_zoned(zone.clone());
        prop_assert!(next > after && next.duration_since(after).as_hours() <= 25);
        let jump = zone.preceding(next + jiff::SignedDuration::from_secs(1)).next().map(|jump| jump.timestamp());
        prop_assert!((local.hour(), local.minute()) == (hour, minute) || jump == Some(next));
        prop_assert_eq!(local.second(), 0);
    }

    #[test]
    fn rolling_times_agree_with_a_walk(start in 1_700_000_000_i64..1_900_000_000, step in any::<bool>()) {
        let (zone, text) = (new_york(), if step { "*/7 */3 * * *" } else { "13 * * * *" });
        let cron = cron(text);
        let after = jiff::Timestamp::from_second(start).expect("in range");
        let next = cron.next(after, &zone).expect("it comes");
        let mut walk = jiff::Timestamp::from_second(start / 60 * 60 + 60).expect("in range");
        let shows = |at: jiff::Timestamp| {
            let local = zone.to_datetime(at);
            if step { local.hour() % 3 == 0 && local.minute() % 7 == 0 } else { local.minute() == 13 }
        };
        while !shows(walk) {
            walk += jiff::SignedDuration::from_mins(1);
        }
        prop_assert_eq!(next, walk);
        prop_assert!(next > at("2020-01-01T00:00:00Z"));
    }
}
