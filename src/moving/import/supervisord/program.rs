//! `[program:x]`: one service for each of its numbers.

use super::super::super::draft::{Service, quote};
use super::super::super::ledger::Branch;
use super::super::{Import, Source, exits, number, rights, seconds, signal, truth};
use crate::service::ServiceName;

use super::environment;
use super::expand::Expansions;
use super::{General, PRIORITY};

pub(super) fn import(
    import: &mut Import<'_>,
    file: &Source,
    name: &str,
    mut section: Branch,
    general: &General,
) {
    let count = section
        .carry(&mut import.ledger, "numprocs", "one service for each", number)
        .unwrap_or(1);
    let first = section.carry(
        &mut import.ledger,
        "numprocs_start",
        "the numbers of the services",
        number,
    );
    let pattern = section.carry_text(&mut import.ledger, "process_name", "the names of the services");
    let pattern = pattern.unwrap_or_else(|| match count {
        0 | 1 => "%(program_name)s".to_owned(),
        _ => "%(program_name)s_%(process_num)02d".to_owned(),
    });
    let declared = general.groups.iter().find(|(program, _)| program == name);
    let group = declared.map_or(name, |(_, group)| group);
    let first = first.unwrap_or(0);
    let numbers = first..first + count;
    for (index, process) in numbers.clone().enumerate() {
        let environment = import.environment;
        let expansions = Expansions::of(file, environment)
            .with("program_name", name)
            .with("group_name", group)
            .with("numprocs", count.to_string())
            .with("process_num", process.to_string());
        let called = expansions
            .now(&pattern)
            .unwrap_or_else(|_| format!("{name}_{process}"));
        let mut service = import.service(&called, file, &format!("[program:{name}]"));
        // Every number reads the same keys; their fates are the same too, and written down once.
        let mut keys = section.clone();
        keys.service = Some(service.name.clone());
        let written = import.ledger.entries.len();
        service.family = (count > 1).then(|| name.to_owned());
        // supervisord makes a group of a program with numbers, too.
        if (declared.is_some() || count > 1) && ServiceName::parse(group).is_ok() {
            service.lines.push(("group".into(), quote(group)));
        }
        read(import, &mut service, &mut keys, &expansions, general);
        keys.close(&mut import.ledger, "supervisord does not know this key either");
        if index > 0 {
            import.ledger.entries.truncate(written);
        }
        import.draft.services.push(service);
    }
    if numbers.is_empty() {
        section.close(&mut import.ledger, "numprocs is 0: supervisord runs none of it");
    }
}

fn read(
    import: &mut Import<'_>,
    service: &mut Service,
    keys: &mut Branch,
    expansions: &Expansions<'_>,
    general: &General,
) {
    let ledger = &mut import.ledger;
    let words = keys.carry(ledger, "command", "command", |node| {
        let text = expansions.template(node.text().unwrap_or_default())?;
        shlex::split(&text)
            .filter(|words| !words.is_empty())
            .ok_or_else(|| "this is not a command: a quote is open".into())
    });
    match words {
        Some(words) => service.command = words,
        None => service.parked = Some("it has no command that can be carried".into()),
    }
    if let Some(cwd) = keys.carry(ledger, "directory", "cwd", |node| {
        expansions.now(node.text().unwrap_or_default())
    }) {
        service.cwd = service.cwd.join(home(&cwd, import.environment));
    }
    for (name, value) in &general.environment {
        service.set(name, value.clone());
    }
    let own = keys.carry(ledger, "environment", "env", |node| {
        environment::parse(node.text().unwrap_or_default(), expansions)
    });
    for (name, value) in own.unwrap_or_default() {
        service.set(&name, value);
    }
    if keys.carry(ledger, "autostart", "autostart", truth) == Some(false) {
        service.by_name = Some("started by its name alone".into());
    }
    restart(import, service, keys);
    stop(import, service, keys);
    rotation(import, service, keys);
    rights::supervisord(&mut import.ledger, service, keys);
    for (key, why) in LEFT {
        keys.leave(&mut import.ledger, key, why);
    }
}

