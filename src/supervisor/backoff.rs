//! How long a service waits before its next try.

use std::time::Duration;

use crate::service::{Backoff, Run};

/// A source of jitter that depends on nothing but whose pause it is: the same seed gives the same history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Jitter(u64);

impl Jitter {
    /// Any seed will do; another on each host, so that fleets do not move together.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// `min` doubled with each failure in a row up to `max`, and up to a quarter more, so that
    /// services which failed together do not come back together.
    #[must_use]
    pub fn delay(self, backoff: Backoff, run: &Run, failures: u32) -> Duration {
        let doublings = failures.saturating_sub(1).min(31);
        let base = backoff.min.saturating_mul(1 << doublings).min(backoff.max);
        base.mul_f64(1.0 + self.unit(run, failures) / 4.0)
    }

    /// A number from 0 (included) to 1 (excluded) for this pause of this run.
    fn unit(self, run: &Run, failures: u32) -> f64 {
        // FNV-1a (Fowler, Noll, Vo) over the name, then the finish of splitmix64 (Steele, Lea, Flood 2014).
        let name = run.service.as_str().bytes();
        let hash = name.fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        let mut z = self.0 ^ hash ^ run.number.rotate_left(32) ^ u64::from(failures);
        z = z.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        f64::from((z ^ (z >> 31)) as u32) / (f64::from(u32::MAX) + 1.0)
    }
}
