//! The shell's clock: what the machine is told, and what people are shown.

use std::time::{Duration, SystemTime};

use nix::time::{ClockId, clock_gettime};

use crate::supervisor::Moment;

/// The ticks of /proc/PID/stat are hundredths of a second on every Linux that we know (USER_HZ).
const TICK: Duration = Duration::from_millis(10);

/// Time since this boot, so that moments mean the same to the supervisor that comes after this one.
/// It never jumps with the wall clock, which is only for display.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    began: Moment,
}

impl Clock {
    /// The supervisor begins now.
    #[must_use]
    pub fn start() -> Self {
        Self { began: since_boot() }
    }

    /// The same for a supervisor that began then.
    #[must_use]
    pub fn since(self, began: Moment) -> Self {
        Self { began }
    }

    /// When the supervisor began.
    #[must_use]
    pub fn began(&self) -> Moment {
        self.began
    }

    /// What the machine is told.
    #[must_use]
    pub fn now(&self) -> Moment {
        since_boot()
    }

    /// Sleeps until then; for ever without a moment.
    pub async fn reach(self, moment: Option<Moment>) {
        match moment {
            Some(moment) => tokio::time::sleep(moment - self.now()).await,
            None => std::future::pending().await,
        }
    }

    /// Seconds since then.
    #[must_use]
    pub fn seconds_since(&self, moment: Moment) -> f64 {
        (self.now() - moment).as_secs_f64()
    }

    /// Seconds since the supervisor began.
    #[must_use]
    pub fn uptime(&self) -> f64 {
        self.seconds_since(self.began)
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

/// The moment at which a process started, from its start time in ticks since boot.
#[must_use]
pub fn started(ticks: u64) -> Moment {
    Moment(TICK.saturating_mul(u32::try_from(ticks).unwrap_or(u32::MAX)))
}

/// Without CLOCK_BOOTTIME (Linux before 2.6.39) nothing here would run.
fn since_boot() -> Moment {
    Moment(
        clock_gettime(ClockId::CLOCK_BOOTTIME)
            .map(Duration::from)
            .unwrap_or_default(),
    )
}
