//! Where a session stands, with the deadline of each place.

use std::time::Instant;

use super::pulse::Pulse;

/// Where a session stands. There is a socket in `Opening`, `Up` and `Closing`, and in no other.
#[derive(Clone, Debug)]
pub(crate) enum Phase {
    /// No socket, and none wanted.
    Idle,
    /// A socket is being opened.
    Opening { deadline: Instant },
    /// The socket is open.
    Up { pulse: Pulse, step: Step },
    /// No socket; the next is opened then.
    Waiting { until: Instant },
    /// Close is sent; the socket is let go at the deadline at the latest.
    Closing { deadline: Instant, next: Next },
    /// Told to close, and closed.
    Closed,
    /// Given up.
    Fatal,
}

/// How far an open socket has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// The server speaks first.
    Welcome { deadline: Instant },
    /// The credentials are sent.
    Auth { deadline: Instant },
    /// The place was taken; the credentials are sent again then.
    Held { retry_at: Instant },
    /// Authenticated; the deadline is that of the request in flight.
    Online { answer_due: Option<Instant> },
}

/// What follows a close.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Wait, then open another socket.
    Wait { until: Instant },
    /// Stay closed.
    Closed,
    /// Stay down.
    Fatal,
}

impl Phase {
    /// When the machine must be ticked at the latest; `None` where only an input can change it.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        match self {
            Self::Idle | Self::Closed | Self::Fatal => None,
            Self::Opening { deadline } | Self::Closing { deadline, .. } => Some(*deadline),
            Self::Waiting { until } => Some(*until),
            Self::Up { pulse, step } => Some(match step.deadline() {
                Some(deadline) => deadline.min(pulse.deadline()),
                None => pulse.deadline(),
            }),
        }
    }
}

impl Step {
    /// When this step must have been left.
    pub(crate) fn deadline(self) -> Option<Instant> {
        match self {
            Self::Welcome { deadline } | Self::Auth { deadline } => Some(deadline),
            Self::Held { retry_at } => Some(retry_at),
            Self::Online { answer_due } => answer_due,
        }
    }
}

impl Next {
    pub(crate) fn phase(self) -> Phase {
        match self {
            Self::Wait { until } => Phase::Waiting { until },
            Self::Closed => Phase::Closed,
            Self::Fatal => Phase::Fatal,
        }
    }
}
