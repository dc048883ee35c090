//! When a feed has data to send: the sessions of its market, day and night.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use jiff::civil::{DateTime, Time, time};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use crate::calendar::{Calendar, Day};

/// New York's clock by the rule in force since 2007, so that no time zone database is needed.
const NEW_YORK: &str = "EST5EDT,M3.2.0,M11.1.0";

/// What the market of a feed is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum MarketPhase {
    /// No data is due.
    #[default]
    Closed,
    /// The overnight session, 20:00 to 04:00, of the feeds that have it.
    Overnight,
    /// Early trading, up to the opening at 09:30.
    Pre,
    /// The core session.
    Core,
    /// Late trading, after the close.
    Post,
    /// A market that never closes.
    Always,
}

impl MarketPhase {
    /// Whether data is due.
    pub fn is_open(self) -> bool {
        self != Self::Closed
    }

    /// In words, such as `the core session`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Closed => "the market is closed",
            Self::Overnight => "the overnight session",
            Self::Pre => "early trading",
            Self::Core => "the core session",
            Self::Post => "late trading",
            Self::Always => "a market that never closes",
        }
    }
}

/// Whose hours a feed keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Venue {
    /// All US exchanges, 04:00 to 20:00.
    Sip,
    /// IEX alone, 08:00 to 17:00.
    Iex,
    /// Blue Ocean and what is derived from it, 20:00 to 04:00.
    Overnight,
    /// Crypto, and Alpaca's test feed.
    NeverCloses,
    /// Any other path: the hours of the exchanges.
    Unknown,
}

impl Venue {
    /// The venue of a data URL, by its path. An unknown path keeps the hours of the exchanges.
    pub(crate) fn at(url: &str) -> Self {
        let path = url.split('?').next().unwrap_or_default();
        if path.ends_with("/test") || path.contains("/crypto") {
            Self::NeverCloses
        } else if path.ends_with("/boats") || path.ends_with("/overnight") {
            Self::Overnight
        } else if path.ends_with("/iex") {
            Self::Iex
        } else if path.ends_with("/sip") {
            Self::Sip
        } else {
            Self::Unknown
        }
    }

    /// Only `/v2/iex` and `/v2/sip` are known to; elsewhere asking could cost the whole request.
    fn tells_halts(self) -> bool {
        match self {
            Self::Iex | Self::Sip => true,
            Self::Overnight | Self::NeverCloses | Self::Unknown => false,
        }
    }

    fn opens(self) -> Time {
        match self {
            Self::Iex => time(8, 0, 0, 0),
            Self::Sip | Self::Overnight | Self::NeverCloses | Self::Unknown => time(4, 0, 0, 0),
        }
    }

    fn closes(self, day: Day) -> Time {
        match (self, day) {
            (Self::Iex, _) | (_, Day::Half) => time(17, 0, 0, 0),
            (Self::Sip | Self::Overnight | Self::NeverCloses | Self::Unknown, Day::Full | Day::Closed) => {
                time(20, 0, 0, 0)
            }
        }
    }
}

/// The market's time of a feed.
#[derive(Clone, Debug)]
pub(crate) struct MarketClock {
    venue: Venue,
    calendar: Arc<Calendar>,
    /// Added to the host's time: rehearsals are held at night.
    shift: SignedDuration,
}

impl MarketClock {
    pub(crate) fn new(venue: Venue, calendar: Arc<Calendar>, shift: SignedDuration) -> Self {
        Self {
            venue,
            calendar,
            shift,
        }
    }

    /// Whether the feed can be asked for halts and resumptions.
    pub(crate) fn tells_halts(&self) -> bool {
        self.venue.tells_halts()
    }

    /// The phase at this time by the host's clock, and how long it lasts at least.
    pub(crate) fn phase(&self, host: SystemTime) -> (MarketPhase, Duration) {
        const UNKNOWN: (MarketPhase, Duration) = (MarketPhase::Closed, Duration::from_secs(60));
        let (Ok(zone), Ok(host)) = (TimeZone::posix(NEW_YORK), Timestamp::try_from(host)) else {
            return UNKNOWN;
        };
        let now = host.saturating_add(self.shift).unwrap_or(host);
        let local = zone.to_datetime(now);
        let changes = self.changes(local);
        let phase = changes.iter().rev().find(|(from, _)| *from <= local);
        let next = changes.iter().find(|(from, _)| *from > local);
        let until = next.and_then(|(from, _)| zone.to_timestamp(*from).ok());
        let left = until.map_or(UNKNOWN.1, |until| {
            now.duration_until(until).try_into().unwrap_or(UNKNOWN.1)
        });
        (phase.map_or(MarketPhase::Closed, |(_, phase)| *phase), left)
    }

    /// The changes of one day, from its midnight to the next.
    fn changes(&self, local: DateTime) -> Vec<(DateTime, MarketPhase)> {
        let date = local.date();
        let tomorrow = date.tomorrow().unwrap_or(date);
        let (today, next) = (self.calendar.day(date), self.calendar.day(tomorrow));
        let night = |day| {
            if day == Day::Closed {
                MarketPhase::Closed
            } else {
                MarketPhase::Overnight
            }
        };
        let mut changes = match (self.venue, today) {
            (Venue::NeverCloses, _) => vec![(Time::midnight(), MarketPhase::Always)],
            // A night belongs to the day that follows it.
            (Venue::Overnight, _) => vec![
                (Time::midnight(), night(today)),
                (time(4, 0, 0, 0), MarketPhase::Closed),
                (time(20, 0, 0, 0), night(next)),
            ],
            (Venue::Sip | Venue::Iex | Venue::Unknown, Day::Closed) => {
                vec![(Time::midnight(), MarketPhase::Closed)]
            }
            (Venue::Sip | Venue::Iex | Venue::Unknown, Day::Half | Day::Full) => vec![
                (Time::midnight(), MarketPhase::Closed),
                (self.venue.opens(), MarketPhase::Pre),
                (time(9, 30, 0, 0), MarketPhase::Core),
                (core_ends(today), MarketPhase::Post),
                (self.venue.closes(today), MarketPhase::Closed),
            ],
        };
        let at_midnight = changes[changes.len() - 1].1;
        let mut changes: Vec<_> = changes
            .drain(..)
            .map(|(at, phase)| (date.to_datetime(at), phase))
            .collect();
        changes.push((tomorrow.to_datetime(Time::midnight()), at_midnight));
        changes
    }
}