fn restart(import: &mut Import<'_>, service: &mut Service, keys: &mut Branch) {
    let ledger = &mut import.ledger;
    let policy = keys.carry(ledger, "autorestart", "restart", |node| {
        match node.text().unwrap_or_default().to_lowercase().as_str() {
            "unexpected" => Ok("on-failure"),
            _ => truth(node).map(|yes| if yes { "always" } else { "never" }),
        }
    });
    // supervisord's default is `unexpected`.
    service.restart = Some(policy.unwrap_or("on-failure"));
    let good = keys.carry(ledger, "exitcodes", "success_exit", |node| match node.text() {
        Some("0") => Ok(Vec::new()),
        _ if policy.is_some_and(|policy| policy != "on-failure") => {
            Err("autorestart is not `unexpected`, so that nobody asks for exit codes".into())
        }
        _ => exits(node),
    });
    if let Some(good) = good.filter(|good| !good.is_empty()) {
        service
            .lines
            .push(("success_exit".into(), format!("[{}]", good.join(", "))));
    }
    if let Some(time) = keys.carry(ledger, "startsecs", "min_uptime", seconds) {
        service.lines.push(("min_uptime".into(), time));
    }
    if let Some(retries) = keys.carry(ledger, "startretries", "max_restarts", number) {
        service.lines.push(("max_restarts".into(), retries.to_string()));
    }
}

fn stop(import: &mut Import<'_>, service: &mut Service, keys: &mut Branch) {
    let ledger = &mut import.ledger;
    if let Some(signal) = keys.carry(ledger, "stopsignal", "stop.signal", signal) {
        service.put("stop", "signal", signal);
    }
    if let Some(time) = keys.carry(ledger, "stopwaitsecs", "stop.timeout", seconds) {
        service.put("stop", "timeout", time);
    }
    for key in ["stopasgroup", "killasgroup"] {
        keys.carry(
            ledger,
            key,
            "always so: a stop ends the whole process tree",
            |node| match truth(node)? {
                true => Ok(()),
                false => Err("a stop always ends the whole process tree".into()),
            },
        );
    }
    keys.carry(
        ledger,
        "redirect_stderr",
        "always so: both streams go to one log",
        |node| match truth(node)? {
            true => Ok(()),
            false => Err("both streams go to one log; `sentinel logs --errors` shows stderr alone".into()),
        },
    );
}

/// When its log is rotated, and how many old ones are kept.
fn rotation(import: &mut Import<'_>, service: &mut Service, keys: &mut Branch) {
    let ledger = &mut import.ledger;
    let size = keys.carry(ledger, "stdout_logfile_maxbytes", "log.max_size", |node| {
        bytes(node.text().unwrap_or_default())
    });
    if let Some(size) = size {
        service.put("log", "max_size", size);
    }
    let keep = keys.carry(ledger, "stdout_logfile_backups", "log.keep", number);
    if let Some(keep) = keep {
        service.put("log", "keep", keep.to_string());
    }
}

/// supervisord's `50MB`, whose units are powers of 1024, as sentinel's `"50MiB"`.
fn bytes(text: &str) -> Result<String, String> {
    let upper = text.trim().to_uppercase();
    let digits = upper.trim_end_matches(|c: char| !c.is_ascii_digit());
    let unit = match &upper[digits.len()..] {
        "" => "",
        "KB" => "KiB",
        "MB" => "MiB",
        "GB" => "GiB",
        _ => return Err(format!("`{text}` is no size")),
    };
    match digits.parse::<u64>() {
        Ok(1..4096) if unit.is_empty() => Err("a log is rotated at 4 KiB or more".into()),
        Ok(0) => Err("0 means that it is never rotated; here every log has an end".into()),
        Ok(number) => Ok(quote(&format!(
            "{number}{}",
            if unit.is_empty() { "B" } else { unit }
        ))),
        Err(_) => Err(format!("`{text}` is no size")),
    }
}

/// `~` at the beginning of a path.
fn home(path: &str, environment: &std::collections::BTreeMap<String, String>) -> String {
    match (path.strip_prefix('~'), environment.get("HOME")) {
        (Some(rest), Some(home)) if rest.is_empty() || rest.starts_with('/') => format!("{home}{rest}"),
        _ => path.to_owned(),
    }
}

const LOG: &str = "output goes to <service>.log in `log_dir`; `sentinel logs` shows it";

const BOTH: &str = "both streams go to one log, which is rotated as stdout's was";

const LEFT: [(&str, &str); 12] = [
    ("priority", PRIORITY),
    ("serverurl", "services do not talk to sentinel over XML-RPC"),
    ("stdout_logfile", LOG),
    ("stderr_logfile", LOG),
    ("stderr_logfile_maxbytes", BOTH),
    ("stderr_logfile_backups", BOTH),
    (
        "stdout_capture_maxbytes",
        "there are no process communication events",
    ),
    (
        "stderr_capture_maxbytes",
        "there are no process communication events",
    ),
    ("stdout_events_enabled", "there are no log events"),
    ("stderr_events_enabled", "there are no log events"),
    ("stdout_syslog", "not carried over: logs do not go to syslog"),
    ("stderr_syslog", "not carried over: logs do not go to syslog"),
];
