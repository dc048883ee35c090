//! Why an answer does not count as good, in a sentence for the person who must act.

use std::fmt;
use std::time::Duration;

use serde_json::Value;

use super::{Difference, MAX_ANSWER};
use crate::service::Exit;

/// A question without a good answer: who was asked, and what went wrong.
///
/// Shown as `127.0.0.1:8765: answered, but healthy is false, wanted true: stream silent for 40 s`.
#[derive(Clone, Debug, PartialEq)]
pub struct Failure {
    /// Who was asked: `host:port`, or the command.
    pub hop: String,
    /// What went wrong there; its own sentence, for where the hop is named already.
    pub cause: Cause,
}

impl Failure {
    /// What the service answered, when it answered something else than what is wanted.
    #[must_use]
    pub fn detail(&self) -> Option<&Value> {
        match &self.cause {
            Cause::NotWanted { answer, .. } => Some(answer),
            Cause::Status { answer, .. } => answer.as_ref(),
            Cause::BadAddress(_)
            | Cause::TimedOut { .. }
            | Cause::Refused
            | Cause::Unreachable(_)
            | Cause::NotWebSocket(_)
            | Cause::NotHttp(_)
            | Cause::Closed(_)
            | Cause::OtherMessages { .. }
            | Cause::NotJson
            | Cause::TooLarge
            | Cause::NotStarted(_)
            | Cause::Ended { .. } => None,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.hop, self.cause)
    }
}

impl std::error::Error for Failure {}

/// What a timeout interrupted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The TCP connection, name look-up included.
    Connect,
    /// The WebSocket handshake.
    Handshake,
    /// The answer to a question that was sent.
    Answer,
    /// A command.
    Command,
}

/// What went wrong.
#[derive(Clone, Debug, PartialEq)]
pub enum Cause {
    /// The address cannot be asked at all; says why.
    BadAddress(String),
    /// The time was over.
    TimedOut {
        /// What it was spent on last.
        step: Step,
        /// The time there was.
        after: Duration,
    },
    /// Nobody listens there.
    Refused,
    /// There is no way there; says why.
    Unreachable(String),
    /// It listens, but does not complete a WebSocket handshake; says what came.
    NotWebSocket(String),
    /// It listens, but does not speak HTTP; says what came.
    NotHttp(String),
    /// It closed the connection instead of answering; its reason, if it gave one.
    Closed(Option<String>),
    /// Messages came, none of them an answer.
    OtherMessages {
        /// Why no more were awaited.
        end: Box<Cause>,
        /// How many came.
        count: usize,
        /// How the last one begins.
        last: String,
    },
    /// It answered something else than what is wanted.
    NotWanted {
        /// In what the answer differs; never empty.
        differences: Vec<Difference>,
        /// The whole answer.
        answer: Value,
    },
    /// It answered with another HTTP status.
    Status {
        /// The status that came.
        came: u16,
        /// The wanted one; any 2xx without it.
        wanted: Option<u16>,
        /// The body, where it is JSON.
        answer: Option<Value>,
    },
    /// The body is not JSON, and a part of it is expected.
    NotJson,
    /// The answer is larger than [`MAX_ANSWER`].
    TooLarge,
    /// The command could not be started; says why.
    NotStarted(String),
    /// The command ended, but not with code 0.
    Ended {
        /// How it ended.
        exit: Exit,
        /// The last line of its standard error.
        last_line: Option<String>,
    },
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Cause::BadAddress(why) => write!(f, "cannot be asked: {why}"),
            Cause::TimedOut { step, after } => timed_out(f, *step, *after),
            Cause::Refused => write!(f, "connection refused"),
            Cause::Unreachable(why) => write!(f, "cannot connect: {why}"),
            Cause::NotWebSocket(came) => write!(f, "no WebSocket handshake: {came}"),
            Cause::NotHttp(came) => write!(f, "not an HTTP answer: {came}"),
            Cause::Closed(None) => write!(f, "closed the connection instead of answering"),
            Cause::Closed(Some(why)) => write!(f, "closed the connection instead of answering: {why}"),
            Cause::OtherMessages { end, count, last } => {
                let plural = if *count == 1 { "" } else { "s" };
                write!(f, "{end}; {count} other message{plural} came, the last: {last}")
            }
            Cause::NotWanted { differences, answer } => not_wanted(f, differences, answer),
            Cause::Status { came, wanted, answer } => {
                match wanted {
                    Some(wanted) => write!(f, "answered HTTP {came}, wanted {wanted}")?,
                    None => write!(f, "answered HTTP {came}, wanted 2xx")?,
                }
                answer.as_ref().map_or(Ok(()), |answer| own_words(f, answer))
            }
            Cause::NotJson => write!(f, "answered, but the body is not JSON"),
            Cause::TooLarge => write!(f, "the answer is larger than {} KiB", MAX_ANSWER >> 10),
            Cause::NotStarted(why) => write!(f, "could not be started: {why}"),
            Cause::Ended {
                exit,
                last_line: None,
            } => write!(f, "ended with {exit}"),
            Cause::Ended {
                exit,
                last_line: Some(line),
            } => write!(f, "ended with {exit}: {line}"),
        }
    }
}

fn timed_out(f: &mut fmt::Formatter<'_>, step: Step, after: Duration) -> fmt::Result {
    let seconds = after.as_secs_f64();
    match step {
        Step::Connect => write!(f, "no connection within {seconds} s"),
        Step::Handshake => write!(f, "connected, but no WebSocket handshake within {seconds} s"),
        Step::Answer => write!(f, "no answer within {seconds} s"),
        Step::Command => write!(f, "still running after {seconds} s"),
    }
}

/// The first few differences, then why.
fn not_wanted(f: &mut fmt::Formatter<'_>, differences: &[Difference], answer: &Value) -> fmt::Result {
    const SHOWN: usize = 3;
    write!(f, "answered, but ")?;
    for (index, difference) in differences.iter().take(SHOWN).enumerate() {
        let separator = if index == 0 { "" } else { "; " };
        write!(f, "{separator}{difference}")?;
    }
    if differences.len() > SHOWN {
        write!(f, "; and {} more", differences.len() - SHOWN)?;
    }
    own_words(f, answer)
}

/// The `reason` in an answer, which is the service's own sentence.
fn own_words(f: &mut fmt::Formatter<'_>, answer: &Value) -> fmt::Result {
    match answer.get("reason").and_then(Value::as_str) {
        Some(reason) if !reason.is_empty() => write!(f, ": {reason}"),
        Some(_) | None => Ok(()),
    }
}
