//! How often something comes, and after how long a silence that is no chance any more.

use std::time::{Duration, Instant};

/// What is older than a few times this counts no more.
const MEMORY: f64 = 60.0;
/// What comes within so short a time came together, and counts once.
const TOGETHER: Duration = Duration::from_millis(20);
/// Nothing is judged from fewer than so many, or from a shorter time, unless there are many.
const ENOUGH: u32 = 20;
const LONG_ENOUGH: f64 = 5.0;
const MANY: u32 = 60;
const LONG_ENOUGH_FOR_MANY: f64 = 2.0;
/// A silence with a chance of one in 10^9 is so many times the mean gap: ln(10^9).
const BEYOND_CHANCE: f64 = 20.7;
/// Trades come in clusters: the least factor by which a silence may be longer than Poisson's.
const CLUSTERED: f64 = 3.0;
/// No silence shorter than this is judged.
pub(super) const SHORTEST: Duration = Duration::from_secs(2);
/// No silence shorter than this is looked into when it is over.
const SHORTEST_PAUSE: Duration = Duration::from_millis(250);
/// A silence longer than this is looked into, however rarely something comes.
pub(super) const LONGEST: Duration = Duration::from_secs(120);

/// An exponentially weighted memory of how often, and how regularly, something comes.
#[derive(Clone, Debug)]
pub(super) struct Rate {
    since: Instant,
    last: Instant,
    count: u32,
    /// Decayed sums over the gaps: how many, their lengths, and their squares.
    gaps: f64,
    length: f64,
    squares: f64,
}

