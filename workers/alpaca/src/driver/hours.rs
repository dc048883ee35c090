//! What the market is doing: the calendar's word, and the clock's where it may be asked.

use std::time::{Duration, Instant, SystemTime};

use tokio::task::JoinHandle;
use tracing::{debug, info};

use crate::MarketPhase;
use crate::market::MarketClock;
use crate::rest::{MarketHours, TradingApi};

/// The phase is looked up this often at least: the host's clock may be set, or have slept.
const AT_LEAST_EVERY: Duration = Duration::from_secs(300);
/// What the clock said counts for so long.
const COUNTS: Duration = Duration::from_secs(360);
/// Keys that may not ask are not tried for ever.
const TRIES: u32 = 3;
/// So long before trading begins an old connection is replaced: mute ones were found at the open.
const BEFORE: Duration = Duration::from_secs(600);
const OLD: Duration = Duration::from_secs(6 * 3600);

/// The market's hours, as far as they are known.
#[derive(Debug)]
pub(super) struct Hours {
    /// When the phase may be another.
    until: Instant,
    phase: MarketPhase,
    /// Trading begins within `BEFORE`.
    begins_soon: bool,
    is_connected: bool,
    asking: Option<JoinHandle<Result<MarketHours, String>>>,
    /// What the clock said last, and when.
    said: Option<(Instant, MarketHours)>,
    failures: u32,
}

impl Hours {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            until: now,
            phase: MarketPhase::default(),
            begins_soon: false,
            is_connected: false,
            asking: None,
            said: None,
            failures: 0,
        }
    }

    pub(super) fn until(&self) -> Instant {
        self.until
    }

    /// There is a connection: from now on what the clock says matters.
    pub(super) fn look_again(&mut self) {
        self.until = Instant::now();
    }

    /// What the market is doing now.
    pub(super) fn look(&mut self, now: Instant, market: &MarketClock, is_connected: bool) -> MarketPhase {
        let host = SystemTime::now();
        let (phase, left) = market.phase(host);
        self.until = now + left.min(AT_LEAST_EVERY);
        self.begins_soon = !phase.is_open() && left <= BEFORE && market.phase(host + left).0.is_open();
        (self.phase, self.is_connected) = (phase, is_connected);
        if self.is_closed_unforeseen(now) {
            MarketPhase::Closed
        } else {
            phase
        }
    }

    /// Whether the calendar calls a session what the clock does not.
    fn is_closed_unforeseen(&self, now: Instant) -> bool {
        let fresh = self
            .said
            .filter(|(at, _)| now.saturating_duration_since(*at) < COUNTS);
        fresh.is_some_and(|(_, said)| self.phase == MarketPhase::Core && !said.is_open)
    }

    /// Whether the clock can tell more than the calendar, and may be asked.
    pub(super) fn wants_clock(&self) -> bool {
        let is_fresh = self.said.is_some_and(|(at, _)| at.elapsed() < AT_LEAST_EVERY / 2);
        let may = self.asking.is_none() && self.failures < TRIES;
        may && !is_fresh && self.is_connected && self.phase == MarketPhase::Core
    }

    pub(super) fn ask(&mut self, api: Option<TradingApi>) {
        self.asking = api.map(|api| tokio::spawn(api.clock()));
    }

    /// Returns when the clock has answered; never while it is not asked. Cancel-safe.
    pub(super) async fn answered(&mut self) {
        let Some(asking) = &mut self.asking else {
            return std::future::pending().await;
        };
        let answer = asking.await;
        self.asking = None;
        match answer {
            Ok(Ok(hours)) => {
                if !hours.is_open && self.phase == MarketPhase::Core {
                    let next = jiff::Timestamp::try_from(hours.next_open).unwrap_or_default();
                    info!("Alpaca's clock says that the market is closed; it opens {next}");
                }
                self.failures = 0;
                self.said = Some((Instant::now(), hours));
            }
            Ok(Err(why)) => self.failed(&why),
            Err(failed) => self.failed(&failed.to_string()),
        }
    }

    fn failed(&mut self, why: &str) {
        debug!("Alpaca's clock is not known: {why}");
        self.failures += 1;
    }

    /// Whether a connection of this age is to be replaced before trading begins.
    pub(super) fn is_old(&self, age: Duration) -> bool {
        self.begins_soon && age >= OLD
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::{Duration, Instant, SystemTime};

    use jiff::{SignedDuration, Timestamp};

    use super::{COUNTS, Hours};
    use crate::market::{MarketClock, Venue};
    use crate::rest::MarketHours;
    use crate::{Calendar, MarketPhase};

    fn at(time: &str) -> MarketClock {
        let time: Timestamp = time.parse().expect("a time");
        let shift: SignedDuration = time.duration_since(Timestamp::now());
        MarketClock::new(Venue::Iex, Arc::new(Calendar::default()), shift)
    }

    async fn told(hours: &mut Hours, is_open: bool) {
        let said = MarketHours {
            is_open,
            next_open: SystemTime::now() + Duration::from_secs(3600),
        };
        hours.asking = Some(tokio::spawn(async move { Ok(said) }));
        hours.answered().await;
    }

    #[tokio::test]
    async fn a_closure_that_no_calendar_foretold_is_told_by_alpacas_clock() {
        let (core, now) = (at("2025-10-08T10:29:00-04:00"), Instant::now());
        let mut hours = Hours::new(now);
        assert_eq!(hours.look(now, &core, false), MarketPhase::Core);
        assert!(
            !hours.wants_clock(),
            "without a connection it says nothing of our feed"
        );
        hours.look_again();
        assert!(hours.until() <= Instant::now());
        hours.look(now, &core, true);
        assert!(hours.wants_clock());
        told(&mut hours, false).await;
        assert!(!hours.wants_clock(), "it has just been asked");
        assert_eq!(hours.look(now, &core, true), MarketPhase::Closed);
        let later = Instant::now() + COUNTS;
        assert_eq!(
            hours.look(later, &core, true),
            MarketPhase::Core,
            "it counts for a while"
        );
        told(&mut hours, true).await;
        assert_eq!(hours.look(now, &core, true), MarketPhase::Core);
    }

    #[tokio::test]
    async fn a_clock_that_does_not_answer_is_not_asked_for_ever() {
        let (core, now) = (at("2025-10-08T10:29:00-04:00"), Instant::now());
        let mut hours = Hours::new(now);
        hours.look(now, &core, true);
        for _ in 0..3 {
            assert!(hours.wants_clock());
            hours.asking = Some(tokio::spawn(async { Err("HTTP 403".to_owned()) }));
            hours.answered().await;
        }
        assert!(!hours.wants_clock());
        let mut at_night = Hours::new(now);
        assert_eq!(
            at_night.look(now, &at("2025-10-08T22:29:00-04:00"), true),
            MarketPhase::Closed
        );
        assert!(!at_night.wants_clock(), "the calendar says enough");
    }
}
