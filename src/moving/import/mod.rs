//! Reads files of other supervisors, each by its own rules, into one draft and one ledger.

mod compose;
mod ini;
mod pm2;
mod process_compose;
mod procfile;
mod read;
mod rights;
mod shell;
mod supervisord;
mod systemd;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::draft::{Draft, Service};
use super::ledger::{Branch, Fate, Ledger};
use super::node::Node;
use super::{Entry, draft};

/// Why a file cannot be imported at all, and the way out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// What is wrong: names the file.
    pub message: String,
    /// The way out.
    pub help: String,
}

/// An import under way.
#[derive(Debug)]
pub struct Import<'e> {
    /// The services so far.
    pub draft: Draft,
    /// The fates of the keys so far.
    pub ledger: Ledger,
    /// The caller's environment.
    pub environment: &'e BTreeMap<String, String>,
}

/// One input: where it is, and how the caller names it.
#[derive(Clone, Debug)]
pub(super) struct Source {
    /// As the caller named it.
    pub shown: String,
    /// Its folder, absolute.
    pub folder: PathBuf,
    /// Its content.
    pub text: String,
}

/// Imports these files together: services of one may be named in another.
///
/// # Errors
/// The first file that cannot be read or understood as a whole.
pub fn import<'e>(
    files: &[PathBuf],
    environment: &'e BTreeMap<String, String>,
) -> Result<Import<'e>, Unreadable> {
    let mut import = Import {
        draft: Draft::default(),
        ledger: Ledger::default(),
        environment,
    };
    for file in files {
        let source = read::file(file)?;
        import.source(&source, file)?;
    }
    Ok(import)
}

impl Import<'_> {
    fn source(&mut self, source: &Source, file: &Path) -> Result<(), Unreadable> {
        let name = file
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .to_lowercase();
        let extension = file
            .extension()
            .unwrap_or_default()
            .to_string_lossy()
            .to_lowercase();
        match extension.as_str() {
            "js" | "cjs" | "mjs" | "ts" => Err(script(&source.shown)),
            "json" | "yml" | "yaml" => self.tree(source, &extension),
            "service" => systemd::import(self, source, file),
            "conf" | "ini" => supervisord::import(self, source),
            _ if name.starts_with("procfile") => procfile::import(self, source),
            _ if source.text.contains("[program:") => supervisord::import(self, source),
            _ => Err(Unreadable {
                message: format!("{} is nothing that can be imported", source.shown),
                help: "known are supervisord.conf, Procfile, PM2's ecosystem as JSON, docker-compose and \
                       process-compose YAML, and systemd .service files; a Procfile's name begins with `Procfile`"
                    .into(),
            }),
        }
    }

    /// JSON or YAML: which of the formats, its first tables tell.
    fn tree(&mut self, source: &Source, extension: &str) -> Result<(), Unreadable> {
        // As YAML 1.2 has it: `off` and `no` are texts.
        let options = serde_saphyr::options! { strict_booleans: true };
        let node: Node = if extension == "json" {
            serde_json::from_str(&source.text).map_err(|error| malformed(source, &error))?
        } else {
            serde_saphyr::from_str_with_options(&source.text, options)
                .map_err(|error| malformed(source, &error))?
        };
        let node = match node {
            // PM2 takes a bare list of apps too.
            Node::List(apps) => Node::Table(vec![("apps".into(), Node::List(apps))]),
            node => node,
        };
        let root = Branch::root(&source.shown, node);
        if root.peek("apps").is_some() {
            pm2::import(self, source, root);
        } else if root.peek("processes").is_some() {
            process_compose::import(self, source, root);
        } else if root.peek("services").is_some() {
            compose::import(self, source, root);
        } else {
            return Err(Unreadable {
                message: format!("{} has none of `apps`, `processes` and `services`", source.shown),
                help: "PM2's ecosystem has `apps`, process-compose `processes`, docker-compose `services`"
                    .into(),
            });
        }
        Ok(())
    }

    /// A service under a free name, for the process that the input calls `called`.
    fn service(&mut self, called: &str, source: &Source, place: &str) -> Service {
        Service {
            name: self.draft.name(called),
            called: called.to_owned(),
            origin: format!("{}, {place}", source.shown),
            cwd: source.folder.clone(),
            ..Service::default()
        }
    }

    /// Writes down the fate of something that stands in a file without being a key of a table.
    fn record(&mut self, source: &Source, path: &[&str], value: &str, fate: Fate) {
        self.ledger.entries.push(Entry {
            file: source.shown.clone(),
            path: path.iter().map(|&part| part.to_owned()).collect(),
            value: value.to_owned(),
            fate,
            service: None,
        });
    }
}