impl Rate {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            since: now,
            last: now,
            count: 0,
            gaps: 0.0,
            length: 0.0,
            squares: 0.0,
        }
    }

    /// Something came.
    pub(super) fn add(&mut self, now: Instant) {
        let gap = now.saturating_duration_since(self.last);
        if self.count > 0 && gap < TOGETHER {
            return;
        }
        let gap = gap.as_secs_f64();
        let decay = (-gap / MEMORY).exp();
        self.gaps = self.gaps * decay + 1.0;
        self.length = self.length * decay + gap;
        self.squares = self.squares * decay + gap * gap;
        self.count = self.count.saturating_add(1);
        self.last = now;
    }

    /// Time that does not count has passed up to now, such as an outage.
    pub(super) fn skip_to(&mut self, now: Instant) {
        let skipped = now.saturating_duration_since(self.last);
        self.since += skipped;
        self.last = now;
    }

    /// Per second, before the present silence; `None` while too little is known.
    pub(super) fn per_second(&self) -> Option<f64> {
        let known_for = self.last.saturating_duration_since(self.since).as_secs_f64();
        let is_known = self.count >= ENOUGH && known_for >= LONG_ENOUGH
            || self.count >= MANY && known_for >= LONG_ENOUGH_FOR_MANY;
        self.mean_rate().filter(|_| is_known)
    }

    /// The same from however short a time.
    fn mean_rate(&self) -> Option<f64> {
        let known_for = self.last.saturating_duration_since(self.since).as_secs_f64();
        let remembered = MEMORY * (1.0 - (-known_for / MEMORY).exp());
        let rate = self.gaps / remembered;
        // Nothing is left when every source has gone, and a sum of nothing is minus zero.
        (rate > 0.0 && self.count >= ENOUGH).then_some(rate)
    }

    /// Only this part of the sources is left.
    pub(super) fn scale(&mut self, part: f64) {
        self.gaps *= part;
        self.length *= part;
        self.squares *= part;
    }

    /// The silence that is no chance any more; `None` when too little comes to tell.
    pub(super) fn limit(&self) -> Option<Duration> {
        let seconds = BEYOND_CHANCE * self.clustering() / self.per_second()?;
        (seconds <= LONGEST.as_secs_f64()).then(|| Duration::from_secs_f64(seconds).max(SHORTEST))
    }

    /// The silence that is worth a look, once it is over: looking costs little, so that no margin is
    /// needed, and little need be known.
    pub(super) fn improbable(&self) -> Option<Duration> {
        let seconds = BEYOND_CHANCE * self.variation().max(1.0) / self.mean_rate()?;
        let silence = Duration::try_from_secs_f64(seconds).ok()?;
        Some(silence.max(SHORTEST_PAUSE))
    }

    /// By how much gaps are longer than those of a Poisson process: its gaps have a squared
    /// coefficient of variation of 1, and the tail of a clustered one decays slower by (1 + it) / 2.
    fn clustering(&self) -> f64 {
        CLUSTERED.max(self.variation())
    }

    fn variation(&self) -> f64 {
        let variation = self.gaps * self.squares / (self.length * self.length) - 1.0;
        f64::midpoint(1.0, variation)
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::{LONGEST, Rate, SHORTEST};

    /// A stream of random numbers in 0..1 that a seed repeats.
    fn fraction(state: &mut u64) -> f64 {
        *state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (*state >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Events at random, `rate` a second on average, for `seconds`.
    fn poisson(rate: f64, seconds: f64, seed: u64) -> (Rate, f64) {
        let start = Instant::now();
        let (mut learned, mut at, mut state, mut longest) = (Rate::new(start), 0.0, seed, 0.0_f64);
        while at < seconds {
            let gap = -(1.0 - fraction(&mut state)).ln() / rate;
            longest = longest.max(gap);
            at += gap;
            learned.add(start + Duration::from_secs_f64(at));
        }
        (learned, longest)
    }

    #[test]
    fn the_rates_of_the_two_feeds_have_limits_of_their_own() {
        for seed in 1..50 {
            // AAPL on IEX, 0.54 a second: the Poisson limit is 38 s, three times that is the margin.
            let (iex, _) = poisson(0.54, 600.0, seed);
            let per_second = iex.per_second().expect("enough");
            assert!((0.25..1.0).contains(&per_second), "{per_second}");
            assert!(iex.limit().is_none_or(|limit| limit >= Duration::from_secs(60)));
            // On SIP, 22.9 a second.
            let (sip, _) = poisson(22.9, 60.0, seed);
            let limit = sip.limit().expect("enough").as_secs_f64();
            assert!((2.0..7.0).contains(&limit), "{limit}");
        }
    }

    #[test]
    fn no_gap_of_chance_reaches_the_limit() {
        for seed in 1..30 {
            for rate in [0.6, 3.0, 20.0] {
                let (learned, longest) = poisson(rate, 1000.0, seed);
                let limit = learned.limit().unwrap_or(LONGEST).as_secs_f64();
                assert!(longest < limit, "rate {rate}, seed {seed}: {longest} of {limit}");
            }
        }
    }

    #[test]
    fn bursts_count_once_and_raise_the_limit() {
        let start = Instant::now();
        let mut bursts = Rate::new(start);
        for burst in 1..=60_u32 {
            let at = start + burst * Duration::from_secs(2);
            for n in 0..1000 {
                bursts.add(at + Duration::from_micros(n));
            }
        }
        let per_second = bursts.per_second().expect("enough");
        assert!((0.4..0.6).contains(&per_second), "{per_second}");
        // Twenty trades within a second or two, then nothing for half a minute: no silence of two
        // minutes proves anything.
        let mut clustered = Rate::new(start);
        for cluster in 1..=20_u32 {
            let at = start + cluster * Duration::from_secs(30);
            for n in 0..20_u32 {
                clustered.add(at + n * Duration::from_millis(50));
            }
        }
        assert_eq!(clustered.limit(), None);
    }

    #[test]
    fn little_is_not_judged_and_much_not_within_two_seconds() {
        let start = Instant::now();
        let mut rate = Rate::new(start);
        for n in 1..20_u32 {
            rate.add(start + n * Duration::from_secs(1));
        }
        assert_eq!(rate.limit(), None);
        let (opening, _) = poisson(10_000.0, 2.1, 1);
        assert_eq!(opening.limit(), Some(SHORTEST), "a busy feed is known soon");
        let (opening, _) = poisson(10.0, 2.5, 1);
        assert_eq!(opening.limit(), None, "others are not");
        let silence = opening
            .improbable()
            .expect("but a silence that is over is looked into");
        assert!((1.0..6.0).contains(&silence.as_secs_f64()), "{silence:?}");
        let (busy, _) = poisson(10_000.0, 10.0, 1);
        assert_eq!(busy.limit(), Some(SHORTEST));
        let (thin, _) = poisson(0.01, 10_000.0, 1);
        assert_eq!(thin.limit(), None);
    }

    #[test]
    fn an_outage_does_not_count_and_fewer_sources_come_less_often() {
        let (mut rate, _) = poisson(10.0, 100.0, 1);
        let before = rate.per_second().expect("enough");
        rate.skip_to(rate.last + Duration::from_secs(3600));
        assert_eq!(rate.per_second(), Some(before));
        rate.scale(0.25);
        let after = rate.per_second().expect("enough");
        assert!((after / before - 0.25).abs() < 1e-9);
        rate.scale(-0.0);
        assert_eq!(
            (rate.per_second(), rate.limit()),
            (None, None),
            "no source is left"
        );
    }
}
