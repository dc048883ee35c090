//! `sentinel man`: man pages, from the command line's own definition and from the keys of services.toml.

use std::io;
use std::path::Path;

use clap::CommandFactory;

use crate::cli::Cli;
use crate::client::error::Error;
use crate::config;
use crate::exit::ExitCode;

use super::Caller;

/// The day of this text, for the foot of the pages.
const DATE: &str = "2026-11-21";

pub(super) fn run(caller: &Caller, folder: Option<&Path>) -> Result<ExitCode, Error> {
    let mut command = Cli::command().disable_help_subcommand(true);
    command.build();
    let Some(folder) = folder else {
        let page =
            page(&command).map_err(|error| Error::failed("cannot write the man page").because(&error))?;
        caller.terminal.print(&page)?;
        return Ok(ExitCode::Ok);
    };
    let written = std::fs::create_dir_all(folder)
        .and_then(|()| save(&command, folder))
        .and_then(|()| std::fs::write(folder.join("services.toml.5"), ascii(&config::man_page(DATE))));
    written
        .map_err(|error| Error::failed(format!("cannot write to {}", folder.display())).because(&error))?;
    if !caller.terminal.quiet {
        caller
            .terminal
            .print(&format!("wrote the man pages to {}\n", folder.display()))?;
    }
    Ok(ExitCode::Ok)
}

/// A page for the command and for each that it has.
fn save(command: &clap::Command, folder: &Path) -> io::Result<()> {
    std::fs::write(folder.join(format!("{}.1", name(command))), page(command)?)?;
    let shown = command.get_subcommands().filter(|below| !below.is_hide_set());
    for below in shown {
        save(below, folder)?;
    }
    Ok(())
}

/// `sentinel-restart`.
fn name(command: &clap::Command) -> &str {
    command.get_display_name().unwrap_or_else(|| command.get_name())
}

fn page(command: &clap::Command) -> io::Result<String> {
    let mut page = Vec::new();
    clap_mangen::Man::new(command.clone())
        .title(name(command))
        .date(DATE)
        .source(concat!("sentinel ", env!("CARGO_PKG_VERSION")))
        .manual("sentinel")
        .render(&mut page)?;
    Ok(clean(&String::from_utf8_lossy(&page)))
}

/// Line breaks and blank lines beside each other are one break; readers of man pages warn of more.
fn clean(page: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    for line in page.lines() {
        let breaks = |line: &str| [".br", ".sp", ""].contains(&line);
        match kept.last() {
            Some(last) if breaks(last) && breaks(line) => {
                kept.pop();
                kept.push(".sp");
            }
            Some(last) if line.is_empty() && !last.is_empty() => kept.push(".sp"),
            Some(last)
                if breaks(last) && [".SH", ".TP", ".RS"].iter().any(|begin| line.starts_with(begin)) =>
            {
                kept.pop();
                kept.push(line);
            }
            Some(_) | None => kept.push(line.trim_end()),
        }
    }
    while kept.last().is_some_and(|line| [".br", ".sp", ""].contains(line)) {
        kept.pop();
    }
    ascii(&kept.join("\n")) + "\n"
}

/// Other letters as escapes: what encoding a page has, no reader of it knows.
fn ascii(page: &str) -> String {
    let letter = |c: char| match c.is_ascii() {
        true => c.to_string(),
        false => format!("\\[u{:04X}]", u32::from(c)),
    };
    page.chars().map(letter).collect()
}
