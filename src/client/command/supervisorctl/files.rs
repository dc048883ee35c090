//! What is read from files: logs for `tail`, services.toml for `avail` and `reread`.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::ops::ControlFlow;
use std::path::Path;

use rustix::fs::{Mode, OFlags};

use crate::client::error::Error;
use crate::client::house;
use crate::exit::ExitCode;
use crate::logs::{self, Entry, Selection, Source, Stream};
use crate::service::ServiceName;

use super::Call;
use super::help::usage;
use super::wording::{Name, address_of, avail_line};

/// What supervisorctl shows of a log.
const TAIL_BYTES: usize = 1600;

impl Call<'_> {
    pub(super) async fn avail(&mut self) -> Result<(), Error> {
        let used: BTreeMap<String, bool> = match self.ask_status().await {
            Ok(status) => status
                .services
                .into_iter()
                .map(|service| (service.name, service.autostart))
                .collect(),
            Err(answer) => return self.say(&format!("error: {}", self.absent(&answer)), ExitCode::Failed),
        };
        let declared: BTreeMap<String, bool> = match house::read(&self.paths) {
            Ok(config) => config
                .services
                .iter()
                .map(|spec| (spec.name.to_string(), spec.autostart))
                .collect(),
            Err(mistakes) => return self.say(&format!("ERROR: CANT_REREAD: {mistakes}"), ExitCode::Failed),
        };
        let all: BTreeMap<&String, &bool> = used.iter().chain(&declared).collect();
        for (name, autostart) in all {
            let line = avail_line(&self.shown(name), used.contains_key(name), *autostart);
            self.say(&line, ExitCode::Ok)?;
        }
        Ok(())
    }

    /// Empties logs; what was rotated away before stays.
    pub(super) async fn clear(&mut self, names: &[String]) -> Result<(), Error> {
        let Some(status) = self.up().await? else {
            return Ok(());
        };
        if names.is_empty() {
            let lines = format!("Error: clear requires a process name\n{}", usage("clear"));
            return self.say(&lines, ExitCode::Failed);
        }
        let config = house::load(&self.caller.flags)?;
        let all = names.iter().any(|name| name == "all");
        for name in names.iter().take(if all { 1 } else { names.len() }) {
            let name = Name::parse(name);
            let mut found = false;
            for service in status
                .services
                .iter()
                .filter(|service| all || name.means(service))
            {
                found = true;
                let shown = address_of(service);
                match empty(&house::log_of(&config.log_dir, &service.name)) {
                    Ok(()) => self.say(&format!("{shown}: cleared"), ExitCode::Ok)?,
                    Err(error) => self.say(&format!("{shown}: ERROR ({error})"), ExitCode::Failed)?,
                }
            }
            if !found {
                self.say(&name.unknown(), ExitCode::Failed)?;
            }
        }
        Ok(())
    }

    /// Services that came or went. What changed within one is known to `update` alone, and said so on stderr.
    pub(super) async fn reread(&mut self) -> Result<(), Error> {
        let used: BTreeSet<String> = match self.ask_status().await {
            Ok(status) => status.services.into_iter().map(|service| service.name).collect(),
            Err(answer) => return self.say(&format!("error: {}", self.absent(&answer)), ExitCode::Failed),
        };
        let declared: BTreeSet<String> = match house::read(&self.paths) {
            Ok(config) => house::names(&config).into_iter().collect(),
            Err(mistakes) => return self.say(&format!("ERROR: CANT_REREAD: {mistakes}"), ExitCode::Failed),
        };
        for name in used.symmetric_difference(&declared) {
            let what = if declared.contains(name) {
                "available"
            } else {
                "disappeared"
            };
            let shown = self.shown(name);
            self.say(&format!("{shown}: {what}"), ExitCode::Ok)?;
        }
        if used == declared {
            self.say("No config updates to processes", ExitCode::Ok)?;
        }
        self.caller
            .terminal
            .complain("note: what changed within a service is not compared here; `update` applies it\n");
        Ok(())
    }

    pub(super) async fn tail(&mut self, words: &[String]) -> Result<(), Error> {
        let Some(status) = self.up().await? else {
            return Ok(());
        };
        let (modifier, rest) = match words.split_first() {
            Some((first, rest)) if first.starts_with('-') => (Some(first.as_str()), rest),
            _ => (None, words),
        };
        let (name, channel) = match rest {
            [] if modifier.is_none() => {
                let lines = format!("Error: too few arguments\n{}", usage("tail"));
                return self.say(&lines, ExitCode::Failed);
            }
            [] => return self.say("Error: tail requires process name", ExitCode::Failed),
            [name] => (name, "stdout".to_owned()),
            [name, .., channel] => (name, channel.to_lowercase()),
        };
        let stream = match channel.as_str() {
            "stdout" => Stream::Stdout,
            "stderr" => Stream::Stderr,
            other => return self.say(&format!("Error: bad channel '{other}'"), ExitCode::Failed),
        };
        let bytes = match modifier.map(|modifier| (&modifier[1..], modifier[1..].parse())) {
            None => Some(TAIL_BYTES),
            Some(("f", _)) => None,
            Some((_, Ok(bytes))) => Some(bytes),
            Some((_, Err(_))) => {
                let line = format!("Error: bad argument {}", modifier.unwrap_or_default());
                return self.say(&line, ExitCode::Failed);
            }
        };
        let parsed = Name::parse(name);
        let Some(service) = status.services.iter().find(|service| parsed.means(service)) else {
            return self.say(&format!("{name}: ERROR (no such process name)"), ExitCode::Failed);
        };
        self.show_log(&service.name, stream, bytes).await
    }

    /// The end of sentinel's own log, which tells what the supervisor did.
    pub(super) async fn maintail(&mut self, words: &[String]) -> Result<(), Error> {
        let bytes = match words {
            [] => TAIL_BYTES,
            [one] => match one.strip_prefix('-').map(str::parse) {
                Some(Ok(bytes)) => bytes,
                Some(Err(_)) | None => {
                    let line = "Error: write `maintail -BYTES`; to follow: sentinel logs sentinel -f";
                    return self.say(line, ExitCode::Failed);
                }
            },
            _ => return self.say("Error: too many arguments", ExitCode::Failed),
        };
        let path = house::own_log(&house::load(&self.caller.flags)?);
        let text = std::fs::read(&path)
            .map_err(|error| Error::failed(format!("cannot read {}", path.display())).because(&error))?;
        let tail = &text[text.len().saturating_sub(bytes)..];
        self.say(&String::from_utf8_lossy(tail), ExitCode::Ok)
    }

    async fn show_log(&mut self, service: &str, stream: Stream, bytes: Option<usize>) -> Result<(), Error> {
        let config = house::load(&self.caller.flags)?;
        let path = house::log_of(&config.log_dir, service);
        if !path.is_file() {
            return self.say(&format!("{service}: ERROR (no log file)"), ExitCode::Failed);
        }
        let service = ServiceName::parse(service).map_err(Error::failed)?;
        let sources = vec![Source::new(service, path)];
        let failed = |error: std::io::Error| Error::failed("cannot read the log").because(&error);
        let Some(bytes) = bytes else {
            let selection = Selection {
                lines: Some(20),
                ..Selection::default()
            };
            return logs::follow(sources, &selection, |entry| print(&entry, stream))
                .await
                .map_err(failed);
        };
        let mut text = Vec::new();
        let keep = |entry: Entry| {
            if entry.stream == stream {
                text.extend_from_slice(&entry.text);
                text.push(b'\n');
            }
            ControlFlow::Continue(())
        };
        // Enough lines for the bytes, were each of them empty.
        let selection = Selection {
            lines: Some(bytes.max(1)),
            ..Selection::default()
        };
        logs::tail(sources, &selection, keep).map_err(failed)?;
        let tail = &text[text.len().saturating_sub(bytes)..];
        self.say(&String::from_utf8_lossy(tail), ExitCode::Ok)
    }
}

/// The supervisor follows: it writes at the end, wherever that is.
fn empty(log: &Path) -> std::io::Result<()> {
    let flags = OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let file = match rustix::fs::open(log, flags, Mode::empty()) {
        Err(rustix::io::Errno::NOENT) => return Ok(()),
        file => std::fs::File::from(file?),
    };
    if file.metadata()?.is_file() {
        file.set_len(0)?;
    }
    Ok(())
}

/// A line of a followed log; whoever stops reading ends it.
fn print(entry: &Entry, stream: Stream) -> ControlFlow<()> {
    if entry.stream != stream {
        return ControlFlow::Continue(());
    }
    let mut out = std::io::stdout().lock();
    let written = out
        .write_all(&entry.text)
        .and_then(|()| out.write_all(b"\n"))
        .and_then(|()| out.flush());
    match written {
        Ok(()) => ControlFlow::Continue(()),
        Err(_) => ControlFlow::Break(()),
    }
}
