//! The shell's clock: what the machine is told, and what people are shown.

use std::time::{Duration, Instant, SystemTime};

use crate::supervisor::Moment;

/// Monotonic time since the supervisor began; wall time only for display.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    origin: Instant,
}

impl Clock {
    /// Begins now.
    #[must_use]
    pub fn start() -> Self {
        Self {
            origin: Instant::now(),
        }
    }

    /// What the machine is told.
    #[must_use]
    pub fn now(&self) -> Moment {
        Moment(self.origin.elapsed())
    }

    /// Sleeps until then; for ever without a moment.
    pub async fn reach(self, moment: Option<Moment>) {
        match moment {
            Some(moment) => tokio::time::sleep_until((self.origin + moment.0).into()).await,
            None => std::future::pending().await,
        }
    }

    /// Seconds since then.
    #[must_use]
    pub fn seconds_since(&self, moment: Moment) -> f64 {
        (self.now() - moment).as_secs_f64()
    }

    /// That moment as RFC 3339 in UTC, by today's wall clock.
    #[must_use]
    pub fn rfc3339(&self, moment: Moment) -> String {
        let at = SystemTime::now()
            .checked_sub(self.now() - moment)
            .unwrap_or(SystemTime::UNIX_EPOCH);
        let whole = at
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or(Duration::ZERO);
        let stamp = jiff::Timestamp::from_millisecond(i64::try_from(whole.as_millis()).unwrap_or(i64::MAX));
        stamp.unwrap_or(jiff::Timestamp::UNIX_EPOCH).to_string()
    }
}
