//! `sentinel check`: services.toml, every mistake at once, nothing run.

use serde_json::json;

use crate::api::Failure;
use crate::client::error::Error;
use crate::client::house;
use crate::client::render::words::{clean, count};
use crate::config::{Config, preflight};
use crate::exit::ExitCode;

use super::Caller;

pub(super) fn run(caller: &Caller) -> Result<ExitCode, Error> {
    let paths = house::locate(&caller.flags)?;
    let terminal = &caller.terminal;
    match house::read(&paths) {
        Ok(config) => {
            let warnings: Vec<String> = preflight(&config).iter().map(ToString::to_string).collect();
            if terminal.json {
                terminal.print_json(&json!({
                    "ok": true, "config": house::shown(&paths), "services": house::names(&config),
                    "mistakes": [], "warnings": warnings, "error": null,
                }))?;
            } else if !terminal.quiet {
                terminal.print(&good(&config, &warnings))?;
            }
            Ok(ExitCode::Ok)
        }
        Err(mistakes) => {
            let error = house::wrong(&mistakes);
            if terminal.json {
                terminal.print_json(&json!({
                    "ok": false, "config": house::shown(&paths), "services": [],
                    "mistakes": mistakes.as_slice(), "warnings": [], "error": Failure::from(error.clone()),
                }))?;
            }
            terminal.complain(&error.to_text(terminal.paint_errors));
            Ok(error.code())
        }
    }
}

fn good(config: &Config, warnings: &[String]) -> String {
    let services = count(config.services.len() as u64, "service");
    let name = config
        .paths
        .config
        .file_name()
        .unwrap_or_default()
        .to_string_lossy();
    let warnings: String = warnings
        .iter()
        .map(|warning| format!("warning: {}\n", clean(warning)))
        .collect();
    format!("{warnings}{name}: {services}, no mistakes\n")
}
