//! How much may be read from a noisy stream, if somebody has asked for less than all.

use std::time::{Duration, Instant};

/// Reads of less than this are not worth a wake-up, unless the rate itself is less.
const WORTHWHILE: f64 = 4096.0;

/// A bucket that fills at the allowed rate, and holds what may be read in a tenth of a second.
#[derive(Debug)]
pub(super) struct Throttle {
    rate: f64,
    tokens: f64,
    at: Instant,
}

impl Throttle {
    /// For this many bytes a second.
    pub(super) fn new(rate: u64, now: Instant) -> Self {
        let rate = rate as f64;
        let mut throttle = Self {
            rate,
            tokens: 0.0,
            at: now,
        };
        throttle.tokens = throttle.most();
        throttle
    }

    fn most(&self) -> f64 {
        (self.rate / 10.0).max(self.least())
    }

    fn least(&self) -> f64 {
        WORTHWHILE.min(self.rate)
    }

    /// How many bytes may be read now, or when to ask again.
    pub(super) fn allowance(&mut self, now: Instant) -> Result<usize, Instant> {
        self.tokens += self.rate * now.saturating_duration_since(self.at).as_secs_f64();
        self.tokens = self.tokens.min(self.most());
        self.at = now;
        if self.tokens >= self.least() {
            return Ok(self.tokens as usize);
        }
        let missing = (self.most() - self.tokens) / self.rate;
        Err(now + Duration::from_secs_f64(missing.min(3600.0)))
    }

    /// So many were read.
    pub(super) fn took(&mut self, bytes: usize) {
        self.tokens -= bytes as f64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_is_read_than_the_rate_allows() {
        let start = Instant::now();
        for rate in [10_u64, 10_000, 10 << 20] {
            let mut throttle = Throttle::new(rate, start);
            let (mut now, mut read) = (start, 0);
            while now < start + Duration::from_secs(10) {
                match throttle.allowance(now) {
                    Ok(bytes) => {
                        throttle.took(bytes);
                        read += bytes as u64;
                    }
                    Err(later) => {
                        assert!(later > now);
                        now = later;
                    }
                }
            }
            assert!(read <= rate * 12 && read >= rate * 8, "{read} at {rate}");
        }
    }
}
