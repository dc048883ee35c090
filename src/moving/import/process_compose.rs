//! process-compose: its `processes`.
//!
//! Key by key after process-compose's documentation, v1.122.

use super::super::draft::{Service, literal, quote, quote_all};
use super::super::ledger::Branch;
use super::super::node::Node;
use super::shell::command_line;
use crate::service::ServiceName;

use super::{Import, Source, number, pairs, pause, read, seconds, signal, steady, text, truth};

type Variables = Vec<(String, String)>;

pub(super) fn import(import: &mut Import<'_>, source: &Source, mut root: Branch) {
    let general = variables(import, &mut root, source);
    let shell = root.enter("shell").and_then(|mut shell| {
        let command = shell.carry(&mut import.ledger, "shell_command", "command", text);
        shell.close(&mut import.ledger, "a script is given to the shell with -c");
        command
    });
    let shell = shell.unwrap_or_else(|| "bash".into());
    if let Some(mut processes) = root.enter("processes") {
        for name in processes.keys() {
            if let Some(keys) = processes.enter(&name) {
                replicas(import, source, &name, keys, (&shell, &general));
            }
        }
        processes.close(&mut import.ledger, "it says nothing");
    }
    root.leave(
        &mut import.ledger,
        "version",
        "it tells process-compose how to read this file",
    );
    root.close(&mut import.ledger, "it is about process-compose itself");
}

fn replicas(
    import: &mut Import<'_>,
    source: &Source,
    name: &str,
    mut keys: Branch,
    general: (&str, &Variables),
) {
    let count = keys
        .carry(&mut import.ledger, "replicas", "one service for each", number)
        .unwrap_or(1)
        .max(1);
    for index in 0..count {
        let called = if count == 1 {
            name.to_owned()
        } else {
            format!("{name}-{index}")
        };
        let mut service = import.service(&called, source, &format!("process `{name}`"));
        let mut keys = keys.clone();
        keys.service = Some(service.name.clone());
        let written = import.ledger.entries.len();
        service.family = (count > 1).then(|| name.to_owned());
        process(import, &mut service, &mut keys, source, general);
        if count > 1 {
            service.set("PC_REPLICA_NUM", index.to_string());
        }
        keys.close(&mut import.ledger, "no equivalent");
        if index > 0 {
            import.ledger.entries.truncate(written);
        }
        import.draft.services.push(service);
    }
}

fn process(
    import: &mut Import<'_>,
    service: &mut Service,
    keys: &mut Branch,
    source: &Source,
    (shell, general): (&str, &Variables),
) {
    command(import, service, keys, shell);
    if let Some(cwd) = keys.carry_text(&mut import.ledger, "working_dir", "cwd") {
        service.cwd = service.cwd.join(cwd);
    }
    let own = variables(import, keys, source);
    for (name, value) in general.iter().chain(&own) {
        service.set(name, value.clone());
    }
    let ledger = &mut import.ledger;
    service
        .comments
        .extend(keys.carry(ledger, "description", "a comment", text));
    if keys.carry(ledger, "disabled", "autostart", truth) == Some(true) {
        service.by_name = Some("disabled: started by its name alone".into());
    }
    by_the_clock(import, service, keys);
    let ledger = &mut import.ledger;
    let group = keys.carry(ledger, "namespace", "group", |node| match node.text() {
        Some(name) if ServiceName::parse(name).is_ok() => Ok(quote(name)),
        _ => Err("a group has a name of letters, digits and _ - .".to_owned()),
    });
    service.lines.extend(group.map(|name| ("group".to_owned(), name)));
    let after = keys.carry(
        ledger,
        "depends_on",
        "after: each ready, whatever the condition",
        |node| match node {
            Node::Table(entries) => Ok(entries.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>()),
            other => other.texts().ok_or_else(|| "a table was expected".into()),
        },
    );
    service.after = after.unwrap_or_default();
    let line = keys.carry(ledger, "ready_log_line", "ready.log", text);
    if let Some(line) = line {
        service.put("ready", "log", quote(&regex_of(&line)));
    }
    availability(import, service, keys);
    if let Some(probe) = keys.enter("readiness_probe") {
        self::probe(import, service, probe, "ready");
    }
    if let Some(probe) = keys.enter("liveness_probe") {
        self::probe(import, service, probe, "health");
    }
    for (key, why) in LEFT {
        keys.leave(&mut import.ledger, key, why);
    }
}

