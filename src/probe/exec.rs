//! A probe that is a command: good when it exits with code 0.

use std::io;

use futures_util::future::BoxFuture;

use super::{Answer, Cause, Clock, Step};
use crate::service::Exit;

/// Where a service's commands run: in its folder, with its environment.
///
/// The probe knows no processes; the one door to the kernel implements this.
pub trait Place: Sync {
    /// Runs a command to its end, standard input empty, standard output ignored.
    ///
    /// Dropping the future (as a timeout does) must kill the command and all it started.
    ///
    /// # Errors
    /// When the command cannot be started.
    fn run<'a>(&'a self, command: &'a [String]) -> BoxFuture<'a, io::Result<CommandEnd>>;
}

/// How a command ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandEnd {
    /// Its exit.
    pub exit: Exit,
    /// The last line of its standard error that is not blank.
    pub last_line: Option<String>,
}

pub(super) async fn ask(command: &[String], place: &dyn Place, clock: &Clock) -> Answer {
    let name = command.first().map_or("(no command)", String::as_str);
    let outcome = match clock.step(Step::Command, place.run(command)).await {
        Ok(Ok(end)) if end.exit.success() => Ok(None),
        Ok(Ok(CommandEnd { exit, last_line })) => Err(Cause::Ended { exit, last_line }),
        Ok(Err(error)) => Err(Cause::NotStarted(error.to_string())),
        Err(cause) => Err(cause),
    };
    clock.answer(&name, outcome)
}
