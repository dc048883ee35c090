//! Random numbers that a seed repeats: SplitMix64 (Steele, Lea, Flood 2014).

/// A stream of random numbers.
#[derive(Clone, Debug)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A stream of its own for a name, the same for the same seed.
    pub(crate) fn named(seed: u64, name: &str) -> Self {
        // FNV-1a: any hash does that is the same in every run.
        let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        Self(hash ^ seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// In 0..1.
    pub(crate) fn fraction(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// In 0..bound; 0 for bound 0.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        // The fraction is below 1, so the product is below the bound.
        (self.fraction() * bound as f64) as usize
    }

    /// About normal, with mean 0 and deviation 1, never beyond 6.
    pub(crate) fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.fraction()).sum::<f64>() - 6.0
    }

    /// The time to the next of events that come at random, one in a unit of time on average.
    pub(crate) fn interval(&mut self) -> f64 {
        -(1.0 - self.fraction()).ln()
    }
}

#[cfg(test)]
mod tests {
    use super::Random;

    #[test]
    fn numbers_keep_to_their_ranges_and_means() {
        let mut random = Random::named(1, "AAPL");
        let count = 10_000;
        let (mut fractions, mut normals, mut intervals) = (0.0, 0.0, 0.0);
        for _ in 0..count {
            assert!(random.below(3) < 3);
            fractions += random.fraction();
            normals += random.normal();
            intervals += random.interval();
        }
        let mean = |sum: f64| sum / f64::from(count);
        assert!((mean(fractions) - 0.5).abs() < 0.05);
        assert!(mean(normals).abs() < 0.05);
        assert!((mean(intervals) - 1.0).abs() < 0.05);
    }
}
