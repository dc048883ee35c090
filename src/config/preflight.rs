//! What would make a start fail, asked before anything is stopped.

use std::collections::{HashMap, HashSet};
use std::ffi::OsStr;
use std::fmt;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use nix::unistd::{AccessFlags, access, geteuid};

use super::env_file::reason;
use super::{Config, find_program};
use crate::process::{self, Account};
use crate::service::{Probe, Ready, Rights, ServiceName, Spec};

/// One reason why a start would fail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The service it concerns; None: all of them.
    pub service: Option<ServiceName>,
    /// What is wrong.
    pub message: String,
    /// The way out.
    pub help: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(service) = &self.service {
            write!(f, "{service}: ")?;
        }
        write!(f, "{}; {}", self.message, self.help)
    }
}

/// A message and the way out.
type Fault = (String, String);

/// Everything that would make a start fail here and now; empty when nothing would.
#[must_use]
pub fn preflight(config: &Config) -> Vec<Problem> {
    let state = &config.paths.state_dir;
    let general = [
        folder_for_writing(&config.log_dir, 0o002),
        folder_for_writing(state, 0o022),
        owned(state),
    ];
    let problem = |service: Option<&Spec>, (message, help)| Problem {
        service: service.map(|spec| spec.name.clone()),
        message,
        help,
    };
    let mut problems: Vec<Problem> = general
        .into_iter()
        .filter_map(Result::err)
        .map(|fault| problem(None, fault))
        .collect();
    let mut known = Known::default();
    for spec in &config.services {
        let log = log_file(&config.log_dir.join(format!("{}.log", spec.name)));
        let faults = log.err().into_iter().chain(known.of(spec, &config.paths.root));
        problems.extend(faults.map(|fault| problem(Some(spec), fault)));
    }
    problems
}

/// Those of them that would make a start of the house fail: what waits for a person may still be wrong.
#[must_use]
pub fn hindrances(config: &Config) -> Vec<Problem> {
    let mut needed: HashSet<&ServiceName> = HashSet::new();
    // What others need stands before them.
    for spec in config.services.iter().rev() {
        if spec.autostart || needed.contains(&spec.name) {
            needed.extend(spec.after.iter().chain([&spec.name]));
        }
    }
    let hinders = |problem: &Problem| problem.service.as_ref().is_none_or(|name| needed.contains(name));
    preflight(config).into_iter().filter(hinders).collect()
}

/// Hundreds of services run few programs: what is asked alike is looked for once.
#[derive(Default)]
struct Known<'c>(HashMap<Asked<'c>, Vec<(&'c Rights, Vec<Fault>)>>);

/// All that an answer depends on, beside the rights: the working folder, the PATH, the programs.
type Asked<'c> = (&'c Path, Option<&'c String>, Vec<&'c str>);

impl<'c> Known<'c> {
    fn of(&mut self, spec: &'c Spec, root: &Path) -> Vec<Fault> {
        let asked = (spec.cwd.as_path(), spec.env.get("PATH"), programs(spec));
        let answers = self.0.entry(asked).or_default();
        if let Some((_, faults)) = answers.iter().find(|(rights, _)| **rights == *spec.rights) {
            return faults.clone();
        }
        let faults = as_its_user(spec, root);
        answers.push((&spec.rights, faults.clone()));
        faults
    }
}

/// What keeps the service from starting as the user that it is to be.
fn as_its_user(spec: &Spec, root: &Path) -> Vec<Fault> {
    let refusals = process::refusals(&spec.rights);
    if !refusals.is_empty() {
        return refusals;
    }
    let another = Account::of(&spec.rights).ok().flatten();
    let Some(account) = another.filter(Account::is_another) else {
        return reachable(spec, root, None);
    };
    process::as_account(&account, || reachable(spec, root, Some(&account))).unwrap_or_default()
}

/// The folder and the programs, as whoever asks can reach them.
fn reachable(spec: &Spec, root: &Path, account: Option<&Account>) -> Vec<Fault> {
    let programs = programs(spec).into_iter().map(|name| runnable(name, spec, root));
    std::iter::once(enterable(&spec.cwd, account))
        .chain(programs)
        .filter_map(Result::err)
        .map(|(message, help)| match account {
            Some(account) => (format!("{message} (as user {})", account.shown()), help),
            None => (message, help),
        })
        .collect()
}

/// The programs that a service and its probes run.
fn programs(spec: &Spec) -> Vec<&str> {
    let ready = match &spec.ready {
        Some(Ready::Probe(probe)) => Some(&**probe),
        Some(Ready::Notify | Ready::Log(_)) | None => None,
    };
    let probes = [ready, spec.health.as_ref().map(|health| &health.probe)];
    let mut programs: Vec<&str> = std::iter::once(&spec.command)
        .chain(probes.into_iter().flatten().filter_map(command_of))
        .filter_map(|command| command.first().map(String::as_str))
        .collect();
    programs.dedup();
    programs
}

fn command_of(probe: &Probe) -> Option<&Vec<String>> {
    match probe {
        Probe::Exec { command } => Some(command),
        Probe::Ws { .. } | Probe::Http { .. } | Probe::Tcp { .. } => None,
    }
}

/// The program is there, executable, and so is the interpreter that its first line names.
fn runnable(name: &str, spec: &Spec, root: &Path) -> Result<(), Fault> {
    let file = find_program(name, spec).map_err(|message| (message, way_to_program(name, spec, root)))?;
    match interpreter(&file) {
        Some(interpreter) if !interpreter.exists() => Err((
            format!(
                "{} names an interpreter that is not there: {}",
                file.display(),
                interpreter.display()
            ),
            "install it, or mend the first line".into(),
        )),
        Some(_) | None => Ok(()),
    }
}

