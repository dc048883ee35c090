//! `sentinel export`: what runs here, in the words of another supervisor.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde_json::json;

use crate::api::FailureKind;
use crate::cli::ExportArgs;
use crate::client::error::Error;
use crate::client::house;
use crate::config::{self, Config};
use crate::exit::ExitCode;
use crate::moving::export::{File, Surroundings, export};

use super::Caller;

pub(super) fn run(caller: &Caller, args: &ExportArgs) -> Result<ExitCode, Error> {
    let config = house::load(&caller.flags)?;
    let environment = config::environment();
    let surroundings = Surroundings {
        environment: &environment,
        env_file: env_file(&config),
    };
    let files = export(args.target, &config, &surroundings);
    let terminal = &caller.terminal;
    let written = match &args.output {
        Some(folder) => save(&files, folder, args.force)?,
        None => Vec::new(),
    };
    if terminal.json {
        let files: Vec<_> = files
            .iter()
            .map(|file| json!({"name": file.name, "text": file.text}))
            .collect();
        terminal.print_json(&json!({"ok": true, "files": files, "written": written, "error": null}))?;
    } else if args.output.is_none() {
        terminal.print(&shown(&files))?;
    } else if !terminal.quiet {
        let lines: String = written
            .iter()
            .map(|path| format!("wrote {}\n", path.display()))
            .collect();
        terminal.print(&lines)?;
    }
    Ok(ExitCode::Ok)
}

/// The env file that services.toml names; without one, where it would be.
fn env_file(config: &Config) -> PathBuf {
    let text = std::fs::read_to_string(&config.paths.config).unwrap_or_default();
    let table = text.parse::<toml::Table>().unwrap_or_default();
    let named = table.get("sentinel").and_then(|general| general.get("env_file"));
    config
        .paths
        .root
        .join(named.and_then(toml::Value::as_str).unwrap_or("services.env"))
}

/// One file as it is; of several, each under its name.
fn shown(files: &[File]) -> String {
    match files {
        [file] => file.text.clone(),
        files => files
            .iter()
            .map(|file| format!("# ==> {} <==\n{}\n", file.name, file.text))
            .collect(),
    }
}

fn save(files: &[File], folder: &Path, force: bool) -> Result<Vec<PathBuf>, Error> {
    std::fs::create_dir_all(folder).map_err(|error| {
        Error::failed(format!("cannot make the folder {}", folder.display())).because(&error)
    })?;
    let paths: Vec<PathBuf> = files.iter().map(|file| folder.join(&file.name)).collect();
    if let Some(there) = paths
        .iter()
        .find(|path| !force && path.symlink_metadata().is_ok())
    {
        let message = format!("{} is there already; nothing was written", there.display());
        return Err(Error::new(FailureKind::Usage, message).help("-o ANOTHER, or --force to write over it"));
    }
    for (file, path) in files.iter().zip(&paths) {
        let opened = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .open(path);
        opened
            .and_then(|mut open| open.write_all(file.text.as_bytes()))
            .map_err(|error| Error::failed(format!("cannot write {}", path.display())).because(&error))?;
    }
    Ok(paths)
}
