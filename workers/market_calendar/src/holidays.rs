//! The NYSE's rules for holidays and half days (<https://www.nyse.com/markets/hours-calendars>).

use jiff::civil::{Date, Weekday, date};

use super::Day;

/// The first year in which Juneteenth was a holiday of the exchange.
const JUNETEENTH_SINCE: i16 = 2022;

/// What the rules say of a day.
pub(super) fn by_rule(day: Date) -> Day {
    if is_weekend(day) || is_holiday(day) {
        Day::Closed
    } else if is_half(day) {
        Day::Half
    } else {
        Day::Full
    }
}

fn is_weekend(day: Date) -> bool {
    matches!(day.weekday(), Weekday::Saturday | Weekday::Sunday)
}

fn is_holiday(day: Date) -> bool {
    let year = day.year();
    // A Saturday's New Year is not made up for: the Friday before belongs to the old year's books.
    let new_year = date(year, 1, 1);
    let new_year = if new_year.weekday() == Weekday::Saturday {
        None
    } else {
        Some(observed(new_year))
    };
    let floating = [
        (1, 3, Weekday::Monday),
        (2, 3, Weekday::Monday),
        (5, -1, Weekday::Monday),
        (9, 1, Weekday::Monday),
        (11, 4, Weekday::Thursday),
    ];
    let juneteenth = (year >= JUNETEENTH_SINCE).then(|| observed(date(year, 6, 19)));
    new_year == Some(day)
        || juneteenth == Some(day)
        || observed(date(year, 7, 4)) == day
        || observed(date(year, 12, 25)) == day
        || good_friday(year) == Some(day)
        || floating
            .iter()
            .any(|(month, nth, weekday)| is_nth(day, *month, *nth, *weekday))
}

/// The days before Independence Day and Christmas, and the one after Thanksgiving.
fn is_half(day: Date) -> bool {
    let after_thanksgiving = day
        .yesterday()
        .is_ok_and(|before| is_nth(before, 11, 4, Weekday::Thursday));
    after_thanksgiving || matches!((day.month(), day.day()), (7, 3) | (12, 24))
}

/// A holiday on a Saturday is kept on the Friday, one on a Sunday on the Monday.
fn observed(holiday: Date) -> Date {
    let moved = match holiday.weekday() {
        Weekday::Saturday => holiday.yesterday(),
        Weekday::Sunday => holiday.tomorrow(),
        Weekday::Monday | Weekday::Tuesday | Weekday::Wednesday | Weekday::Thursday | Weekday::Friday => {
            Ok(holiday)
        }
    };
    moved.unwrap_or(holiday)
}

fn is_nth(day: Date, month: i8, nth: i8, weekday: Weekday) -> bool {
    day.month() == month && day.nth_weekday_of_month(nth, weekday).is_ok_and(|nth| nth == day)
}

/// Two days before Easter, by the anonymous Gregorian computus (Meeus, Astronomical Algorithms, 8).
fn good_friday(year: i16) -> Option<Date> {
    let y = i32::from(year);
    let (a, b, c) = (y % 19, y / 100, y % 100);
    let (d, e) = (b / 4, b % 4);
    let g = (8 * b + 13) / 25;
    let h = (19 * a + b - d - g + 15) % 30;
    let (i, k) = (c / 4, c % 4);
    let l = (32 + 2 * e + 2 * i - h - k) % 7;
    let m = (a + 11 * h + 22 * l) / 451;
    let n = h + l - 7 * m + 114;
    let (month, day) = (i8::try_from(n / 31).ok()?, i8::try_from(n % 31 + 1).ok()?);
    let easter = Date::new(year, month, day).ok()?;
    easter.yesterday().and_then(Date::yesterday).ok()
}
