//! The command line's side: asks the supervisor or begins one, looks for itself, and tells a person.
//!
//! ```text
//! command/<verb> ── connection ──> supervisor          look ──> ports, probes, supervisor
//!       |          \─ launch ────> new supervisor        |
//!       |                |                               v
//!       |             events ──> progress (bars, lines)  api::Status ──> verdict ──> render
//!       v                \─────> transaction ──> render, --json
//!   exit code
//! ```
//! `render`, `crate::verdict`, `trouble`, `stages` and `transaction` are pure: values in, values out.
//! The client decides nothing about processes; what it waits for goes on without it.

mod bars;
mod brief;
mod command;
mod conduct;
mod connection;
mod crontab;
mod death;
mod error;
mod events;
mod holders;
mod house;
mod last_line;
mod launch;
mod look;
mod notes;
mod patience;
mod place;
mod progress;
mod render;
#[cfg(test)]
pub(crate) mod sample;
mod settled;
mod stages;
mod summons;
mod terminal;
mod top;
mod transaction;
mod trouble;

use crate::api::FailureKind;
use crate::cli::{Cli, Flags};
use crate::exit::ExitCode;

use std::io::Write as _;

use command::Caller;
use error::Error;
use terminal::Terminal;

/// Does what the command line asks for, tells how it went, and says how the process ends.
#[must_use]
pub fn run(cli: &Cli) -> ExitCode {
    let terminal = Terminal::of(&cli.flags);
    let caller = Caller {
        flags: cli.flags.clone(),
        terminal,
    };
    let result = runtime().and_then(|runtime| runtime.block_on(command::obey(&caller, &cli.command)));
    result.unwrap_or_else(|error| {
        terminal.print_error(&error);
        error.code()
    })
}

/// Tells what clap has to say: help and version on stdout, wrong usage on stderr, with `--json` on stdout too.
#[must_use]
pub fn run_usage(text: &clap::Error, json: bool) -> ExitCode {
    // A reader that went away (`| head -1`) is no error.
    let _ = text.print();
    if !text.use_stderr() {
        return ExitCode::Ok;
    }
    if json {
        let words = text.render().to_string();
        let sentence = words.lines().next().unwrap_or_default();
        let sentence = sentence.strip_prefix("error: ").unwrap_or(sentence);
        // As above: nobody to tell.
        let _ = writeln!(
            std::io::stdout(),
            "{:#}",
            Error::new(FailureKind::Usage, sentence)
                .help("sentinel help")
                .to_json()
        );
    }
    ExitCode::Usage
}

/// Where services.toml is, for those who become the supervisor. What goes wrong is told.
///
/// # Errors
/// How the process ends.
pub fn locate(flags: &Flags) -> Result<std::path::PathBuf, ExitCode> {
    house::locate(flags).map(|paths| paths.config).map_err(|error| {
        Terminal::of(flags).print_error(&error);
        error.code()
    })
}

fn runtime() -> Result<tokio::runtime::Runtime, Error> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Error::failed("cannot wait for events").because(&error))
}
