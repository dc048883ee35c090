//! A systemd `.service`: its process-level parts.
//!
//! Key by key after systemd.service(5), systemd.exec(5) and systemd.kill(5).

use std::path::Path;

use super::super::draft::{Service, literal};
use super::super::ledger::{Branch, Ledger};
use super::super::node::Node;
use super::{
    Import, Source, Unreadable, exits, ini, limit, number, pause, read, rights, signal, span, steady,
};

pub(super) fn import(import: &mut Import<'_>, source: &Source, file: &Path) -> Result<(), Unreadable> {
    let mut root = Branch::root(&source.shown, ini::tree(ini::systemd(source)?));
    let name = file
        .file_stem()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let mut service = import.service(&name, source, "[Service]");
    root.service = Some(service.name.clone());
    if let Some(unit) = root.enter("Unit") {
        general(import, &mut service, unit);
    }
    if let Some(mut keys) = root.enter("Service") {
        kind(import, &mut service, &mut keys);
        command(import, &mut service, &mut keys, &name);
        environment(import, &mut service, &mut keys, source);
        ending(import, &mut service, &mut keys);
        rights::systemd(&mut import.ledger, &mut service, &mut keys);
        for (key, why) in LEFT {
            keys.leave(&mut import.ledger, key, why);
        }
        keys.close(
            &mut import.ledger,
            "no equivalent: sentinel does not sandbox its services",
        );
    }
    if let Some(install) = root.enter("Install") {
        install.close(
            &mut import.ledger,
            "every service of services.toml starts with `sentinel start`",
        );
    }
    root.close(&mut import.ledger, "systemd does not know this section either");
    if service.command.is_empty() {
        service.parked = Some("it has no ExecStart that can be carried".into());
    }
    import.draft.services.push(service);
    Ok(())
}

/// The one value that counts: the last. Earlier ones would be overridden by it.
fn last(node: &Node) -> Node {
    match node {
        Node::List(values) => values.last().cloned().unwrap_or(Node::Empty),
        other => other.clone(),
    }
}

/// All values since the last empty one, which empties the list.
fn since_reset(node: &Node) -> Vec<String> {
    let values = node.texts().unwrap_or_default();
    let start = values
        .iter()
        .rposition(String::is_empty)
        .map_or(0, |index| index + 1);
    values[start..].to_vec()
}

fn general(import: &mut Import<'_>, service: &mut Service, mut unit: Branch) {
    let ledger = &mut import.ledger;
    let about = unit.carry(ledger, "Description", "a comment", |node| {
        Ok(last(node).to_string())
    });
    service.comments.extend(about);
    for key in ["After", "Requires", "Wants", "BindsTo", "Requisite"] {
        let units = unit.carry(ledger, key, "after, for what was imported with it", |node| {
            let services: Vec<String> = since_reset(node)
                .iter()
                .flat_map(|value| value.split_whitespace())
                .filter_map(|unit| unit.strip_suffix(".service").map(str::to_owned))
                .collect();
            if services.is_empty() {
                Err("no service is named there, only targets and the like".into())
            } else {
                Ok(services)
            }
        });
        service.after.extend(units.unwrap_or_default());
    }
    start_limit(ledger, service, &mut unit, "StartLimitIntervalSec");
    unit.close(ledger, "no equivalent among units that are services alone");
}

fn kind(import: &mut Import<'_>, service: &mut Service, keys: &mut Branch) {
    let kind = keys.carry(&mut import.ledger, "Type", "ready", |node| {
        match last(node).text().unwrap_or_default() {
            kind @ ("simple" | "exec" | "idle" | "notify" | "notify-reload" | "oneshot") => {
                Ok(kind.to_owned())
            }
            "forking" => Err(
                "sentinel watches the process that it starts: tell the program to stay in the foreground"
                    .into(),
            ),
            other => Err(format!(
                "`{other}` has no equivalent: readiness is a held port or a probe"
            )),
        }
    });
    match kind.as_deref() {
        Some("notify" | "notify-reload") => service.put("ready", "notify", "true".into()),
        Some("oneshot") => {
            service.restart = Some("never");
            service
                .comments
                .push("Type=oneshot: it runs once and is then EXITED".into());
        }
        _ => {}
    }
}

