//! PM2's ecosystem file as JSON or YAML: its `apps`.
//!
//! Key by key after PM2's documentation of the ecosystem file and `lib/API/schema.json` of 7.0.

use super::super::draft::{Service, literal, quote, quote_all};
use super::super::ledger::{Branch, Ledger};
use super::super::node::Node;
use super::{Import, Source, exits, limit, milliseconds, number, pairs, pause, rights, span, steady, truth};

pub(super) fn import(import: &mut Import<'_>, source: &Source, mut root: Branch) {
    if let Some(mut apps) = root.enter("apps") {
        for key in apps.keys() {
            if let Some(app) = apps.enter(&key) {
                instances(import, source, app);
            }
        }
        apps.close(&mut import.ledger, "it says nothing");
    }
    root.leave(
        &mut import.ledger,
        "deploy",
        "sentinel supervises; deploying is another tool's job",
    );
    root.close(&mut import.ledger, "PM2 reads `apps` alone from here");
}

fn instances(import: &mut Import<'_>, source: &Source, mut app: Branch) {
    let named = app.carry_text(&mut import.ledger, "name", "the name of the service");
    let script = app.peek("script").map(ToString::to_string).unwrap_or_default();
    let file = script.rsplit('/').next().unwrap_or_default();
    let name = named.unwrap_or_else(|| file.split('.').next().unwrap_or("app").to_owned());
    let count = app.carry(
        &mut import.ledger,
        "instances",
        "one service for each",
        |node| match number(node) {
            Ok(count) if count > 0 => Ok(count),
            _ => Err("PM2 counts the processors; say how many services there shall be".to_owned()),
        },
    );
    let count = count.unwrap_or(1);
    for index in 0..count {
        let called = if count == 1 {
            name.clone()
        } else {
            format!("{name}-{index}")
        };
        let mut service = import.service(&called, source, &format!("app `{name}`"));
        let mut keys = app.clone();
        keys.service = Some(service.name.clone());
        let written = import.ledger.entries.len();
        service.family = (count > 1).then(|| name.clone());
        read(import, &mut service, &mut keys, &script);
        keys.close(&mut import.ledger, "no equivalent");
        if index > 0 {
            import.ledger.entries.truncate(written);
        }
        if count > 1 {
            service.set("NODE_APP_INSTANCE", index.to_string());
            service
                .comments
                .push("instances share no port here: give each its own".into());
        }
        import.draft.services.push(service);
    }
}

fn read(import: &mut Import<'_>, service: &mut Service, keys: &mut Branch, script: &str) {
    let ledger = &mut import.ledger;
    if let Some(cwd) = keys.carry_text(ledger, "cwd", "cwd") {
        service.cwd = service.cwd.join(cwd);
    }
    command(import, service, keys, script);
    let ledger = &mut import.ledger;
    for (name, value) in keys.carry(ledger, "env", "env", pairs).unwrap_or_default() {
        service.set(&name, literal(&value.unwrap_or_default()));
    }
    for key in keys.keys().into_iter().filter(|key| key.starts_with("env_")) {
        keys.leave(
            ledger,
            &key,
            "one environment per house: put what this host needs into `env`",
        );
    }
    if keys.carry(ledger, "autostart", "autostart", truth) == Some(false) {
        service.by_name = Some("autostart: false: started by its name alone".into());
    }
    let respawn = keys
        .carry(ledger, "autorestart", "restart", truth)
        .unwrap_or(true);
    service.restart = Some(if respawn { "always" } else { "never" });
    if let Some(most) = keys.carry(ledger, "max_restarts", "max_restarts", number) {
        service.lines.push(("max_restarts".into(), most.to_string()));
    }
    let time = |node: &Node| milliseconds(node).or_else(|_| span(node));
    if let Some(time) = keys.carry(ledger, "min_uptime", "min_uptime", time) {
        service.lines.push(("min_uptime".into(), time));
    }
    let most = |node: &Node| limit(time(node));
    if let Some(time) = keys.carry(ledger, "listen_timeout", "start_timeout", most) {
        service.lines.push(("start_timeout".into(), time));
    }
    recovery(ledger, service, keys);
    // PM2's own defaults, which differ from sentinel's.
    service.put("stop", "signal", quote("SIGINT"));
    let grace = keys.carry(ledger, "kill_timeout", "stop.timeout", time);
    service.put("stop", "timeout", grace.unwrap_or_else(|| quote("1600ms")));
    keys.carry(
        ledger,
        "treekill",
        "always so: a stop ends the whole process tree",
        |node| match truth(node)? {
            true => Ok(()),
            false => Err("a stop always ends the whole process tree".into()),
        },
    );
    rights::pm2(ledger, service, keys);
    by_change_or_clock(ledger, service, keys);
    for (key, why) in LEFT {
        keys.leave(ledger, key, why);
    }
}