fn core_ends(day: Day) -> Time {
    match day {
        Day::Half => time(13, 0, 0, 0),
        Day::Full | Day::Closed => time(16, 0, 0, 0),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use jiff::{SignedDuration, Timestamp};

    use super::{Calendar, MarketClock, MarketPhase, Venue};

    /// The phase at a New York time, and the minutes it lasts.
    fn phase(venue: Venue, at: &str) -> (MarketPhase, u64) {
        let clock = MarketClock::new(venue, Arc::new(Calendar::default()), SignedDuration::ZERO);
        let at: Timestamp = at.parse().expect("a time");
        let (phase, left) = clock.phase(at.into());
        (phase, left.as_secs() / 60)
    }

    #[test]
    fn a_day_of_the_exchanges_has_four_changes() {
        use MarketPhase::{Closed, Core, Post, Pre};
        for (at, expected) in [
            ("2025-10-08T03:59:00-04", (Closed, 1)),
            ("2025-10-08T04:00:00-04", (Pre, 330)),
            ("2025-10-08T10:29:00-04", (Core, 331)),
            ("2025-10-08T15:59:59.9-04", (Core, 0)),
            ("2025-10-08T16:00:00-04", (Post, 240)),
            ("2025-10-08T20:00:00-04", (Closed, 240)),
            ("2025-11-28T13:00:00-05", (Post, 240)),
            ("2025-11-28T17:00:00-05", (Closed, 420)),
            ("2025-11-27T11:00:00-05", (Closed, 780)),
            ("2025-01-09T11:00:00-05", (Closed, 780)),
            ("2026-11-21T11:00:00-05", (Closed, 780)),
        ] {
            assert_eq!(phase(Venue::Sip, at), expected, "{at}");
        }
    }

    #[test]
    fn the_clocks_of_new_york_change() {
        // 13:30 UTC is 09:30 in summer, and 08:30 in winter.
        assert_eq!(phase(Venue::Sip, "2025-03-07T13:30:00Z").0, MarketPhase::Pre);
        assert_eq!(phase(Venue::Sip, "2025-03-10T13:30:00Z").0, MarketPhase::Core);
        assert_eq!(phase(Venue::Sip, "2025-11-03T13:30:00Z").0, MarketPhase::Pre);
    }

    #[test]
    fn iex_has_a_shorter_day() {
        assert_eq!(phase(Venue::Iex, "2025-10-08T07:59:00-04").0, MarketPhase::Closed);
        assert_eq!(phase(Venue::Iex, "2025-10-08T08:00:00-04").0, MarketPhase::Pre);
        assert_eq!(phase(Venue::Iex, "2025-10-08T17:00:00-04").0, MarketPhase::Closed);
    }

    #[test]
    fn a_night_is_traded_when_the_day_after_it_is() {
        use MarketPhase::{Closed, Overnight};
        for (at, expected) in [
            ("2025-10-05T19:59:00-04", Closed),    // Sunday
            ("2025-10-05T20:00:00-04", Overnight), // for Monday
            ("2025-10-06T03:59:00-04", Overnight),
            ("2025-10-06T04:00:00-04", Closed),
            ("2025-10-10T21:00:00-04", Closed), // Friday
            ("2025-11-26T21:00:00-05", Closed), // before Thanksgiving
            ("2025-11-27T21:00:00-05", Overnight),
        ] {
            assert_eq!(phase(Venue::Overnight, at).0, expected, "{at}");
        }
        assert_eq!(
            phase(Venue::NeverCloses, "2025-12-25T03:00:00Z").0,
            MarketPhase::Always
        );
    }

    #[test]
    fn a_rehearsal_has_its_own_time() {
        let saturday: Timestamp = "2026-11-21T15:00:00Z".parse().expect("a time");
        let back = SignedDuration::from_hours(-24);
        let clock = MarketClock::new(Venue::Iex, Arc::new(Calendar::default()), back);
        let expected = (MarketPhase::Core, Duration::from_secs(6 * 3600));
        assert_eq!(clock.phase(saturday.into()), expected);
    }

    #[test]
    fn a_url_tells_the_venue() {
        for (url, venue) in [
            ("wss://stream.data.alpaca.markets/v2/sip", Venue::Sip),
            ("ws://127.0.0.1:8764/v2/iex", Venue::Iex),
            ("ws://127.0.0.1:8764/v2/test?x", Venue::NeverCloses),
            (
                "wss://stream.data.alpaca.markets/v1beta3/crypto/us",
                Venue::NeverCloses,
            ),
            ("wss://stream.data.alpaca.markets/v1beta1/boats", Venue::Overnight),
            ("ws://127.0.0.1:1/", Venue::Unknown),
        ] {
            assert_eq!(Venue::at(url), venue, "{url}");
        }
    }
}
