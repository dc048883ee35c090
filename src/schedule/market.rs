//! Whether the New York market is open, closed or on holiday: what a schedule may depend on.

use std::path::Path;

use jiff::Timestamp;
use jiff::civil::{DateTime, Time, time};
use jiff::tz::TimeZone;
use market_calendar::{Calendar, Day};

/// New York's clock since 2007 (IEEE Std 1003.1, 8.3, TZ).
const NEW_YORK: &str = "EST5EDT,M3.2.0,M11.1.0";

/// The words of `unless` and `only`.
pub const WORDS: &[&str] = &[
    "market_open",
    "market_closed",
    "market_extended_hours",
    "market_holiday",
    "market_trading_day",
    "market_half_day",
];

/// What can be said of the market at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Regular trading: 9:30 to 16:00 in New York, to 13:00 on half days.
    Open,
    /// No regular trading.
    Closed,
    /// Any trading, early and late included: 4:00 to 20:00, to 17:00 on half days.
    ExtendedHours,
    /// A weekday on which the exchange does not open.
    Holiday,
    /// A day on which it opens.
    TradingDay,
    /// A day on which it closes at 13:00.
    HalfDay,
}

impl Phase {
    /// The phase of a word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Some(match word {
            "market_open" => Self::Open,
            "market_closed" => Self::Closed,
            "market_extended_hours" => Self::ExtendedHours,
            "market_holiday" => Self::Holiday,
            "market_trading_day" => Self::TradingDay,
            "market_half_day" => Self::HalfDay,
            _ => return None,
        })
    }

    /// The same as a sentence; what it is not, if it does not hold.
    fn said(self, holds: bool) -> &'static str {
        match (self, holds) {
            (Self::Open, true) | (Self::Closed, false) => "the New York market is open",
            (Self::Open, false) | (Self::Closed, true) => "the New York market is closed",
            (Self::ExtendedHours, true) => "the New York market trades, early and late hours included",
            (Self::ExtendedHours, false) => "the New York market is closed, early and late hours included",
            (Self::Holiday, true) => "the New York market is on holiday",
            (Self::Holiday, false) => "today is no holiday of the New York market",
            (Self::TradingDay, true) => "the New York market trades today",
            (Self::TradingDay, false) => "the New York market does not trade today",
            (Self::HalfDay, true) => "the New York market closes early today",
            (Self::HalfDay, false) => "the New York market does not close early today",
        }
    }
}

/// `unless` or `only`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Condition {
    /// What it asks.
    pub phase: Phase,
    /// The answer that lets the schedule run: yes for `only`, no for `unless`.
    pub wanted: bool,
}

/// The market's days and hours.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Market {
    calendar: Calendar,
}

impl Market {
    /// With the days of this file over the built-in ones.
    ///
    /// # Errors
    /// The file, the line, and what is wrong with it.
    pub fn with_days_of(file: &Path) -> Result<Self, String> {
        Calendar::with_file(file).map(|calendar| Self { calendar })
    }

    /// Why a condition does not let a schedule run now, as a sentence; none if it does.
    #[must_use]
    pub fn refuses(&self, condition: Condition, now: Timestamp) -> Option<&'static str> {
        let holds = self.holds(condition.phase, now);
        (holds != condition.wanted).then(|| condition.phase.said(holds))
    }

    /// Whether this can be said of the market now.
    #[must_use]
    pub fn holds(&self, phase: Phase, now: Timestamp) -> bool {
        let local = TimeZone::posix(NEW_YORK).map_or_else(
            |_| now.to_zoned(TimeZone::UTC).datetime(),
            |zone| zone.to_datetime(now),
        );
        let day = self.calendar.day(local.date());
        let weekend = matches!(
            local.date().weekday(),
            jiff::civil::Weekday::Saturday | jiff::civil::Weekday::Sunday
        );
        match phase {
            Phase::Open => trades(
                local,
                day,
                time(9, 30, 0, 0),
                [time(13, 0, 0, 0), time(16, 0, 0, 0)],
            ),
            Phase::Closed => !self.holds(Phase::Open, now),
            Phase::ExtendedHours => trades(
                local,
                day,
                time(4, 0, 0, 0),
                [time(17, 0, 0, 0), time(20, 0, 0, 0)],
            ),
            Phase::Holiday => day == Day::Closed && !weekend,
            Phase::TradingDay => day != Day::Closed,
            Phase::HalfDay => day == Day::Half,
        }
    }
}

/// Whether it is trading time: `ends` are those of half days and of full days.
fn trades(now: DateTime, day: Day, begin: Time, [half, full]: [Time; 2]) -> bool {
    let end = match day {
        Day::Closed => return false,
        Day::Half => half,
        Day::Full => full,
    };
    (begin..end).contains(&now.time())
}