fn command(import: &mut Import<'_>, service: &mut Service, keys: &mut Branch, name: &str) {
    let ledger = &mut import.ledger;
    let words = keys.carry(ledger, "ExecStart", "command", |node| {
        match since_reset(node).as_slice() {
            [] => Err("it is empty".to_owned()),
            [one] => exec(one, name),
            [..] => {
                Err("several ExecStart: a service here is one process; chain them in a script".to_owned())
            }
        }
    });
    service.command = words.unwrap_or_default();
    let folder = keys.carry(ledger, "WorkingDirectory", "cwd", |node| {
        let path = last(node).to_string();
        let path = path.strip_prefix('-').unwrap_or(&path);
        let home = import.environment.get("HOME").map_or("/", String::as_str);
        specifiers(&path.replace('~', home), name)
    });
    // systemd's default is the root folder.
    service.cwd = folder.map_or_else(|| "/".into(), |folder| Path::new("/").join(folder));
}

fn exec(line: &str, name: &str) -> Result<Vec<String>, String> {
    let line = line.trim_start_matches(['-', ':', '+', '!']);
    if line.starts_with('@') {
        return Err("`@` gives the program another name, which services.toml cannot".into());
    }
    let words = shlex::split(line).ok_or("a quote is open")?;
    words
        .iter()
        .map(|word| references(&specifiers(word, name)?))
        .collect()
}

/// `$NAME` alone, or `${NAME}` anywhere, is a variable to systemd; `$$` a dollar.
fn references(word: &str) -> Result<String, String> {
    let bare = word
        .strip_prefix('$')
        .filter(|name| !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_'));
    match bare {
        Some(name) => Ok(format!("${{{name}}}")),
        None => Ok(word
            .replace("$${", "\u{0}")
            .replace("$$", "$")
            .replace('\u{0}', "$${")),
    }
}

fn specifiers(text: &str, name: &str) -> Result<String, String> {
    let mut expanded = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match (c == '%').then(|| chars.next()) {
            None => expanded.push(c),
            Some(Some('%')) => expanded.push('%'),
            Some(Some('n')) => expanded.push_str(&format!("{name}.service")),
            Some(Some('N' | 'p')) => expanded.push_str(name),
            Some(other) => {
                let other = other.map(String::from).unwrap_or_default();
                return Err(format!("`%{other}` stands for what only systemd knows"));
            }
        }
    }
    Ok(expanded)
}

fn environment(import: &mut Import<'_>, service: &mut Service, keys: &mut Branch, source: &Source) {
    let ledger = &mut import.ledger;
    let files = keys.carry(ledger, "EnvironmentFile", "env", |node| {
        let mut all = Vec::new();
        for file in since_reset(node) {
            let path = source.folder.join(file.strip_prefix('-').unwrap_or(&file));
            all.extend(read::variables(&path)?);
        }
        Ok(all)
    });
    for (name, value) in files.unwrap_or_default() {
        service.set(&name, literal(&value));
    }
    let own = keys.carry(ledger, "Environment", "env", |node| {
        let words: Option<Vec<Vec<String>>> =
            since_reset(node).iter().map(|line| shlex::split(line)).collect();
        words
            .ok_or("a quote is open")?
            .into_iter()
            .flatten()
            .map(|word| {
                word.split_once('=')
                    .map(|(n, v)| (n.to_owned(), v.replace("%%", "%")))
                    .ok_or(format!("`{word}` is not NAME=value"))
            })
            .collect::<Result<Vec<_>, String>>()
    });
    for (name, value) in own.unwrap_or_default() {
        service.set(&name, literal(&value));
    }
}

fn ending(import: &mut Import<'_>, service: &mut Service, keys: &mut Branch) {
    let ledger = &mut import.ledger;
    let asked = keys.peek("Restart").is_some();
    let policy = keys.carry(ledger, "Restart", "restart", |node| {
        match last(node).text().unwrap_or_default() {
            "no" => Ok("never"),
            "always" => Ok("always"),
            "on-failure" => Ok("on-failure"),
            other => Err(format!(
                "`{other}` is none of always, on-failure and never; on-failure is nearest"
            )),
        }
    });
    let fallback = if asked { "on-failure" } else { "never" };
    service.restart = policy.or(service.restart).or(Some(fallback));
    for (key, table, name) in [
        ("TimeoutStopSec", "stop", "timeout"),
        ("TimeoutStartSec", "", "start_timeout"),
    ] {
        let to = if table.is_empty() {
            name.to_owned()
        } else {
            format!("{table}.{name}")
        };
        match keys.carry(ledger, key, &to, |node| match table {
            "" => limit(span(&last(node))),
            _ => span(&last(node)),
        }) {
            Some(time) if table.is_empty() => service.lines.push((name.into(), time)),
            Some(time) => service.put("stop", name, time),
            None => {}
        }
    }
    if let Some(signal) = keys.carry(ledger, "KillSignal", "stop.signal", |node| signal(&last(node))) {
        service.put("stop", "signal", signal);
    }
    keys.carry(
        ledger,
        "KillMode",
        "always so: a stop ends the whole process tree",
        |node| match last(node).text() {
            Some("control-group" | "mixed") => Ok(()),
            _ => Err("a stop always ends the whole process tree".into()),
        },
    );
    start_limit(ledger, service, keys, "StartLimitInterval");
    recovery(ledger, service, keys);
}

