//! Whether the connection is lost too often: each loss by itself looks harmless.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// More reconnects than this within that time are flapping.
const HARMLESS: usize = 3;
const WITHIN: Duration = Duration::from_secs(600);

/// The last reconnects, as many as make a judgement.
#[derive(Clone, Debug, Default)]
pub(super) struct Reconnects(VecDeque<Instant>);

impl Reconnects {
    pub(super) fn add(&mut self, now: Instant) {
        self.0.push_back(now);
        if self.0.len() > HARMLESS + 1 {
            self.0.pop_front();
        }
    }

    /// Until when there will have been too many; may have passed.
    pub(super) fn flapping_until(&self) -> Option<Instant> {
        let first = self.0.front().filter(|_| self.0.len() > HARMLESS)?;
        Some(*first + WITHIN).filter(|until| self.0.back().is_some_and(|last| last < until))
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::Reconnects;

    #[test]
    fn four_in_ten_minutes_are_too_many() {
        let start = Instant::now();
        let at = |minutes: u64| start + Duration::from_secs(60 * minutes);
        let mut reconnects = Reconnects::default();
        for minutes in [0, 4, 8] {
            reconnects.add(at(minutes));
            assert_eq!(reconnects.flapping_until(), None);
        }
        reconnects.add(at(9));
        assert_eq!(reconnects.flapping_until(), Some(at(10)));
        reconnects.add(at(13));
        assert_eq!(reconnects.flapping_until(), Some(at(14)));
        reconnects.add(at(60));
        assert_eq!(reconnects.flapping_until(), None);
    }
}