/// What restarts it besides its own end.
fn by_change_or_clock(ledger: &mut Ledger, service: &mut Service, keys: &mut Branch) {
    let cron = keys.carry(ledger, "cron_restart", "a schedule", |node| match node.text() {
        Some(cron) if cron.split_whitespace().count() == 5 => Ok(Some(cron.to_owned())),
        Some("0" | "false") => Ok(None),
        _ => Err("a schedule has five fields: minute hour day-of-month month day-of-week".into()),
    });
    service.cron = cron.flatten();
    let watched = keys.carry(ledger, "watch", "watch", |node| match node {
        Node::List(_) => node
            .texts()
            .ok_or_else(|| "a list of texts was expected".to_owned()),
        _ if truth(node) == Ok(false) => Ok(Vec::new()),
        _ => Err(
            "all files of a folder are too many: name those that count, like `watch = [\"src/**\"]`".into(),
        ),
    });
    let below = |path: String| {
        let path = path.trim_start_matches("./").trim_end_matches('/').to_owned();
        // A folder means all in it.
        let file = path.contains('*') || path.rsplit('/').next().is_some_and(|name| name.contains('.'));
        if file { path } else { format!("{path}/**") }
    };
    let patterns: Vec<String> = watched.unwrap_or_default().into_iter().map(below).collect();
    if !patterns.is_empty() {
        service.lines.push(("watch".into(), quote_all(&patterns)));
    }
}

fn command(import: &mut Import<'_>, service: &mut Service, keys: &mut Branch, script: &str) {
    let ledger = &mut import.ledger;
    let interpreter = ["interpreter", "exec_interpreter"]
        .into_iter()
        .filter_map(|key| keys.carry(ledger, key, "command", something))
        .last()
        .or_else(|| interpreter(script).map(str::to_owned))
        .filter(|interpreter| interpreter != "none");
    let mut words: Vec<String> = interpreter.into_iter().collect();
    for key in ["interpreter_args", "node_args", "interpreterArgs"] {
        words.extend(keys.carry(ledger, key, "command", arguments).unwrap_or_default());
    }
    let text = keys.carry(ledger, "script", "command", something);
    match text {
        // A program in this folder; anything else is looked up in PATH.
        Some(script) if words.is_empty() && !script.contains('/') && service.cwd.join(&script).is_file() => {
            words.push(format!("./{script}"));
        }
        Some(script) if words.is_empty() && script.contains(' ') => {
            words.extend(shlex::split(&script).unwrap_or(vec![script]));
        }
        Some(script) => words.push(script),
        None => service.parked = Some("it has no script".into()),
    }
    for key in ["args", "arguments"] {
        words.extend(keys.carry(ledger, key, "command", arguments).unwrap_or_default());
    }
    service.command = words.iter().map(|word| literal(word)).collect();
}

/// A text that is not empty.
fn something(node: &Node) -> Result<String, String> {
    match super::text(node)?.as_str() {
        "" => Err("it is empty".into()),
        text => Ok(text.to_owned()),
    }
}

fn arguments(node: &Node) -> Result<Vec<String>, String> {
    match node {
        Node::Text(text) => shlex::split(text).ok_or_else(|| "a quote is open".into()),
        other => other
            .texts()
            .ok_or_else(|| "a text or a list of texts was expected".into()),
    }
}

/// What PM2 runs a script with, by its extension.
fn interpreter(script: &str) -> Option<&'static str> {
    let file = script.rsplit('/').next().unwrap_or_default();
    match file.rsplit_once('.')?.1 {
        "js" | "cjs" | "mjs" => Some("node"),
        "ts" | "tsx" => Some("bun"),
        "py" => Some("python3"),
        "sh" => Some("bash"),
        "php" => Some("php"),
        "rb" => Some("ruby"),
        "pl" => Some("perl"),
        _ => None,
    }
}

/// The pauses between tries, and the exit codes that need none.
fn recovery(ledger: &mut Ledger, service: &mut Service, keys: &mut Branch) {
    let time = |node: &Node| pause(milliseconds(node));
    steady(service, keys.carry(ledger, "restart_delay", "backoff", time));
    if let Some(first) = keys.carry(ledger, "exp_backoff_restart_delay", "backoff.min", time) {
        service.put("backoff", "min", first);
        // PM2's own cap.
        service.put("backoff", "max", quote("15s"));
    }
    if let Some(good) = keys.carry(ledger, "stop_exit_codes", "success_exit", exits) {
        let good = format!("[{}]", good.join(", "));
        service.lines.push(("success_exit".into(), good));
    }
}

const LOG: &str = "output goes to <service>.log in `log_dir`; `sentinel logs` shows it";
const WATCH: &str = "`watch` names what counts, and waits until it is still";
const LEFT: [(&str, &str); 14] = [
    (
        "exec_mode",
        "every instance is a process of its own; there is no cluster mode",
    ),
    (
        "wait_ready",
        "say `ready` with a probe, or with a line of the log",
    ),
    ("watch_delay", WATCH),
    ("watch_options", WATCH),
    ("ignore_watch", WATCH),
    ("out_file", LOG),
    ("error_file", LOG),
    ("log_file", LOG),
    ("output", LOG),
    ("error", LOG),
    ("merge_logs", LOG),
    ("combine_logs", LOG),
    ("log_date_format", "every line of a log has its time"),
    (
        "source_map_support",
        "it is an option of node: --enable-source-maps",
    ),
];
