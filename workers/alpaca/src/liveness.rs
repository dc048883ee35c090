//! Whether the feed is alive, and why one thinks so.

use std::fmt::Write as _;
use std::time::{Duration, SystemTime};

use crate::{MarketPhase, State, Status};

/// What is known of the feed of a connection that is up, or why the last one was given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Data comes as it should.
    Live,
    /// No data comes, and none is due: the market is closed, or trades too rarely to tell and the
    /// server answers.
    Quiet,
    /// No data comes for longer than it should, and it is being found out why.
    Suspect,
    /// No data came for longer than chance can explain, on a connection that answered pings. It is
    /// being made anew.
    Mute,
    /// The peer answered no ping or no request. The connection is being made anew.
    Dead,
}

/// How alive the feed is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Liveness {
    /// `None` before the first connection and while one is being made.
    pub verdict: Option<Verdict>,
    /// What the market of this feed is doing.
    pub market: MarketPhase,
    /// The mean time between two arrivals of data in this phase, once it is known.
    pub expected_every: Option<Duration>,
    /// The silence after which something is done.
    pub alarm_after: Duration,
    /// The round trip of the last answered ping.
    pub round_trip: Option<Duration>,
    /// Connections given up so far because the feed was mute.
    pub mute_alarms: u64,
    /// Subscriptions of single symbols that were renewed because the symbol was mute.
    pub renewed_symbols: u64,
    /// More than 3 reconnects within 10 minutes; until when that will have been so.
    pub flapping_until: Option<SystemTime>,
}

impl Status {
    /// The word for what the connection is doing: that of the state, and, where that is `LIVE` or a
    /// connection was given up for its silence, that of the verdict: `LIVE`, `QUIET_OK`, `SUSPECT`,
    /// `MUTE` or `DEAD`.
    pub fn word(&self) -> &'static str {
        match (self.state, self.liveness.verdict) {
            (State::Live, Some(Verdict::Quiet)) => "QUIET_OK",
            (State::Live, Some(Verdict::Suspect)) => "SUSPECT",
            (State::Closing | State::BackingOff, Some(Verdict::Mute)) => "MUTE",
            (State::Closing | State::BackingOff, Some(Verdict::Dead)) => "DEAD",
            (state, _) => state.as_str(),
        }
    }

    /// More than 3 reconnects within the last 10 minutes.
    pub fn is_flapping(&self, now: SystemTime) -> bool {
        self.liveness.flapping_until.is_some_and(|until| now < until)
    }

    /// One line for a person: the word, the age of the last data, what was expected, and what the
    /// market is doing.
    pub fn sentence(&self, now: SystemTime) -> String {
        let Liveness {
            market,
            expected_every,
            alarm_after,
            ..
        } = &self.liveness;
        let mut text = self.word().to_owned();
        // Writing to a String does not fail.
        let _ = match self.last_data.and_then(|last| now.duration_since(last).ok()) {
            Some(age) => write!(text, ": last trade {} ago", short(age)),
            None => write!(text, ": no trade yet"),
        };
        if self.state.is_connected() && market.is_open() {
            let _ = match expected_every {
                Some(every) => write!(text, ", one is expected every {}", short(*every)),
                None => write!(text, ", not yet known how often they come"),
            };
            let _ = write!(text, ", alarm after {} of silence", short(*alarm_after));
        }
        let _ = write!(text, "; {}", market.name());
        if let Some(detail) = &self.detail {
            let _ = write!(text, "; {detail}");
        }
        if self.is_flapping(now) {
            text.push_str("; flapping: more than 3 reconnects within 10 minutes");
        }
        text
    }
}

/// A duration as people say it: `0.35 s`, `41 s`, `12 min`, `3 h`.
pub(crate) fn short(duration: Duration) -> String {
    let seconds = duration.as_secs_f64();
    match duration.as_secs() {
        0 => format!("{seconds:.2} s"),
        1..10 => format!("{seconds:.1} s"),
        10..120 => format!("{seconds:.0} s"),
        120..7200 => format!("{:.0} min", seconds / 60.0),
        _ => format!("{:.0} h", seconds / 3600.0),
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::{Liveness, Verdict};
    use crate::{MarketPhase, State, Status};

    fn status(state: State, verdict: Verdict) -> Status {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
        Status {
            state,
            last_data: Some(now - Duration::from_millis(400)),
            liveness: Liveness {
                verdict: Some(verdict),
                market: MarketPhase::Core,
                expected_every: Some(Duration::from_millis(100)),
                alarm_after: Duration::from_millis(6200),
                flapping_until: Some(now),
                ..Liveness::default()
            },
            ..Status::idle(now)
        }
    }

    #[test]
    fn states_and_verdicts_have_one_word() {
        for (state, verdict, word) in [
            (State::Connecting, Verdict::Live, "CONNECTING"),
            (State::AuthWait, Verdict::Live, "AUTH_WAIT"),
            (State::Fatal, Verdict::Live, "FATAL"),
            (State::Live, Verdict::Live, "LIVE"),
            (State::Live, Verdict::Quiet, "QUIET_OK"),
            (State::Live, Verdict::Suspect, "SUSPECT"),
            (State::Closing, Verdict::Mute, "MUTE"),
            (State::BackingOff, Verdict::Dead, "DEAD"),
            (State::Subscribing, Verdict::Quiet, "SUBSCRIBING"),
            (State::SlotHeld, Verdict::Dead, "SLOT_HELD"),
        ] {
            assert_eq!(status(state, verdict).word(), word);
        }
    }

    #[test]
    fn the_sentence_says_age_expectation_and_market() {
        let mut live = status(State::Live, Verdict::Live);
        let now = live.since;
        assert_eq!(
            live.sentence(now),
            "LIVE: last trade 0.40 s ago, one is expected every 0.10 s, \
             alarm after 6.2 s of silence; the core session"
        );
        live.liveness.market = MarketPhase::Closed;
        live.liveness.verdict = Some(Verdict::Quiet);
        let night = live.sentence(now + Duration::from_secs(3 * 3600));
        assert_eq!(night, "QUIET_OK: last trade 3 h ago; the market is closed");
        let earlier = now - Duration::from_secs(1);
        assert!(live.sentence(earlier).contains("flapping") && !live.is_flapping(now));
    }
}
