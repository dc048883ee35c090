//! A Config as exports need it: secrets taken out of commands and variables, inherited variables left out.

use std::path::PathBuf;
use std::sync::Arc;

use crate::config::{self, Config, Environment};
use crate::moving::secrets;
use crate::service::Spec;

use super::Surroundings;

/// The whole house.
#[derive(Clone, Debug)]
pub struct Outline {
    /// A name for it: that of its folder, in lower case letters, digits and dashes.
    pub name: String,
    /// Folder of the logs.
    pub log_dir: PathBuf,
    /// File of the secrets: NAME=value lines.
    pub env_file: PathBuf,
    /// Its services, in the order of their start.
    pub services: Vec<Service>,
    /// What holds for the whole house and has no place in any target, for comments.
    pub unsaid: Vec<String>,
}

/// One service.
#[derive(Clone, Debug)]
pub struct Service {
    /// All about it that is neither command nor environment.
    pub spec: Arc<Spec>,
    /// Its program, absolute when it is on this host.
    pub program: String,
    /// Its arguments.
    pub arguments: Vec<Word>,
    /// Variables that anybody may read.
    pub env: Vec<(String, String)>,
    /// Names of variables that are secrets.
    pub secrets: Vec<String>,
}

/// A piece of a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Word {
    /// As it is.
    Plain(String),
    /// Text, the name of a secret variable, text.
    Secret(String, String, String),
}

impl Word {
    /// The word with a secret written as `reference` writes its name, and text as `plain` does.
    pub fn show(&self, plain: impl Fn(&str) -> String, reference: impl Fn(&str) -> String) -> String {
        match self {
            Word::Plain(text) => plain(text),
            Word::Secret(before, name, after) => {
                format!("{}{}{}", plain(before), reference(name), plain(after))
            }
        }
    }
}

impl Outline {
    /// The outline of a config.
    #[must_use]
    pub fn of(config: &Config, surroundings: &Surroundings<'_>) -> Self {
        let folder = config
            .paths
            .root
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .to_lowercase();
        let name: String = folder
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
            .collect();
        let name = name.trim_matches('-');
        Self {
            name: if name.is_empty() {
                "sentinel".into()
            } else {
                name.into()
            },
            log_dir: config.log_dir.clone(),
            env_file: surroundings.env_file.clone(),
            services: config
                .services
                .iter()
                .map(|spec| service(spec, surroundings.environment))
                .collect(),
            unsaid: unsaid(config),
        }
    }
}

/// Schedules, alerts and metrics, by name.
fn unsaid(config: &Config) -> Vec<String> {
    let schedules = config
        .schedules
        .iter()
        .map(|schedule| format!("[schedules.{}]", schedule.name));
    let alerts = (!config.alerts.targets.is_empty()).then(|| "[alerts]".to_owned());
    let metrics = config.metrics.listen.map(|_| "[metrics]".to_owned());
    schedules.chain(alerts).chain(metrics).collect()
}

impl Outline {
    /// A comment line for each thing of the house that is not carried.
    #[must_use]
    pub fn comments(&self) -> String {
        let line = |lost: &String| format!("# not carried: {lost}\n");
        self.unsaid.iter().map(line).collect()
    }
}

impl Service {
    /// The name of the program without its folder.
    #[must_use]
    pub fn program_name(&self) -> &str {
        self.program.rsplit('/').next().unwrap_or_default()
    }

    /// What most targets have no place for, for a comment.
    #[must_use]
    pub fn probes(&self) -> Vec<String> {
        use crate::service::Ready;
        let ready = match &self.spec.ready {
            Some(Ready::Probe(probe)) => Some(format!("ready: a {} probe", probe.kind())),
            Some(Ready::Log(line)) => Some(format!("ready: a line of the log that matches {line:?}")),
            Some(Ready::Notify) | None => None,
        };
        let health = self
            .spec
            .health
            .as_ref()
            .map(|health| format!("health: a {} probe", health.probe.kind()));
        ready.into_iter().chain(health).collect()
    }
}

fn service(spec: &Arc<Spec>, caller: &Environment) -> Service {
    let inherited = |name: &str, value: &str| {
        let minimal = config::MINIMUM.iter().any(|known| match known.strip_suffix('*') {
            Some(start) => name.starts_with(start),
            None => *known == name,
        });
        minimal && caller.get(name).is_some_and(|callers| callers == value)
    };
    let own = spec.env.iter().filter(|(name, value)| !inherited(name, value));
    let (hidden, open): (Vec<_>, Vec<_>) = own.partition(|(name, value)| secrets::is_secret(name, value));
    let mut names: Vec<String> = hidden.iter().map(|(name, _)| (*name).clone()).collect();
    let mut before = "";
    let mut arguments = Vec::new();
    for word in spec.command.iter().skip(1) {
        arguments.push(argument(word, before, &hidden, (spec, &mut names)));
        before = word;
    }
    Service {
        spec: Arc::clone(spec),
        program: config::program(spec)
            .map_or_else(|_| spec.command[0].clone(), |path| path.display().to_string()),
        arguments,
        env: open
            .into_iter()
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect(),
        secrets: names,
    }
}

/// A secret that is a variable too is named so; one that only the command holds gets a name of its own.
fn argument(
    word: &str,
    before: &str,
    hidden: &[(&String, &String)],
    (spec, names): (&Spec, &mut Vec<String>),
) -> Word {
    let known = hidden.iter().find_map(|(name, value)| {
        let (head, tail) = word.split_once(value.as_str())?;
        Some(Word::Secret(head.into(), (*name).clone(), tail.into()))
    });
    if let Some(word) = known {
        return word;
    }
    let said =
        before.starts_with("--") && secrets::named(before) && !word.starts_with('-') && !before.contains('=');
    if !said && !secrets::in_text(word) {
        return Word::Plain(word.to_owned());
    }
    let legal = |c: char| {
        if c.is_ascii_alphanumeric() {
            c.to_ascii_uppercase()
        } else {
            '_'
        }
    };
    let service: String = spec.name.as_str().chars().map(legal).collect();
    let name = format!("{service}_SECRET_{}", names.len() + 1);
    names.push(name.clone());
    let (head, _) = word
        .split_once('=')
        .filter(|(head, _)| head.starts_with('-'))
        .unwrap_or(("", ""));
    let head = if head.is_empty() {
        String::new()
    } else {
        format!("{head}=")
    };
    Word::Secret(head, name, String::new())
}