/// A process that is begun by the clock alone.
fn by_the_clock(import: &mut Import<'_>, service: &mut Service, keys: &mut Branch) {
    let Some(mut schedule) = keys.enter("schedule") else {
        return;
    };
    let cron = schedule.carry(&mut import.ledger, "cron", "a schedule", |node| {
        match node.text() {
            Some(cron) if cron.split_whitespace().count() == 5 => Ok(cron.to_owned()),
            _ => Err("a schedule has five fields: minute hour day-of-month month day-of-week".to_owned()),
        }
    });
    if cron.is_some() {
        service.by_name = Some("started by its schedule, below".into());
        service.cron = cron;
    }
    schedule.close(
        &mut import.ledger,
        "[schedules.NAME] has `cron`, `timezone`, `missed` and `spread`: see `sentinel schema --markdown`",
    );
}

fn command(import: &mut Import<'_>, service: &mut Service, keys: &mut Branch, shell: &str) {
    let ledger = &mut import.ledger;
    let whole = keys.carry(ledger, "command", "command", text);
    let words = keys.carry(ledger, "entrypoint", "command", |node| {
        let words = node.texts().ok_or("a list was expected")?;
        match words.first().is_none_or(String::is_empty) {
            true => Err("it is empty".to_owned()),
            false => Ok(words),
        }
    });
    match (words, whole) {
        (Some(words), _) => service.command = words.iter().map(|word| literal(word)).collect(),
        (None, Some(whole)) => {
            let line = command_line(&whole, shell);
            service.command = line.words;
            service.env = line.env;
        }
        (None, None) => service.parked = Some("it has no command".into()),
    }
}

fn variables(import: &mut Import<'_>, keys: &mut Branch, source: &Source) -> Variables {
    let ledger = &mut import.ledger;
    let files = keys.carry(ledger, "env_file", "env", |node| {
        let mut all = Variables::new();
        for file in node.texts().ok_or("a list of files was expected")? {
            all.extend(read::variables(&source.folder.join(file))?);
        }
        Ok(all)
    });
    let own = keys
        .carry(ledger, "environment", "env", pairs)
        .unwrap_or_default();
    let own = own
        .into_iter()
        .map(|(name, value)| (name, value.unwrap_or_default()));
    let all = files.unwrap_or_default().into_iter().chain(own);
    all.map(|(name, value)| (name, literal(&value))).collect()
}

fn availability(import: &mut Import<'_>, service: &mut Service, keys: &mut Branch) {
    let ledger = &mut import.ledger;
    // process-compose's default is `no`.
    service.restart = Some("never");
    if let Some(mut keys) = keys.enter("availability") {
        let policy = keys.carry(ledger, "restart", "restart", |node| {
            match node.text().unwrap_or_default() {
                "always" => Ok("always"),
                "on_failure" => Ok("on-failure"),
                "no" | "false" => Ok("never"),
                other => Err(format!(
                    "`{other}` ends everything with this process; here others run on"
                )),
            }
        });
        service.restart = policy.or(service.restart);
        let most = keys.carry(ledger, "max_restarts", "max_restarts", |node| {
            match number(node)? {
                0 => Err("0 means no limit there; sentinel gives up after 5 failed runs in a row".to_owned()),
                most => Ok(most),
            }
        });
        service
            .lines
            .extend(most.map(|most| ("max_restarts".into(), most.to_string())));
        let wait = keys.carry(ledger, "backoff_seconds", "backoff", |node| pause(seconds(node)));
        steady(service, wait);
        keys.close(ledger, "no equivalent");
    }
    if let Some(mut keys) = keys.enter("shutdown") {
        if let Some(signal) = keys.carry(ledger, "signal", "stop.signal", signal) {
            service.put("stop", "signal", signal);
        }
        if let Some(time) = keys.carry(ledger, "timeout_seconds", "stop.timeout", seconds) {
            service.put("stop", "timeout", time);
        }
        keys.leave(ledger, "command", "a service is stopped by its signal");
        keys.close(ledger, "a stop always ends the whole process tree");
    }
}