/// How often it may fail, within what time.
fn start_limit(ledger: &mut Ledger, service: &mut Service, keys: &mut Branch, interval: &str) {
    let burst = |node: &Node| number(&last(node));
    if let Some(burst) = keys.carry(ledger, "StartLimitBurst", "max_restarts", burst) {
        service.lines.push(("max_restarts".into(), burst.to_string()));
    }
    let window = |node: &Node| span(&last(node));
    if let Some(window) = keys.carry(ledger, interval, "restart_window", window) {
        service.lines.push(("restart_window".into(), window));
    }
}

/// The pauses between tries, and the ends that need none.
fn recovery(ledger: &mut Ledger, service: &mut Service, keys: &mut Branch) {
    let time = |node: &Node| pause(span(&last(node)));
    let first = keys.carry(ledger, "RestartSec", "backoff.min", time);
    match keys.carry(ledger, "RestartMaxDelaySec", "backoff.max", time) {
        Some(most) => {
            service.put("backoff", "max", most);
            if let Some(first) = first {
                service.put("backoff", "min", first);
            }
        }
        None => steady(service, first),
    }
    let restarts_anyway = service.restart == Some("always");
    let good = keys.carry(
        ledger,
        "SuccessExitStatus",
        "success_exit",
        |node| match restarts_anyway {
            true => Err("with Restart=always nobody asks how it ended".to_owned()),
            false => exits(&Node::Text(since_reset(node).join(" "))),
        },
    );
    // 0 always counts there.
    let others = good.iter().flatten().filter(|exit| *exit != "0").cloned();
    let all: Vec<String> = std::iter::once("0".to_owned()).chain(others).collect();
    if good.is_some() {
        service
            .lines
            .push(("success_exit".into(), format!("[{}]", all.join(", "))));
    }
    let last_word = keys.carry(ledger, "RestartPreventExitStatus", "fatal_exit", |node| {
        let fatal = exits(&Node::Text(since_reset(node).join(" ")))?;
        match fatal.iter().find(|exit| all.contains(exit)) {
            Some(exit) => Err(format!(
                "{exit} is a good end, after which nothing is tried again"
            )),
            None => Ok(fatal),
        }
    });
    if let Some(exits) = last_word {
        service
            .lines
            .push(("fatal_exit".into(), format!("[{}]", exits.join(", "))));
    }
}

const OTHER_COMMANDS: &str =
    "a service here is one process: chain it in a script, or make it a service of its own";
const OUTPUT: &str = "output goes to <service>.log in `log_dir`; `sentinel logs` shows it";

const LEFT: [(&str, &str); 14] = [
    ("ExecStartPre", OTHER_COMMANDS),
    ("ExecStartPost", OTHER_COMMANDS),
    ("ExecStop", "a service is stopped by its signal"),
    ("ExecStopPost", OTHER_COMMANDS),
    (
        "ExecReload",
        "`sentinel restart SERVICE` is the way to a new configuration",
    ),
    ("PIDFile", "sentinel watches the process that it starts"),
    (
        "RestartSteps",
        "the pause doubles from `min` to `max` of `backoff`",
    ),
    ("NotifyAccess", "READY=1 counts from any process of the service"),
    ("RemainAfterExit", "a service that ended is EXITED"),
    ("DynamicUser", "make the user, and name it in `user`"),
    ("StandardOutput", OUTPUT),
    ("StandardError", OUTPUT),
    ("SyslogIdentifier", OUTPUT),
    (
        "PassEnvironment",
        "name the variables in `pass_env` of [sentinel]",
    ),
];
