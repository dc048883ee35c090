//! The transport clock: is anybody at the other end?

use std::time::{Duration, Instant};

const PING_EVERY: Duration = Duration::from_secs(10);
const PONG_WITHIN: Duration = Duration::from_secs(10);

/// Pings of one socket. Any frame answers a ping, since a pong may queue behind much data; what
/// this proves is the transport, not the feed.
#[derive(Clone, Debug)]
pub(crate) struct Pulse {
    ping_at: Instant,
    answer_due: Option<Instant>,
    sent: u64,
    sent_at: Instant,
}

/// What the clock says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Beat {
    /// Nothing is due.
    Quiet,
    /// Send a ping with this payload.
    Ping(u64),
    /// No answer came in time.
    Dead,
}

impl Pulse {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            ping_at: now + PING_EVERY,
            answer_due: None,
            sent: 0,
            sent_at: now,
        }
    }

    pub(crate) fn heard(&mut self) {
        self.answer_due = None;
    }

    /// The round trip, when this answers the latest ping.
    pub(crate) fn answered(&mut self, now: Instant, payload: u64) -> Option<Duration> {
        self.heard();
        (payload == self.sent).then(|| now.saturating_duration_since(self.sent_at))
    }

    pub(crate) fn tick(&mut self, now: Instant) -> Beat {
        if self.answer_due.is_some_and(|due| due <= now) {
            return Beat::Dead;
        }
        if self.answer_due.is_some() || now < self.ping_at {
            return Beat::Quiet;
        }
        self.sent += 1;
        self.sent_at = now;
        self.ping_at = now + PING_EVERY;
        self.answer_due = Some(now + PONG_WITHIN);
        Beat::Ping(self.sent)
    }

    pub(crate) fn deadline(&self) -> Instant {
        self.answer_due.unwrap_or(self.ping_at)
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::{Beat, Pulse};

    #[test]
    fn pings_every_ten_seconds_while_answered() {
        let start = Instant::now();
        let at = |s| start + Duration::from_secs(s);
        let mut pulse = Pulse::new(start);
        assert_eq!(pulse.tick(at(9)), Beat::Quiet);
        assert_eq!(pulse.tick(at(10)), Beat::Ping(1));
        assert_eq!(pulse.tick(at(10)), Beat::Quiet);
        let late = at(10) + Duration::from_millis(40);
        assert_eq!(pulse.answered(late, 7), None, "not this ping's");
        assert_eq!(pulse.answered(late, 1), Some(Duration::from_millis(40)));
        assert_eq!(pulse.deadline(), at(20));
        assert_eq!(pulse.tick(at(20)), Beat::Ping(2));
    }

    #[test]
    fn an_unanswered_ping_is_death_after_ten_seconds() {
        let start = Instant::now();
        let mut pulse = Pulse::new(start);
        let pinged = pulse.deadline();
        assert_eq!(pulse.tick(pinged), Beat::Ping(1));
        let due = pulse.deadline();
        assert_eq!(due, pinged + Duration::from_secs(10));
        assert_eq!(pulse.tick(due - Duration::from_millis(1)), Beat::Quiet);
        assert_eq!(pulse.tick(due), Beat::Dead);
    }
}