fn malformed(source: &Source, error: &dyn std::error::Error) -> Unreadable {
    let text = error.to_string();
    let first = text.lines().next().unwrap_or_default();
    Unreadable {
        message: format!("{} cannot be understood: {first}", source.shown),
        help: "mend it there first; nothing was written".into(),
    }
}

fn script(shown: &str) -> Unreadable {
    Unreadable {
        message: format!("{shown} is a program, and sentinel does not run it"),
        help: format!(
            "let node print what it says, and import that: node -e \"console.log(JSON.stringify(require('./{shown}')))\" > ecosystem.json"
        ),
    }
}

/// Seconds, or a number with a unit, as a duration of services.toml.
fn seconds(node: &Node) -> Result<String, String> {
    let text = node.text().unwrap_or_default().trim();
    let number = text.strip_suffix('s').unwrap_or(text);
    match number.parse::<f64>() {
        Ok(n) if n >= 0.0 => duration(n * 1000.0),
        Ok(_) | Err(_) => Err(format!("`{text}` is not a number of seconds")),
    }
}

/// Milliseconds as a duration of services.toml.
fn milliseconds(node: &Node) -> Result<String, String> {
    let text = node.text().unwrap_or_default().trim();
    let number: u32 = text
        .parse()
        .map_err(|_| format!("`{text}` is not a number of milliseconds"))?;
    duration(f64::from(number))
}

/// Milliseconds in the longest unit that says them whole.
fn duration(ms: f64) -> Result<String, String> {
    if ms > 365.0 * 86_400_000.0 {
        return Err("the longest duration is a year".into());
    }
    Ok(draft::quote(&match ms.round() {
        ms if ms % 1000.0 == 0.0 => format!("{}s", ms / 1000.0),
        ms => format!("{ms}ms"),
    }))
}

/// A time within which something must have happened: there is always one.
fn limit(time: Result<String, String>) -> Result<String, String> {
    match time?.as_str() {
        "\"0s\"" => Err("there is always a limit".into()),
        time => Ok(time.to_owned()),
    }
}

/// A duration like `1m30s`, `500ms` or `90`, as compose and systemd write it.
fn span(node: &Node) -> Result<String, String> {
    let text = node.text().unwrap_or_default().trim();
    let wrong = || format!("`{text}` is not a duration that services.toml can hold");
    let compact = text.replace(' ', "").replace("min", "m").replace("sec", "s");
    let mut total_ms = 0.0;
    let mut rest = compact.as_str();
    while !rest.is_empty() {
        let digits = rest
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .unwrap_or(rest.len());
        let number: f64 = rest[..digits].parse().map_err(|_| wrong())?;
        let after = &rest[digits..];
        let letters = after.find(|c: char| c.is_ascii_digit()).unwrap_or(after.len());
        total_ms += number
            * match &after[..letters] {
                "ms" => 1.0,
                "" | "s" => 1000.0,
                "m" => 60_000.0,
                "h" => 3_600_000.0,
                _ => return Err(wrong()),
            };
        rest = &after[letters..];
    }
    if compact.is_empty() {
        return Err(wrong());
    }
    duration(total_ms)
}

/// A whole number.
fn number(node: &Node) -> Result<u32, String> {
    let text = node.text().unwrap_or_default().trim();
    text.parse()
        .map_err(|_| format!("`{text}` is not a whole number"))
}

