//! How fast a client may ask. Pure.

use std::time::{Duration, Instant};

/// A client may save up this many seconds of requests, as when a page subscribes to all it shows.
const BURST_S: f64 = 10.0;

/// Requests of one client (a token bucket). Who asks faster is read no faster: nothing is refused.
#[derive(Debug)]
pub(super) struct Pace {
    per_second: f64,
    saved: f64,
    at: Instant,
}

impl Pace {
    pub(super) fn new(per_second: u32, now: Instant) -> Self {
        let per_second = f64::from(per_second.max(1));
        Self {
            per_second,
            saved: per_second * BURST_S,
            at: now,
        }
    }

    /// Takes a request at `now`; returns how long the next is to wait.
    pub(super) fn take(&mut self, now: Instant) -> Duration {
        let passed = now.saturating_duration_since(self.at).as_secs_f64();
        self.at = now;
        self.saved = (self.saved + passed * self.per_second).min(self.per_second * BURST_S) - 1.0;
        Duration::from_secs_f64((-self.saved / self.per_second).max(0.0))
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::Pace;

    #[test]
    fn a_burst_is_free_and_the_rate_holds_after_it() {
        let now = Instant::now();
        let mut pace = Pace::new(10, now);
        for _ in 0..100 {
            assert_eq!(pace.take(now), Duration::ZERO);
        }
        assert_eq!(pace.take(now), Duration::from_millis(100));
        assert_eq!(pace.take(now), Duration::from_millis(200));
        let later = now + Duration::from_secs(1);
        assert_eq!(pace.take(later), Duration::ZERO, "time pays back");
        let much_later = now + Duration::from_secs(1000);
        for _ in 0..100 {
            assert_eq!(pace.take(much_later), Duration::ZERO);
        }
        assert_ne!(
            pace.take(much_later),
            Duration::ZERO,
            "no more is saved than a burst"
        );
    }
}
