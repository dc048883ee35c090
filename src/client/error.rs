//! Errors for the person who must act, and the one place that prints them.

use std::fmt::Write as _;

use serde_json::json;

use crate::api::{Failure, FailureKind};
use crate::exit::ExitCode;
use crate::lock::Held;
use crate::selector::Unmatched;

use super::render::Paint;
use super::render::words::clean;

/// Why a command did not do what it was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// The class, which is also the exit code.
    pub kind: FailureKind,
    /// What is wrong: names the thing.
    pub message: String,
    /// Lines that say more: the mistakes of a file, the reason of each service.
    pub details: Vec<String>,
    /// Why, from the outermost cause to the innermost.
    pub causes: Vec<String>,
    /// The way out.
    pub help: Option<String>,
}

impl Error {
    /// An error of this kind.
    pub fn new(kind: FailureKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            details: Vec::new(),
            causes: Vec::new(),
            help: None,
        }
    }

    /// The outcome was not reached.
    pub fn failed(message: impl Into<String>) -> Self {
        Self::new(FailureKind::Failed, message)
    }

    /// There is no supervisor to ask.
    pub fn no_supervisor() -> Self {
        Self::new(FailureKind::NoSupervisor, "there is no supervisor").help("sentinel start")
    }

    /// A supervisor lives and does not answer.
    pub fn unresponsive(pid: Option<i32>) -> Self {
        let pid = pid.map(|pid| format!(" (pid {pid})")).unwrap_or_default();
        Self::new(
            FailureKind::NoSupervisor,
            format!("the supervisor{pid} does not answer"),
        )
        .help("sentinel restart emergency")
    }

    /// A lock is taken.
    pub fn busy(held: &Held) -> Self {
        Self::new(FailureKind::Busy, held.to_string()).help("try again when it is done")
    }

    /// A word that means no service.
    #[must_use]
    pub fn unmatched(unmatched: &Unmatched) -> Self {
        Self::new(FailureKind::Usage, unmatched.to_string()).help(unmatched.help())
    }

    /// The same with a way out.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// The same with lines that say more.
    #[must_use]
    pub fn details(mut self, details: Vec<String>) -> Self {
        self.details = details;
        self
    }

    /// The same with its cause and the causes behind that.
    #[must_use]
    pub fn because(mut self, cause: &dyn std::error::Error) -> Self {
        let mut next = Some(cause);
        while let Some(error) = next {
            self.causes.push(error.to_string());
            next = error.source();
        }
        self
    }

    /// The code that the process ends with.
    #[must_use]
    pub fn code(&self) -> ExitCode {
        self.kind.into()
    }

    /// As text for stderr; ends with a line break.
    #[must_use]
    pub fn to_text(&self, paint: Paint) -> String {
        let mut text = format!("{} {}\n", paint.bad("error:"), clean_lines(&self.message));
        for detail in &self.details {
            let _ = writeln!(text, "  {}", clean(detail));
        }
        for cause in &self.causes {
            let _ = writeln!(text, "  because: {}", clean(cause));
        }
        if let Some(help) = &self.help {
            let _ = writeln!(text, "{} {}", paint.hint("help:"), clean_lines(help));
        }
        text
    }

    /// As the document that `--json` prints.
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        json!({"ok": false, "error": Failure::from(self.clone())})
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        Self {
            kind: failure.kind,
            message: failure.message,
            details: Vec::new(),
            causes: Vec::new(),
            help: failure.help,
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let mut message = error.message;
        if !error.details.is_empty() {
            let details: Vec<&str> = error.details.iter().map(|detail| detail.trim()).collect();
            message = format!("{message}: {}", details.join("; "));
        }
        for cause in error.causes {
            message = format!("{message}: {cause}");
        }
        Self {
            kind: error.kind,
            message,
            help: error.help,
        }
    }
}

/// Our own messages may have several lines; what they quote may not hide control characters in them.
fn clean_lines(text: &str) -> String {
    text.lines()
        .map(|line| clean(line).into_owned())
        .collect::<Vec<_>>()
        .join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn busy_says_who_holds_the_lock_since_when_and_what_to_do() {
        let held = Held {
            pid: Some(123),
            identity: None,
            command: "sentinel restart".into(),
            since: "08:41:02".into(),
        };
        let error = Error::busy(&held);
        assert_eq!(error.code(), ExitCode::Busy);
        insta::assert_snapshot!(error.to_text(Paint::PLAIN), @r"
        error: another operation is under way: `sentinel restart` (pid 123, since 08:41:02)
        help: try again when it is done
        ");
    }

    #[test]
    fn causes_follow_one_per_line_and_join_in_json() {
        let cause = std::io::Error::other("disk full");
        let error = Error::failed("cannot write x").because(&cause);
        assert_eq!(
            error.to_text(Paint::PLAIN),
            "error: cannot write x\n  because: disk full\n"
        );
        assert_eq!(
            error.to_json().to_string(),
            r#"{"error":{"help":null,"kind":"failed","message":"cannot write x: disk full"},"ok":false}"#
        );
    }

    #[test]
    fn what_is_quoted_cannot_move_the_cursor() {
        let error = Error::failed("holder is \u{1b}[2Jevil\ntwo");
        assert_eq!(error.to_text(Paint::PLAIN), "error: holder is ?[2Jevil\ntwo\n");
    }
}
