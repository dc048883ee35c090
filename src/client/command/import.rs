//! `sentinel import`: another supervisor's files as services.toml, and the fate of every key of them.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::api::FailureKind;
use crate::cli::ImportArgs;
use crate::client::error::Error;
use crate::client::render::words::{clean, count};
use crate::config;
use crate::exit::ExitCode;
use crate::moving::{self, Draft, Entry, Fate, Ledger, Written};

use super::Caller;

/// What an import came to, ready to be told.
struct Report<'i> {
    draft: &'i Draft,
    ledger: &'i Ledger,
    /// services.toml and the env file, where they were written.
    written: Vec<PathBuf>,
}

pub(super) fn run(caller: &Caller, args: &ImportArgs) -> Result<ExitCode, Error> {
    let environment = config::environment();
    let imported = moving::import(&args.files, &environment);
    let mut import = imported.map_err(|error| Error::failed(error.message).help(error.help))?;
    moving::settle(&mut import.draft, &environment);
    moving::fold(&mut import.draft, &mut import.ledger);
    if import
        .draft
        .services
        .iter()
        .all(|service| service.parked.is_some())
    {
        return Err(nothing(&import.draft));
    }
    let place = Place::of(args)?;
    let written = moving::write(&import.draft, &import.ledger, &place.folder, &place.env_name);
    let mut report = Report {
        draft: &import.draft,
        ledger: &import.ledger,
        written: Vec::new(),
    };
    let terminal = &caller.terminal;
    if place.stdout {
        if !terminal.json {
            terminal.print(&written.services)?;
            terminal.complain(&report.to_text());
            return Ok(ExitCode::Ok);
        }
    } else {
        place.save(&written, args.force)?;
        report.written.push(place.services.clone());
        report
            .written
            .extend(written.env_file.is_some().then(|| place.env_file()));
    }
    if terminal.json {
        terminal.print_json(&report.to_json(&written, place.stdout))?;
    } else if !terminal.quiet {
        terminal.print(&report.to_text())?;
    }
    prove(&place, &environment)
}

fn nothing(draft: &Draft) -> Error {
    let details = draft
        .services
        .iter()
        .map(|service| {
            format!(
                "{}: {}",
                service.name,
                service.parked.as_deref().unwrap_or_default()
            )
        })
        .collect();
    Error::failed("there is nothing in it that would be started; nothing was written")
        .details(details)
        .help("import a file that declares a process which starts by itself")
}

/// What was written must be what sentinel reads: a mistake in it is ours, and is told as such.
fn prove(place: &Place, environment: &BTreeMap<String, String>) -> Result<ExitCode, Error> {
    if place.stdout {
        return Ok(ExitCode::Ok);
    }
    match config::load(&place.services, environment) {
        Ok(_) => Ok(ExitCode::Ok),
        Err(mistakes) => {
            Err(crate::client::house::wrong(&mistakes).help("mend these places in it, then `sentinel check`"))
        }
    }
}

/// Where the files go.
struct Place {
    stdout: bool,
    services: PathBuf,
    folder: PathBuf,
    env_name: String,
}

impl Place {
    fn of(args: &ImportArgs) -> Result<Self, Error> {
        let stdout = args.output == Path::new("-");
        let named = if stdout {
            Path::new("services.toml")
        } else {
            &args.output
        };
        let absolute = std::path::absolute(named)
            .map_err(|error| Error::failed("the current folder is gone").because(&error))?;
        let folder = absolute.parent().unwrap_or(Path::new("/"));
        let folder = folder.canonicalize().map_err(|error| {
            Error::failed(format!("cannot write to the folder {}", folder.display())).because(&error)
        })?;
        let stem = absolute.file_stem().unwrap_or_default().to_string_lossy();
        Ok(Self {
            stdout,
            services: folder.join(absolute.file_name().unwrap_or_default()),
            env_name: format!("{stem}.env"),
            folder,
        })
    }

    fn env_file(&self) -> PathBuf {
        self.folder.join(&self.env_name)
    }

    /// Writes both files, or neither.
    fn save(&self, written: &Written, force: bool) -> Result<(), Error> {
        let env_file = written
            .env_file
            .as_ref()
            .map(|text| (self.env_file(), text, 0o600));
        let files: Vec<_> = env_file
            .into_iter()
            .chain([(self.services.clone(), &written.services, 0o644)])
            .collect();
        if let Some((there, ..)) = files
            .iter()
            .find(|(path, ..)| !force && path.symlink_metadata().is_ok())
        {
            let message = format!("{} is there already; nothing was written", there.display());
            return Err(
                Error::new(FailureKind::Usage, message).help("-o ANOTHER, or --force to write over it")
            );
        }
        for (path, text, mode) in files {
            put(&path, text, mode)
                .map_err(|error| Error::failed(format!("cannot write {}", path.display())).because(&error))?;
        }
        Ok(())
    }
}

