//! How often a place that another connection holds is asked for again. Pure.
//!
//! Alpaca tells nobody that a place has come free, so asking is all there is. A clean Close frees it
//! at once, a connection that died without one after about 90 s, so it is asked for mostly when it
//! may have come free: every 80 ms in the first four seconds and around the 90th, in
//! between after a fiftieth of the time that has passed, and every 5 s when another program seems to
//! have it for good. That is some 400 short messages in 100 s, all on one open socket, as Alpaca's own
//! Go client asks again (15 times, from every half second on). Where each try costs a new connection,
//! for which Alpaca answers 429 soon, it stays at one in 5 s, one of them just after the 90th second.

use std::time::{Duration, Instant};

/// When a connection that ended uncleanly has lost its place, by all reports.
const EXPECTED: Duration = Duration::from_secs(90);
/// It is asked for most often between these.
const WINDOW: (Duration, Duration) = (Duration::from_secs(85), Duration::from_secs(100));
/// So that trades flow again within a tenth of a second, the round trips of a subscription included.
const SHORTEST: Duration = Duration::from_millis(80);
/// While it is held for good, and between two connections; with a jitter.
pub(crate) const LONGEST: Duration = Duration::from_secs(5);
/// The part of the time that has passed until it is asked for again.
const PART: u32 = 50;
/// A loss longer ago has nothing to do with a place that is held now.
const LONG_AGO: Duration = Duration::from_secs(120);

/// Since when a place is waited for.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Patience {
    /// The present, or the last, connection of ours had the place until then.
    lost_at: Option<Instant>,
    held_since: Option<Instant>,
}

impl Patience {
    /// A connection of ours has ended.
    pub(crate) fn lost(&mut self, now: Instant) {
        self.lost_at = Some(now);
    }

    /// The place was refused: how long it has been held, presumably by what we have lost.
    pub(crate) fn refused(&mut self, now: Instant) -> Duration {
        let since = *self.held_since.get_or_insert_with(|| {
            let lost = self
                .lost_at
                .filter(|at| now.saturating_duration_since(*at) < LONG_AGO);
            lost.unwrap_or(now)
        });
        now.saturating_duration_since(since)
    }

    /// The place is ours, or something else is wrong.
    pub(crate) fn over(&mut self) {
        self.held_since = None;
    }
}

/// When to ask again on the same socket for a place that has been held for so long; `None` when it
/// is held for good, and there is time.
pub(crate) fn next_ask(held: Duration) -> Option<Duration> {
    let (from, to) = WINDOW;
    if held > to {
        return None;
    }
    if held >= from {
        return Some(SHORTEST);
    }
    let pause = (held / PART).max(SHORTEST);
    Some(pause.min(from - held).max(SHORTEST / 2))
}

/// When to connect again, if not after `wait`.
pub(crate) fn next_connection(held: Duration, wait: Duration) -> Duration {
    match EXPECTED.checked_sub(held) {
        Some(left) if left > wait / 5 => wait.min(left + SHORTEST),
        Some(_) | None => wait,
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::{Patience, next_ask, next_connection};

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    /// When it is asked for, each answer taking 20 ms, for as long as it is not held for good.
    fn asks() -> Vec<Duration> {
        let (mut at, mut asks) = (Duration::ZERO, Vec::new());
        while let Some(pause) = next_ask(at) {
            at += pause;
            asks.push(at);
            at += ms(20);
        }
        asks
    }

    #[test]
    fn a_place_is_taken_soon_after_it_is_free() {
        let asks = asks();
        for tenths in 0..=1000 {
            let free = ms(tenths * 100);
            let asked = asks.iter().find(|at| **at >= free).expect("asked");
            let likely = tenths <= 40 || (850..=1000).contains(&tenths);
            let bound = if likely { ms(100) } else { free / 50 + ms(20) };
            assert!(*asked - free <= bound, "free at {free:?}, asked at {asked:?}");
        }
    }

    #[test]
    fn it_is_asked_for_some_hundred_times_and_no_more() {
        let count = asks().len();
        assert!((200..450).contains(&count), "{count}");
        assert_eq!(next_ask(Duration::from_secs(101)), None, "held for good");
    }

    #[test]
    fn a_new_connection_is_made_every_five_seconds_and_just_after_the_ninetieth() {
        let wait = Duration::from_secs(5);
        for (held, expected) in [(0, 5000), (86_000, 4080), (89_500, 5000), (90_100, 5000)] {
            assert_eq!(next_connection(ms(held), wait), ms(expected), "{held}");
        }
    }

    #[test]
    fn it_is_counted_from_our_own_loss_if_that_was_lately() {
        let start = Instant::now();
        let mut patience = Patience::default();
        patience.lost(start);
        assert_eq!(patience.refused(start + ms(300)), ms(300));
        assert_eq!(patience.refused(start + ms(900)), ms(900));
        patience.over();
        let later = start + Duration::from_secs(500);
        assert_eq!(patience.refused(later), Duration::ZERO);
        assert_eq!(patience.refused(later + ms(100)), ms(100));
    }
}
