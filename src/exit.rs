//! The exit codes of `sentinel`, in one place.

use crate::api::FailureKind;

/// Why the process ends, as a number that scripts rely on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum ExitCode {
    /// The asked-for outcome was reached; `status`: everything runs and is healthy.
    Ok = 0,
    /// Not reached: a service failed, timed out, a port could not be freed, verification failed.
    Failed = 1,
    /// Wrong usage.
    Usage = 2,
    /// `status`: something that should run does not.
    NotRunning = 3,
    /// There is no supervisor.
    NoSupervisor = 4,
    /// services.toml is wrong.
    Config = 5,
    /// `status`: all run, but something is unhealthy or a port is not held by its own service.
    Unhealthy = 6,
    /// `supervisorctl`: supervisord's own code for what is not running.
    CtlNotRunning = 7,
    /// `status`: nothing wrong so far, but something is still starting.
    Starting = 8,
    /// A bug of ours.
    Bug = 70,
    /// Another restart, start, stop or flush is under way.
    Busy = 75,
}

impl From<ExitCode> for std::process::ExitCode {
    fn from(code: ExitCode) -> Self {
        Self::from(code as u8)
    }
}

impl From<FailureKind> for ExitCode {
    fn from(kind: FailureKind) -> Self {
        match kind {
            FailureKind::Failed => ExitCode::Failed,
            FailureKind::Usage => ExitCode::Usage,
            FailureKind::NoSupervisor => ExitCode::NoSupervisor,
            FailureKind::Config => ExitCode::Config,
            FailureKind::Busy => ExitCode::Busy,
            FailureKind::Bug => ExitCode::Bug,
        }
    }
}