/// A probe as `ready` or `health`. Its clock is carried for `health`, which alone has one.
fn probe(import: &mut Import<'_>, service: &mut Service, mut keys: Branch, table: &'static str) {
    let ledger = &mut import.ledger;
    if let Some(mut exec) = keys.enter("exec") {
        let words = exec.carry(ledger, "command", &format!("{table}.exec"), text);
        if let Some(words) = words {
            service.put(table, "exec", quote_all(&command_line(&words, "sh").words));
        }
        exec.close(ledger, "a probe runs in the folder of its service");
    }
    if let Some(http) = keys.enter("http_get") {
        http_get(import, service, http, table);
    }
    let ledger = &mut import.ledger;
    if table == "health" {
        for (key, name) in [("period_seconds", "every"), ("timeout_seconds", "timeout")] {
            if let Some(time) = keys.carry(ledger, key, &format!("health.{name}"), seconds) {
                service.put(table, name, time);
            }
        }
        if let Some(times) = keys.carry(ledger, "failure_threshold", "health.failures", number) {
            service.put(table, "failures", times.max(1).to_string());
        }
    }
    keys.close(
        ledger,
        "no equivalent: a start is probed until it is ready or `start_timeout` is over, a run from then on",
    );
}

fn http_get(import: &mut Import<'_>, service: &mut Service, mut keys: Branch, table: &'static str) {
    let ledger = &mut import.ledger;
    let scheme = keys
        .peek("scheme")
        .map_or_else(|| "http".to_owned(), ToString::to_string);
    if !scheme.eq_ignore_ascii_case("http") {
        let why = format!("the probe asks over {scheme}, and probes here speak plain http");
        return keys.close(ledger, &why);
    }
    let to = format!("{table}.http");
    let mut part = |key: &str, usual: &str| {
        keys.carry(ledger, key, &to, text)
            .unwrap_or_else(|| usual.to_owned())
    };
    let (host, port, path, _) = (
        part("host", "127.0.0.1"),
        part("port", ""),
        part("path", "/"),
        part("scheme", "http"),
    );
    let port = if port.is_empty() { port } else { format!(":{port}") };
    let url = format!("http://{host}{port}/{}", path.trim_start_matches('/'));
    service.put(table, "http", quote(&literal(&url)));
    if let Some(status) = keys.carry(ledger, "status_code", &format!("{table}.status"), number) {
        service.put(table, "status", status.to_string());
    }
    keys.close(ledger, "a probe is a plain GET");
}

/// process-compose looks for the line as it stands.
fn regex_of(line: &str) -> String {
    line.chars()
        .flat_map(|c| {
            if r"\.+*?()|[]{}^$".contains(c) {
                vec!['\\', c]
            } else {
                vec![c]
            }
        })
        .collect()
}

const LOG: &str = "output goes to <service>.log in `log_dir`; `sentinel logs` shows it";
const LEFT: [(&str, &str); 6] = [
    ("log_location", LOG),
    ("log_configuration", LOG),
    ("disable_ansi_colors", LOG),
    (
        "is_daemon",
        "sentinel watches the process that it starts: tell the program to stay in the foreground",
    ),
    ("is_foreground", "a service has no terminal"),
    ("is_tty", "a service has no terminal"),
];
