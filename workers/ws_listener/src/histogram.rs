//! How long things take, in buckets. Pure, constant memory.

use std::time::Duration;

/// Upper bounds of the buckets, in seconds.
const BOUNDS: [f64; 18] = [
    0.000_02, 0.000_05, 0.000_1, 0.000_2, 0.000_5, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0,
    2.0, 5.0, 10.0,
];

/// Counts of durations.
#[derive(Clone, Debug, Default)]
pub struct Histogram {
    /// One for each bound, and one for what is longer.
    counts: [u64; BOUNDS.len() + 1],
    /// Of all, in seconds.
    pub sum: f64,
}

impl Histogram {
    /// So many took so long.
    pub fn add(&mut self, took: Duration, times: usize) {
        let seconds = took.as_secs_f64();
        let bucket = BOUNDS.partition_point(|bound| *bound < seconds);
        self.counts[bucket] += times as u64;
        self.sum += seconds * times as f64;
    }

    /// Each bound with its count, the last of them infinity.
    pub fn buckets(&self) -> Vec<(f64, u64)> {
        let bounds = BOUNDS.into_iter().chain([f64::INFINITY]);
        bounds.zip(self.counts).collect()
    }

    /// The bound, in milliseconds, that this part of all was within; `None` before there are any.
    pub fn within_ms(&self, part: f64) -> Option<f64> {
        let total: u64 = self.counts.iter().sum();
        let wanted = (total as f64 * part).ceil();
        let mut seen = 0;
        let bucket = self.counts.iter().position(|count| {
            seen += count;
            seen as f64 >= wanted
        });
        let bound = BOUNDS.get(bucket?).unwrap_or(&f64::MAX).min(60.0);
        (total > 0).then_some(bound * 1000.0)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Histogram;

    #[test]
    fn parts_are_within_their_bounds() {
        let mut histogram = Histogram::default();
        assert_eq!(histogram.within_ms(0.5), None);
        histogram.add(Duration::from_micros(150), 98);
        histogram.add(Duration::from_millis(30), 1);
        histogram.add(Duration::from_secs(99), 1);
        assert_eq!(histogram.within_ms(0.5), Some(0.2));
        assert_eq!(histogram.within_ms(0.99), Some(50.0));
        assert_eq!(histogram.within_ms(1.0), Some(60_000.0));
        assert!((histogram.sum - 99.0447).abs() < 0.001);
    }
}
