//! How long a service waits before its next try.

use std::time::Duration;

/// The delay after the first failure.
pub const FIRST: Duration = Duration::from_millis(100);
/// No delay is longer, jitter aside.
pub const CAP: Duration = Duration::from_secs(30);

/// A source of jitter that is part of the machine's value: the same seed gives the same history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Jitter(u64);

impl Jitter {
    /// Any seed will do.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A number from 0 (included) to 1 (excluded): splitmix64 (Steele, Lea, Flood 2014).
    fn unit(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        f64::from((z ^ (z >> 31)) as u32) / (f64::from(u32::MAX) + 1.0)
    }

    /// `FIRST` doubled with each failure in a row up to `CAP`, and up to a quarter more, so that
    /// services which failed together do not come back together.
    pub fn delay(&mut self, failures: u32) -> Duration {
        let doublings = failures.saturating_sub(1).min(16);
        let base = FIRST.saturating_mul(1 << doublings).min(CAP);
        base.mul_f64(1.0 + self.unit() / 4.0)
    }
}
