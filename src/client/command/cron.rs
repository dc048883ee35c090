//! `sentinel cron`: our lines in the user's crontab, and nothing else of it.

use crate::api::FailureKind;
use crate::cli::{CronArgs, CronTimes, CronVerb};
use crate::client::crontab::{self, Block, NoCrontab};
use crate::client::error::Error;
use crate::client::house;
use crate::config;
use crate::exit::ExitCode;
use crate::paths::Paths;

use super::Caller;

pub(super) fn run(caller: &Caller, args: &CronArgs) -> Result<ExitCode, Error> {
    let paths = house::locate(&caller.flags)?;
    match &args.verb {
        CronVerb::Print(times) => {
            let block = block(&paths, times)?;
            if let Err(error) = bare(&paths) {
                caller.terminal.print_error(&error);
            }
            caller.terminal.print(&block.text())?;
        }
        CronVerb::Install(times) => {
            bare(&paths)?;
            let block = block(&paths, times)?;
            let said = change(caller, |present| block.put_into(present), "installed")?;
            caller.terminal.print(&said)?;
        }
        CronVerb::Remove => {
            let said = change(
                caller,
                |present| Block::taken_out_of(present, &paths.config),
                "removed",
            )?;
            caller.terminal.print(&said)?;
        }
    }
    Ok(ExitCode::Ok)
}

fn change(caller: &Caller, new: impl Fn(&[u8]) -> Vec<u8>, done: &str) -> Result<String, Error> {
    let present = crontab::read().map_err(no_crontab)?;
    let wanted = new(&present);
    let said = if wanted == present {
        match done {
            "installed" => "the crontab has these lines already\n".to_owned(),
            _ => "the crontab has no lines of this services.toml\n".to_owned(),
        }
    } else {
        crontab::write(&wanted).map_err(no_crontab)?;
        format!("{done}; `crontab -l` shows it\n")
    };
    Ok(if caller.terminal.quiet {
        String::new()
    } else {
        said
    })
}

fn no_crontab(error: NoCrontab) -> Error {
    let help = "`sentinel cron print` prints the lines, for whatever runs things by the clock here";
    match error {
        NoCrontab::Missing => Error::failed("there is no `crontab` program here").help(help),
        NoCrontab::Failed(line) => Error::failed(format!("crontab: {line}")).help(help),
        NoCrontab::Io(error) => Error::failed("cannot run `crontab`").because(&error).help(help),
    }
}

fn block(paths: &Paths, times: &CronTimes) -> Result<Block, Error> {
    let program = std::env::current_exe()
        .map_err(|error| Error::failed("cannot find sentinel itself").because(&error))?;
    for path in [&program, &paths.config] {
        if path.to_string_lossy().contains(['\n', '\r']) || path.to_str().is_none() {
            return Err(Error::failed(format!(
                "a crontab cannot hold the path {}",
                path.display()
            )));
        }
    }
    Ok(Block {
        program,
        config: paths.config.clone(),
        search: std::env::var("PATH").ok(),
        weekly: times.weekly.clone(),
        watch: times.watch.clone(),
        report: times.report.clone(),
    })
}

/// services.toml must also be valid with what cron gives: hardly any environment.
fn bare(paths: &Paths) -> Result<(), Error> {
    let mut environment = config::environment();
    environment.retain(|name, _| ["HOME", "LOGNAME", "USER", "SHELL", "PATH"].contains(&name.as_str()));
    match config::load(&paths.config, &environment) {
        Ok(_) => Ok(()),
        Err(mistakes) => {
            let error = house::wrong(&mistakes);
            if error.kind == FailureKind::Config && house::read(paths).is_ok() {
                let help = "put these variables into `env_file`: cron has none of yours";
                return Err(Error {
                    message: format!("cron could not use {}", house::shown(paths)),
                    ..error
                }
                .help(help));
            }
            Err(error)
        }
    }
}
