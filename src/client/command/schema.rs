//! `sentinel schema`: what an editor needs to complete and check services.toml, and every key for people.

use crate::cli::SchemaArgs;
use crate::client::error::Error;
use crate::config;
use crate::exit::ExitCode;

use super::Caller;

pub(super) fn run(caller: &Caller, args: &SchemaArgs) -> Result<ExitCode, Error> {
    match args.markdown {
        true => caller.terminal.print(&config::reference())?,
        false => caller.terminal.print_json(&config::schema())?,
    }
    Ok(ExitCode::Ok)
}
