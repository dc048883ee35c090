//! `sentinel init`: a commented services.toml for what is in this folder.

use std::path::{Path, PathBuf};

use crate::api::FailureKind;
use crate::cli::{ImportArgs, InitArgs};
use crate::client::error::Error;
use crate::exit::ExitCode;
use crate::moving::{Found, look};

use super::{Caller, import};

pub(super) fn run(caller: &Caller, args: &InitArgs) -> Result<ExitCode, Error> {
    let folder = std::env::current_dir().map_err(|error| {
        Error::failed("the current folder is gone")
            .because(&error)
            .help("cd to another")
    })?;
    match look(&folder) {
        // What another supervisor reads says more than any guess.
        Found::Files(files) => {
            let files: Vec<PathBuf> = files.iter().map(|file| relative(file, &folder)).collect();
            let shown: Vec<String> = files.iter().map(|file| file.display().to_string()).collect();
            if !caller.terminal.json && !caller.terminal.quiet {
                caller.terminal.print(&format!("found {}\n", shown.join(", ")))?;
            }
            import::run(
                caller,
                &ImportArgs {
                    files,
                    output: args.output.clone(),
                    force: args.force,
                },
            )
        }
        Found::Services(text) => {
            if !args.force && args.output.symlink_metadata().is_ok() {
                let message = format!("{} is there already; nothing was written", args.output.display());
                return Err(
                    Error::new(FailureKind::Usage, message).help("-o ANOTHER, or --force to write over it")
                );
            }
            std::fs::write(&args.output, text).map_err(|error| {
                Error::failed(format!("cannot write {}", args.output.display())).because(&error)
            })?;
            if !caller.terminal.quiet && !caller.terminal.json {
                caller.terminal.print(&format!(
                    "wrote {}; read it, then: sentinel check\n",
                    args.output.display()
                ))?;
            }
            if caller.terminal.json {
                caller
                    .terminal
                    .print_json(&serde_json::json!({"ok": true, "written": [args.output], "error": null}))?;
            }
            Ok(ExitCode::Ok)
        }
    }
}

fn relative(file: &Path, folder: &Path) -> PathBuf {
    file.strip_prefix(folder).unwrap_or(file).to_path_buf()
}
