//! How a service comes back: the pauses between its tries, when it is given up, and which ends need no next run.

use std::time::Duration;

use super::{Exit, RestartPolicy, Spec};

/// What follows the failures of a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recovery {
    /// The pauses between tries.
    pub backoff: Backoff,
    /// `max_restarts` is also the most failed runs within this time, proven or not; zero: only those in a row
    /// count. Default 1 min.
    pub window: Duration,
    /// How long after it was given up it is tried once more, again and again; none: never. Default 5 min.
    pub retry_fatal: Option<Duration>,
    /// The ends that say that its work is done, whatever the policy; none: exit code 0, where the policy asks.
    pub success_exit: Option<Vec<Exit>>,
    /// The ends after which another try would do harm: given up at once and for good. Default: code 78.
    pub fatal_exit: Vec<Exit>,
}

/// The pauses between tries: doubled with each failure in a row, and up to a quarter more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// After the first failure. Default 100 ms.
    pub min: Duration,
    /// No pause is longer, jitter aside. Default 30 s.
    pub max: Duration,
}

impl Recovery {
    /// EX_CONFIG of sysexits.h: only a person can mend it, so trying again would only do harm (a market feed
    /// that refuses the keys counts the tries).
    pub const MISCONFIGURED: Exit = Exit::Code(78);
}

impl Default for Recovery {
    fn default() -> Self {
        Self {
            backoff: Backoff {
                min: Duration::from_millis(100),
                max: Duration::from_secs(30),
            },
            window: Duration::from_secs(60),
            retry_fatal: Some(Duration::from_secs(300)),
            success_exit: None,
            fatal_exit: vec![Self::MISCONFIGURED],
        }
    }
}

impl Spec {
    /// Whether a run that ended like this has done its work.
    #[must_use]
    pub fn is_success(&self, exit: Exit) -> bool {
        match &self.recovery.success_exit {
            Some(exits) => exits.contains(&exit),
            None => exit.success(),
        }
    }

    /// Whether a service that ended like this is left alone.
    #[must_use]
    pub fn leaves(&self, exit: Exit) -> bool {
        match self.restart {
            RestartPolicy::Always => self.recovery.success_exit.is_some() && self.is_success(exit),
            RestartPolicy::OnFailure => self.is_success(exit),
            RestartPolicy::Never => true,
        }
    }

    /// Whether another try after this end would do harm.
    #[must_use]
    pub fn is_fatal(&self, exit: Exit) -> bool {
        self.recovery.fatal_exit.contains(&exit)
    }
}
