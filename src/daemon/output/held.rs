//! How long the beginning of a line waits in its pipe for the rest.
//!
//! Programs write a line in pieces: a message, then its newline. In the log it should be one record, so the
//! pieces are left in the pipe for a moment, and looked at again: soon, then less soon.

use std::time::{Duration, Instant};

/// No longer than this: then it is a prompt, or a progress bar, and people want to see it.
const LONGEST: Duration = Duration::from_millis(50);
const FIRST: Duration = Duration::from_millis(1);

/// Since when.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Held {
    since: Option<Instant>,
}

impl Held {
    /// Whether it has waited long enough.
    pub(super) fn is_over(&self, now: Instant) -> bool {
        self.since
            .is_some_and(|since| now.saturating_duration_since(since) >= LONGEST)
    }

    /// When to look again.
    pub(super) fn until(&mut self, now: Instant) -> Instant {
        let since = *self.since.get_or_insert(now);
        let waited = now.saturating_duration_since(since);
        now + waited.clamp(FIRST, LONGEST.saturating_sub(waited).max(FIRST))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_looked_at_less_and_less_and_then_let_go() {
        let start = Instant::now();
        let (mut held, mut now, mut looks) = (Held::default(), start, 0);
        while !held.is_over(now) {
            let next = held.until(now);
            assert!(next > now);
            (now, looks) = (next, looks + 1);
        }
        assert!(now - start <= LONGEST + FIRST && looks < 10, "{looks} looks");
    }
}
