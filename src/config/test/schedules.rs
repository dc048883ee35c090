//! Schedules: what they mean, and what is said of wrong ones.

use std::time::Duration;

use super::{mistakes, valid};
use crate::schedule::{Condition, Deed, Phase};

const SERVICE: &str = "[services.web]\ncommand = 'x'\ngroup = 'g'\n";

#[test]
fn every_key_is_read() {
    let config = valid(&format!(
        "{SERVICE}[schedules.full]\ncron = '0 4 * * 1-5'\ntimezone = 'America/New_York'\ndo = 'restart web @g w*'\n\
         unless = 'market_open'\nmissed = 'run'\nmissed_within = '2h'\nspread = '5m'\n\
         [schedules.b]\ncron = '@daily'\nrun = ['./backup', '--all']\nonly = 'market_holiday'\n"
    ));
    let [one, two] = &config.schedules[..] else {
        panic!("two schedules");
    };
    let words = ["restart", "web", "@g", "w*"].map(str::to_owned).to_vec();
    assert_eq!((one.name.as_str(), &one.deed), ("full", &Deed::Sentinel(words)));
    assert_eq!(one.zone.iana_name(), Some("America/New_York"));
    assert_eq!(one.missed_within, Some(Duration::from_secs(7200)));
    assert_eq!(one.spread, Duration::from_secs(300));
    let (phase, wanted) = (Phase::Open, false);
    assert_eq!(one.condition, Some(Condition { phase, wanted }));
    let (phase, wanted) = (Phase::Holiday, true);
    assert_eq!(two.condition, Some(Condition { phase, wanted }));
    assert_eq!((two.missed_within, two.spread), (None, Duration::ZERO));
    assert!(two.deed.words().ends_with("/backup --all"));
}

#[test]
fn what_is_said_of_wrong_ones() {
    for (lines, expected) in [
        (
            "do = 'restart web'",
            "5:12?: `a` does not say when; add cron = \"0 4 * * 1-5\": minute hour day month weekday",
        ),
        (
            "cron = '@daily'",
            "`a` does not say what to do; add do = \"restart SERVICE\", or run = [\"program\", \"--option\"]",
        ),
        (
            "cron = '0 4 * * mun'\ndo = 'reload'",
            "5:17: day of week: `mun` is no value; it is 0 to 7, or sun to sat",
        ),
        (
            "cron = '@daily'\ndo = 'restrt web'",
            "6:6: `restrt` is nothing that a schedule can do; did you mean `restart`?",
        ),
        (
            "cron = '@daily'\ndo = 'restart wbe'",
            "6:15: there is no service `wbe`; did you mean `web`?",
        ),
        (
            "cron = '@daily'\ndo = 'reload web'",
            "6:6: `reload` takes no `web`; leave it out",
        ),
        (
            "cron = '@daily'\ndo = 'reload'\nrun = 'x'",
            "7:7: a schedule takes `do` or `run`, not both; make two schedules of it",
        ),
        (
            "cron = '@daily'\ndo = 'reload'\ntimezone = 'America/NewYork'",
            "7:12: \"America/NewYork\" is not a time zone; did you mean \"America/New_York\"?",
        ),
        (
            "cron = '@daily'\ndo = 'reload'\nunless = 'market_opn'",
            "did you mean \"market_open\"?",
        ),
        (
            "cron = '@daily'\ndo = 'reload'\nonly = 'market_open'\nunless = 'market_open'",
            "8:10: a schedule takes `only` or `unless`, not both; keep the one that you mean",
        ),
    ] {
        let said = mistakes(&format!("{SERVICE}[schedules.a]\n{lines}\n"));
        let expected = expected.trim_start_matches("5:12?: ");
        assert!(
            said.lines().count() == 1 && said.ends_with(expected),
            "{lines}\n{said}"
        );
    }
}
