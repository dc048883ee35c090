//! How long to wait before connecting again.

use std::time::{Duration, Instant};

const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(60);
/// A connection that proves itself and is lost again and again is retried at once only this often.
const AT_ONCE_EVERY: Duration = Duration::from_secs(5);

/// 1 s doubling to 60 s, each with a jitter of a quarter either way. A connection that has proved
/// itself starts the count anew, and its loss is answered by an attempt at once. What proves a
/// market-data connection is data alone: trades, quotes, bars, statuses, corrections; never a welcome, an
/// accepted key, a confirmed subscription or a pong, all of which a sick server can give again and again.
#[derive(Clone, Debug)]
pub(crate) struct Backoff {
    failures: u32,
    proven: bool,
    last_at_once: Option<Instant>,
    random: u64,
}

impl Backoff {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            failures: 0,
            proven: false,
            last_at_once: None,
            random: seed,
        }
    }

    /// The present connection has proved itself.
    pub(crate) fn proven(&mut self) {
        self.failures = 0;
        self.proven = true;
    }

    /// The wait after the present connection was lost or could not be made.
    pub(crate) fn after_loss(&mut self, now: Instant) -> Duration {
        let was_proven = std::mem::take(&mut self.proven);
        let at_once_is_due = self
            .last_at_once
            .is_none_or(|last| now.saturating_duration_since(last) >= AT_ONCE_EVERY);
        if was_proven && at_once_is_due {
            self.last_at_once = Some(now);
            return Duration::ZERO;
        }
        let doubled = FIRST * 2_u32.pow(self.failures.min(6));
        self.failures = self.failures.saturating_add(1);
        self.jittered(doubled.min(LONGEST)).min(LONGEST)
    }

    /// `wait` with a jitter of up to a quarter either way.
    pub(crate) fn jittered(&mut self, wait: Duration) -> Duration {
        wait.mul_f64(0.75 + self.fraction() / 2.0)
    }

    /// A number in 0..1, by SplitMix64 (Steele, Lea, Flood 2014).
    fn fraction(&mut self) -> f64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^= z >> 31;
        (z >> 11) as f64 / (1_u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::Backoff;

    fn seconds(backoff: &mut Backoff, now: Instant, times: usize) -> Vec<f64> {
        (0..times)
            .map(|_| backoff.after_loss(now).as_secs_f64())
            .collect()
    }

    #[test]
    fn waits_double_from_one_second_to_sixty() {
        let now = Instant::now();
        for seed in 0..100 {
            let waits = seconds(&mut Backoff::new(seed), now, 12);
            for (n, wait) in waits.iter().enumerate() {
                let middle = f64::from(1_u32 << n.min(6)).min(60.0);
                let (least, most) = (middle * 0.75, (middle * 1.25).min(60.0));
                assert!((least..=most).contains(wait), "wait {n} is {wait} s");
            }
        }
    }

    #[test]
    fn waits_differ_between_clients() {
        let now = Instant::now();
        let one = seconds(&mut Backoff::new(1), now, 6);
        assert_ne!(one, seconds(&mut Backoff::new(2), now, 6));
        assert_eq!(one, seconds(&mut Backoff::new(1), now, 6));
    }

    #[test]
    fn a_proven_connection_is_retried_at_once_and_then_patiently() {
        let mut backoff = Backoff::new(7);
        let now = Instant::now();
        seconds(&mut backoff, now, 5);
        backoff.proven();
        assert_eq!(backoff.after_loss(now), Duration::ZERO);
        assert!(backoff.after_loss(now) >= Duration::from_millis(750));
        backoff.proven();
        let soon = now + Duration::from_secs(4);
        assert!(backoff.after_loss(soon) >= Duration::from_millis(750), "flapping");
        backoff.proven();
        assert_eq!(backoff.after_loss(now + Duration::from_secs(5)), Duration::ZERO);
    }
}
