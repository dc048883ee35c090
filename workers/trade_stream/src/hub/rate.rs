//! How many trades came in the last minute. Pure, constant memory.

use std::time::Instant;

const SECONDS: usize = 60;

/// Trades per second of the last minute.
#[derive(Debug)]
pub struct PerMinute {
    started: Instant,
    /// The count of each second, at the second's place in the minute.
    counts: [u64; SECONDS],
    /// The last second that was counted, from `started` on.
    second: u64,
}

impl PerMinute {
    /// No trades before `now`.
    pub fn new(now: Instant) -> Self {
        Self {
            started: now,
            counts: [0; SECONDS],
            second: 0,
        }
    }

    /// Counts trades that came at `now`.
    pub fn add(&mut self, now: Instant, trades: usize) {
        self.forget_until(now);
        self.counts[place(self.second)] += trades as u64;
    }

    /// The trades of the 60 seconds up to `now`.
    pub fn total(&mut self, now: Instant) -> u64 {
        self.forget_until(now);
        self.counts.iter().sum()
    }

    fn forget_until(&mut self, now: Instant) {
        let second = now.saturating_duration_since(self.started).as_secs();
        let passed = second.saturating_sub(self.second).min(SECONDS as u64);
        for one in 1..=passed {
            self.counts[place(second - passed + one)] = 0;
        }
        self.second = self.second.max(second);
    }
}

fn place(second: u64) -> usize {
    (second % SECONDS as u64) as usize
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::PerMinute;

    #[test]
    fn trades_count_for_a_minute() {
        let start = Instant::now();
        let at = |second| start + Duration::from_secs(second);
        let mut rate = PerMinute::new(start);
        rate.add(at(0), 5);
        rate.add(at(30), 2);
        assert_eq!(rate.total(at(59)), 7);
        assert_eq!(rate.total(at(60)), 2, "the first second has left the minute");
        rate.add(at(61), 1);
        assert_eq!(rate.total(at(89)), 3);
        assert_eq!(rate.total(at(90)), 1);
        assert_eq!(rate.total(at(500)), 0, "a long silence empties it");
    }
}
