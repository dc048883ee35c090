//! The rules against the days that were published.

use std::io::Write;

use jiff::civil::{Date, Weekday, date};

use super::{Calendar, Day, parse};

const PUBLISHED: &str = include_str!("nyse_2020_2027.txt");

#[test]
fn every_day_from_2020_to_2027_is_as_published() {
    let published = parse(PUBLISHED).expect("a table of ours");
    let calendar = Calendar::default();
    let mut day = date(2020, 1, 1);
    let mut trading = 0;
    while day.year() < 2028 {
        let weekend = matches!(day.weekday(), Weekday::Saturday | Weekday::Sunday);
        let usual = if weekend { Day::Closed } else { Day::Full };
        let expected = published.get(&day).copied().unwrap_or(usual);
        assert_eq!(calendar.day(day), expected, "{day}");
        trading += usize::from(expected != Day::Closed);
        day = day.tomorrow().expect("not the end of time");
    }
    assert_eq!(trading, 2010, "as many as the published table has");
}

#[test]
fn a_file_adds_what_was_decided_at_short_notice() {
    let mut file = tempfile::NamedTempFile::new().expect("a file");
    file.write_all(b"# storms\n2026-03-04 closed # blizzard\n\n2026-03-05 half\n2025-12-25 full\n")
        .expect("written");
    let calendar = Calendar::with_file(file.path()).expect("well formed");
    let day = |text: &str| calendar.day(text.parse::<Date>().expect("a date"));
    assert_eq!(day("2026-03-04"), Day::Closed);
    assert_eq!(day("2026-03-05"), Day::Half);
    assert_eq!(day("2026-03-06"), Day::Full);
    assert_eq!(day("2025-12-25"), Day::Full);
    assert_eq!(day("2025-01-09"), Day::Closed, "the built-in ones stay");
}

#[test]
fn a_bad_line_is_named() {
    for bad in ["2026-03-04", "2026-13-04 closed", "2026-03-04 shut", "closed"] {
        let text = format!("2026-03-04 half\n{bad}\n");
        let error = parse(&text).expect_err(bad);
        assert!(error.starts_with("line 2: ") && error.contains(bad), "{error}");
    }
    let missing = Calendar::with_file(std::path::Path::new("/nowhere/days"));
    assert!(missing.expect_err("no file").contains("/nowhere/days"));
}
