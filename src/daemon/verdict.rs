//! The exit code of a supervisor that was asked to leave: whether all was well when it was asked.

use super::driver::Driver;
use crate::exit::ExitCode;
use crate::service::ServiceName;
use crate::supervisor::Shown;

impl Driver {
    /// Keeps which services are given up at this moment: once they are stopped, nothing tells any more.
    pub(super) fn note_given_up(&mut self) {
        let entries = self.machine.snapshot();
        let fatal = entries.iter().filter(|entry| entry.shown == Shown::Fatal);
        self.given_up.extend(fatal.map(|entry| entry.spec.name.clone()));
    }

    /// Failed, if a service was FATAL when the supervisor was asked to leave.
    pub(super) fn verdict(&self) -> ExitCode {
        if self.given_up.is_empty() {
            return ExitCode::Ok;
        }
        let names: Vec<&str> = self.given_up.iter().map(ServiceName::as_str).collect();
        tracing::warn!("exit code 1: FATAL when asked to leave: {}", names.join(", "));
        ExitCode::Failed
    }
}
