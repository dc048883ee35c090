//! What a manager of connections knows of its surroundings.

use std::path::Path;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use crate::Calendar;

/// Surroundings. The default is the built-in calendar and the host's clock.
#[derive(Clone, Debug, Default)]
pub struct Options {
    pub(crate) calendar: Arc<Calendar>,
    pub(crate) shift: SignedDuration,
}

impl Options {
    /// As the environment says: `ALPACA_CALENDAR_FILE` names a file of days that go before the
    /// built-in calendar; `ALPACA_MARKET_TIME`, an RFC 3339 time, is what the market's clock shows
    /// now, for rehearsals with a simulator. The error is for a person.
    pub fn from_env() -> Result<Self, String> {
        let mut options = Self::default();
        if let Some(path) = std::env::var_os("ALPACA_CALENDAR_FILE") {
            options = options.calendar(Calendar::with_file(Path::new(&path))?);
        }
        if let Ok(time) = std::env::var("ALPACA_MARKET_TIME") {
            let parsed: Timestamp = time.parse().map_err(|error| {
                format!(
                    "ALPACA_MARKET_TIME is {time:?}: {error}; it must look like 2025-10-08T10:29:00-04:00"
                )
            })?;
            options = options.market_time(parsed.into());
        }
        Ok(options)
    }

    /// With this calendar.
    #[must_use]
    pub fn calendar(mut self, calendar: Calendar) -> Self {
        self.calendar = Arc::new(calendar);
        self
    }

    /// With a market clock that shows this time now, and goes on from there.
    #[must_use]
    pub fn market_time(mut self, time: std::time::SystemTime) -> Self {
        let shown = Timestamp::try_from(time).unwrap_or(Timestamp::UNIX_EPOCH);
        self.shift = shown.duration_since(Timestamp::now());
        self
    }
}