/// Writes beside the file and moves into place, so that a file is whole or not there, and never open to others.
fn put(path: &Path, text: &str, mode: u32) -> std::io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}", std::process::id()));
    let beside = path.with_file_name(name);
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(&beside)?;
    let put = file.write_all(text.as_bytes()).and_then(|()| file.sync_all());
    put.and_then(|()| std::fs::rename(&beside, path))
        .inspect_err(|_| {
            // What cannot be removed either is told by the first error.
            let _ = std::fs::remove_file(&beside);
        })
}

impl Report<'_> {
    fn left(&self) -> impl Iterator<Item = (&Entry, &str)> {
        self.ledger.entries.iter().filter_map(|entry| match &entry.fate {
            Fate::Left(why) => Some((entry, why.as_str())),
            Fate::Carried(_) => None,
        })
    }

    fn to_text(&self) -> String {
        let mut text = String::new();
        let live = self
            .draft
            .services
            .iter()
            .filter(|service| service.parked.is_none());
        let left = self.left().count();
        let carried = self.ledger.entries.len() - left;
        let _ = writeln!(
            text,
            "{}, {} carried, {left} without an equivalent",
            count(live.count() as u64, "service"),
            count(carried as u64, "key"),
        );
        for service in &self.draft.services {
            if let Some(why) = &service.parked {
                let _ = writeln!(text, "  only a comment: {}: {}", service.name, clean(why));
            }
        }
        text.push_str(&self.left_by_reason());
        for remark in &self.draft.remarks {
            let _ = writeln!(text, "  note: {}", clean(remark));
        }
        let names: Vec<&str> = self
            .draft
            .env_file
            .iter()
            .map(|(name, _)| name.as_str())
            .collect();
        match self.written.as_slice() {
            [services] => {
                let _ = writeln!(text, "wrote {}", services.display());
            }
            [services, env] => {
                let _ = writeln!(
                    text,
                    "moved to {} (mode 0600): {}",
                    env.display(),
                    names.join(", ")
                );
                let _ = writeln!(text, "wrote {}", services.display());
            }
            _ if names.is_empty() => {}
            _ => {
                let _ = writeln!(
                    text,
                    "nothing was written; set these, or write with -o FILE: {}",
                    names.join(", ")
                );
            }
        }
        text
    }

    /// The keys without an equivalent, those with one reason together.
    fn left_by_reason(&self) -> String {
        let mut reasons: Vec<(&str, Vec<String>)> = Vec::new();
        for (entry, why) in self.left() {
            let shown = format!("{} {} = {}", entry.file, entry.path.join("."), entry.value);
            match reasons.iter_mut().find(|(known, _)| *known == why) {
                Some((_, keys)) => keys.push(shown),
                None => reasons.push((why, vec![shown])),
            }
        }
        let mut text = String::new();
        for (why, keys) in reasons {
            let _ = writeln!(text, "  {}:", clean(why));
            for key in keys {
                let _ = writeln!(text, "    {}", clean(&key));
            }
        }
        text
    }

    fn to_json(&self, written: &Written, stdout: bool) -> Value {
        let key = |entry: &Entry| json!({"file": entry.file, "key": entry.path, "value": entry.value, "service": entry.service});
        let with = |entry: &Entry, name: &str, text: &str| {
            let mut document = key(entry);
            document[name] = json!(text);
            document
        };
        let carried: Vec<Value> = self
            .ledger
            .entries
            .iter()
            .filter_map(|entry| match &entry.fate {
                Fate::Carried(to) => Some(with(entry, "to", to)),
                Fate::Left(_) => None,
            })
            .collect();
        let left: Vec<Value> = self.left().map(|(entry, why)| with(entry, "why", why)).collect();
        let services: Vec<Value> = self
            .draft
            .services
            .iter()
            .map(|service| json!({"name": service.name, "ports": service.ports.iter().map(|(port, _)| port).collect::<Vec<_>>(), "parked": service.parked}))
            .collect();
        let secrets: Vec<&str> = self
            .draft
            .env_file
            .iter()
            .map(|(name, _)| name.as_str())
            .collect();
        json!({
            "ok": true, "services": services, "carried": carried, "left": left, "notes": self.draft.remarks,
            "env_file": secrets, "written": self.written,
            "text": stdout.then_some(&written.services), "error": null,
        })
    }
}