/// Exit codes and signals, apart from each other by commas or blanks, as `success_exit` has them.
fn exits(node: &Node) -> Result<Vec<String>, String> {
    let all = node.texts().ok_or("a list of exit codes was expected")?.join(" ");
    let words = all.split([',', ' ', '\t']).filter(|word| !word.is_empty());
    let exits: Vec<String> = words.map(exit).collect::<Result<_, _>>()?;
    match exits.is_empty() {
        true => Err("it names no exit code".into()),
        false => Ok(exits),
    }
}

fn exit(word: &str) -> Result<String, String> {
    if let Ok(code) = word.parse::<u8>() {
        return Ok(code.to_string());
    }
    let signal = crate::service::StopSignal::parse(word);
    let signal = signal.ok_or_else(|| format!("`{word}` is neither an exit code nor a signal"))?;
    Ok(draft::quote(&crate::service::signal_name(signal.0)))
}

/// A pause between tries that does not grow.
fn steady(service: &mut Service, pause: Option<String>) {
    if let Some(pause) = pause {
        service.put("backoff", "min", pause.clone());
        service.put("backoff", "max", pause);
    }
}

/// A pause that services.toml can hold: there is always one.
fn pause(time: Result<String, String>) -> Result<String, String> {
    match time?.as_str() {
        "\"0s\"" => Err("there is always a pause, 0.1 s at first".into()),
        time => Ok(time.to_owned()),
    }
}

/// A boolean, in all the words that the formats know.
fn truth(node: &Node) -> Result<bool, String> {
    let text = node.text().unwrap_or_default().trim().to_lowercase();
    match text.as_str() {
        "true" | "yes" | "on" | "1" => Ok(true),
        "false" | "no" | "off" | "0" => Ok(false),
        _ => Err(format!("`{text}` is neither true nor false")),
    }
}

/// A signal's name as services.toml has it.
fn signal(node: &Node) -> Result<String, String> {
    let text = node.text().unwrap_or_default().trim();
    let parsed = text.parse::<i64>().map_or_else(
        |_| crate::service::StopSignal::parse(text),
        crate::service::StopSignal::numbered,
    );
    let signal = parsed.ok_or_else(|| format!("`{text}` is not a signal"))?;
    Ok(draft::quote(&crate::service::signal_name(signal.0)))
}

/// A text.
fn text(node: &Node) -> Result<String, String> {
    node.text()
        .map(str::to_owned)
        .ok_or_else(|| "a text was expected".into())
}

fn is_name(text: &str) -> bool {
    let legal = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.starts_with(|c: char| legal(c) && !c.is_ascii_digit()) && text.chars().all(legal)
}

/// `NAME=value` items, or a table of them, as literal names and values; an item without a value has none.
fn pairs(node: &Node) -> Result<Vec<(String, Option<String>)>, String> {
    match node {
        Node::Empty => Ok(Vec::new()),
        Node::Table(entries) => entries
            .iter()
            .map(|(name, value)| match value {
                _ if name.is_empty() || name.contains('=') => Err(format!("`{name}` is no variable's name")),
                Node::Empty if !is_name(name) => Err(format!("`{name}` is no variable's name")),
                Node::Empty => Ok((name.clone(), None)),
                Node::Text(text) => Ok((name.clone(), Some(text.clone()))),
                Node::List(_) | Node::Table(_) => Err(format!("the value of `{name}` is not a text")),
            })
            .collect(),
        Node::List(_) | Node::Text(_) => {
            let items = node.texts().ok_or("a list of NAME=value was expected")?;
            let pair = |item: &String| match item.split_once('=') {
                Some(("", _)) => Err(format!("`{item}` has no name")),
                Some((name, value)) => Ok((name.to_owned(), Some(value.to_owned()))),
                // Its value is the caller's: it must be possible to name it.
                None if !is_name(item) => Err(format!("`{item}` is no variable's name")),
                None => Ok((item.clone(), None)),
            };
            items.iter().map(pair).collect()
        }
    }
}
