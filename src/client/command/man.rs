//! `sentinel man`: man pages, from the command line's own definition.

use std::path::Path;

use clap::CommandFactory;

use crate::cli::Cli;
use crate::client::error::Error;
use crate::exit::ExitCode;

use super::Caller;

pub(super) fn run(caller: &Caller, folder: Option<&Path>) -> Result<ExitCode, Error> {
    let command = Cli::command();
    let Some(folder) = folder else {
        let mut page = Vec::new();
        clap_mangen::Man::new(command)
            .render(&mut page)
            .map_err(|error| Error::failed("cannot write the man page").because(&error))?;
        caller.terminal.print(&String::from_utf8_lossy(&page))?;
        return Ok(ExitCode::Ok);
    };
    let written = std::fs::create_dir_all(folder).and_then(|()| clap_mangen::generate_to(command, folder));
    written
        .map_err(|error| Error::failed(format!("cannot write to {}", folder.display())).because(&error))?;
    if !caller.terminal.quiet {
        caller
            .terminal
            .print(&format!("wrote the man pages to {}\n", folder.display()))?;
    }
    Ok(ExitCode::Ok)
}
