//! `sentinel schema`: what an editor needs to complete and check services.toml.

use crate::client::error::Error;
use crate::config;
use crate::exit::ExitCode;

use super::Caller;

pub(super) fn run(caller: &Caller) -> Result<ExitCode, Error> {
    caller.terminal.print_json(&config::schema())?;
    Ok(ExitCode::Ok)
}
