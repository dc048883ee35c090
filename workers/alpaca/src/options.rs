//! What a manager of connections knows of its surroundings.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use crate::wire::Spelling;
use crate::{Calendar, lease};

/// Surroundings. The default is the built-in calendar, the host's clock, and no lease.
#[derive(Clone, Debug, Default)]
pub struct Options {
    pub(crate) calendar: Arc<Calendar>,
    pub(crate) shift: SignedDuration,
    pub(crate) lease_folder: Option<PathBuf>,
    pub(crate) spelling: Spelling,
}

impl Options {
    /// As the environment says: `ALPACA_CALENDAR_FILE` names a file of days that go before the
    /// built-in calendar; `ALPACA_MARKET_TIME`, an RFC 3339 time, is what the market's clock shows
    /// now, for rehearsals with a simulator; `ALPACA_LEASE_DIR` is where the processes of this host
    /// agree on who has the one connection of a key, by default `$XDG_RUNTIME_DIR/sentinel` or
    /// `/tmp/sentinel-<uid>`; `ALPACA_CODEC=msgpack` asks for msgpack in place of JSON. The error is for a person.
    pub fn from_env() -> Result<Self, String> {
        let folder = std::env::var_os("ALPACA_LEASE_DIR").map(PathBuf::from);
        let mut options = Self::default().lease_folder(folder.unwrap_or_else(lease::default_folder));
        if let Some(path) = std::env::var_os("ALPACA_CALENDAR_FILE") {
            options = options.calendar(Calendar::with_file(Path::new(&path))?);
        }
        match std::env::var("ALPACA_CODEC").as_deref() {
            Ok("msgpack") => options = options.msgpack(),
            Ok("json") | Err(_) => {}
            Ok(other) => return Err(format!("ALPACA_CODEC is {other:?}: it must be json or msgpack")),
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

    /// With leases in this folder: connections with the same key and endpoint take turns among all
    /// processes that use it. It is made if need be, and must be writable for its owner only.
    #[must_use]
    pub fn lease_folder(mut self, folder: PathBuf) -> Self {
        self.lease_folder = Some(folder);
        self
    }

    /// Where leases are, if anywhere.
    pub fn lease_dir(&self) -> Option<&Path> {
        self.lease_folder.as_deref()
    }

    /// With msgpack in place of JSON on the wire, as the official clients speak; smaller by a quarter.
    #[must_use]
    pub fn msgpack(mut self) -> Self {
        self.spelling = Spelling::Msgpack;
        self
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
