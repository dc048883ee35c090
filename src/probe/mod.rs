//! One question to a service, asked once: did it answer, how fast, and if not, why not.
//!
//! ```text
//! Probe ─> ask ─┬─ ws    handshake, then a message that holds what is wanted ─┐
//!               ├─ http  GET, status, body                                   ├─ subset: is it what is wanted?
//!               ├─ tcp   a connection (ws and http begin with one)           ┘
//!               └─ exec  a command, run by the caller's `Place`
//! ```
//! `check` asks a service and, when it fails, the hops behind it.
//! An asked question costs one socket and no task: whoever drops the future closes the socket.
//! The timeout spans the whole question, from looking up the name to the last byte of the answer.
//! When to ask, and how many failures make a service unhealthy, is the supervisor's to decide.

mod check;
mod exec;
mod failure;
mod http;
mod subset;
mod tcp;
mod ws;

#[cfg(test)]
mod tests;

use std::fmt;
use std::future::Future;
use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

use crate::service::Probe;
pub use check::{Checked, HopAnswer, check, check_all};
pub use exec::{CommandEnd, Place};
pub use failure::{Cause, Failure, Step};
pub use subset::{Difference, differences};

/// The largest message or body that is read, in bytes.
pub const MAX_ANSWER: usize = 1 << 20;

/// What came of one question.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// From the question to the answer, or to the moment it was given up. Saying good-bye is not counted.
    pub latency: Duration,
    /// The message or body that answered, where it is JSON; or why the answer does not count as good.
    pub outcome: Result<Option<Value>, Failure>,
}

impl Answer {
    /// Whether the answer is the wanted one.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.outcome.is_ok()
    }

    /// What the service said of itself, good or bad.
    #[must_use]
    pub fn detail(&self) -> Option<&Value> {
        match &self.outcome {
            Ok(detail) => detail.as_ref(),
            Err(failure) => failure.detail(),
        }
    }
}

/// Asks once. `place` runs the command of an `exec` probe and is not touched by the others.
///
/// Safe to drop at any point: sockets close, and the `place` ends its command.
pub async fn ask(probe: &Probe, place: &dyn Place, timeout: Duration) -> Answer {
    let clock = Clock::start(timeout);
    match probe {
        Probe::Ws { url, send, expect } => {
            let talk = ws::Talk {
                send: send.as_ref(),
                expect: expect.as_ref(),
            };
            ws::ask(url, &talk, &clock).await
        }
        Probe::Http { url, status, expect } => {
            let wanted = http::Wanted {
                status: *status,
                body: expect.as_ref(),
            };
            http::ask(url, &wanted, &clock).await
        }
        Probe::Tcp { address } => tcp::ask(address, &clock).await,
        Probe::Exec { command } => exec::ask(command, place, &clock).await,
    }
}

/// The time that one question has.
struct Clock {
    started: Instant,
    timeout: Duration,
}

impl Clock {
    fn start(timeout: Duration) -> Self {
        Self {
            started: Instant::now(),
            timeout,
        }
    }

    /// One step of the question, within what the steps before it have left.
    async fn step<T>(&self, step: Step, work: impl Future<Output = T>) -> Result<T, Cause> {
        let left = self.timeout.saturating_sub(self.started.elapsed());
        tokio::time::timeout(left, work)
            .await
            .map_err(|_elapsed| Cause::TimedOut {
                step,
                after: self.timeout,
            })
    }

    /// Stops the clock.
    fn answer(&self, hop: &impl fmt::Display, outcome: Result<Option<Value>, Cause>) -> Answer {
        Answer {
            latency: self.started.elapsed(),
            outcome: outcome.map_err(|cause| Failure {
                hop: hop.to_string(),
                cause,
            }),
        }
    }
}