fn way_to_program(name: &str, spec: &Spec, root: &Path) -> String {
    let Ok(relative) = Path::new(name).strip_prefix(root) else {
        return match name.contains('/') {
            true => "build or install it, make it executable, or mend the path in `command`".into(),
            false => "build or install it, or name its path in `command`".into(),
        };
    };
    match spec.cwd.join(relative) {
        inside if spec.cwd != root && inside.exists() => format!(
            "paths are relative to services.toml, not to `cwd`: write {}",
            inside.strip_prefix(root).unwrap_or(&inside).display()
        ),
        _ => {
            "build it, make it executable, or mend the path in `command`; paths are relative to services.toml"
                .into()
        }
    }
}

/// What a script's `#!` line runs.
fn interpreter(file: &Path) -> Option<PathBuf> {
    let mut head = Vec::new();
    std::fs::File::open(file)
        .ok()?
        .take(256)
        .read_to_end(&mut head)
        .ok()?;
    let line = head.strip_prefix(b"#!")?.split(|byte| *byte == b'\n').next()?;
    let word = line
        .split(|byte| b" \t\r".contains(byte))
        .find(|word| !word.is_empty())?;
    Some(PathBuf::from(OsStr::from_bytes(word))).filter(|path| path.is_absolute())
}

fn enterable(folder: &Path, account: Option<&Account>) -> Result<(), Fault> {
    let shown = folder.display();
    match std::fs::metadata(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => Err((
            format!("the working folder {shown} may not be entered"),
            way_in(folder, account),
        )),
        Err(error) => Err((
            format!("the working folder {shown} cannot be used: {}", reason(&error)),
            "create it, or mend `cwd`".into(),
        )),
        Ok(metadata) if !metadata.is_dir() => Err((
            format!("the working folder {shown} is not a folder"),
            "mend `cwd`".into(),
        )),
        Ok(_) => access(folder, AccessFlags::X_OK).map_err(|_| {
            (
                format!("the working folder {shown} may not be entered"),
                way_in(folder, account),
            )
        }),
    }
}

/// Who can open the folder that bars the way, and how.
fn way_in(folder: &Path, account: Option<&Account>) -> String {
    // Without a `.` at the end, whose owner nobody could look up.
    let folder: PathBuf = folder.components().collect();
    let above: Vec<&Path> = folder.ancestors().collect();
    let bars = |folder: &&&Path| access(**folder, AccessFlags::X_OK).is_err();
    let barred = above.iter().rev().find(bars).copied().unwrap_or(&folder);
    let shown = barred.display();
    let owner = barred.metadata().map(|metadata| metadata.uid());
    let asks = account.map_or(geteuid().as_raw(), |account| account.uid);
    match owner {
        Ok(owner) if owner == asks => format!("run: chmod u+x {shown}"),
        Ok(owner) => format!(
            "{shown} belongs to user {}, who (or root) must let user {} in; or mend `cwd`",
            process::user_name(owner),
            process::user_name(asks)
        ),
        Err(_) => "mend `cwd`".into(),
    }
}

/// The folder can be created or written to, and none of the `unwanted` permissions stand.
fn folder_for_writing(folder: &Path, unwanted: u32) -> Result<(), Fault> {
    let Some(existing) = folder
        .ancestors()
        .find(|folder| folder.symlink_metadata().is_ok())
    else {
        return Ok(());
    };
    let shown = existing.display();
    let metadata = existing.metadata().map_err(|error| {
        (
            format!("the folder {shown} cannot be used: {}", reason(&error)),
            "mend its permissions, or remove it".to_owned(),
        )
    })?;
    if !metadata.is_dir() {
        return Err((
            format!("{shown} is not a folder"),
            format!("{} is needed as a folder: move it away", folder.display()),
        ));
    }
    access(existing, AccessFlags::W_OK | AccessFlags::X_OK).map_err(|error| {
        (
            format!(
                "{} cannot be written: {shown}: {}",
                folder.display(),
                error.desc().to_lowercase()
            ),
            "let the user who runs sentinel write there".to_owned(),
        )
    })?;
    let mode = metadata.permissions().mode() & 0o777;
    if existing == folder && mode & unwanted != 0 {
        let mend = mode & !unwanted;
        return Err((
            format!("others can write to {shown} (mode {mode:03o})"),
            format!("run: chmod {mend:03o} {shown}"),
        ));
    }
    Ok(())
}

/// The state folder, if it is there, is ours: whoever owns it commands the supervisor.
fn owned(state: &Path) -> Result<(), Fault> {
    match state.metadata() {
        Ok(metadata) if metadata.uid() != geteuid().as_raw() => Err((
            format!("{} belongs to user {}", state.display(), metadata.uid()),
            "run sentinel as that user".into(),
        )),
        Ok(_) | Err(_) => Ok(()),
    }
}

fn log_file(file: &Path) -> Result<(), Fault> {
    let shown = file.display();
    match file.metadata() {
        Ok(metadata) if metadata.is_dir() => {
            Err((format!("the log {shown} is a folder"), "move it away".into()))
        }
        Ok(_) if access(file, AccessFlags::W_OK).is_err() => Err((
            format!("the log {shown} cannot be written"),
            "let the user who runs sentinel write it".into(),
        )),
        Ok(_) | Err(_) => Ok(()),
    }
}
