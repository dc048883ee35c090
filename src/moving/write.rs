//! A settled draft as the text of services.toml, and its env file.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use super::draft::{Draft, Service, quote, quote_all};
use super::ledger::{Entry, Fate, Ledger};

/// What an import writes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// services.toml.
    pub services: String,
    /// The env file, when there is something for it. To be readable by its owner alone.
    pub env_file: Option<String>,
}

/// The files for `folder`, the env file under the name `env_file`.
#[must_use]
pub fn write(draft: &Draft, ledger: &Ledger, folder: &Path, env_file: &str) -> Written {
    let mut text = String::from(
        "# Written by `sentinel import`. `sentinel check` proves it, `sentinel restart` brings it up.\n\n[sentinel]\nlog_dir = \"logs\"\n",
    );
    let variables = !draft.env_file.is_empty();
    if variables {
        let _ = writeln!(
            text,
            "env_file = {:<20}  # secrets; only its owner may read it (mode 0600)",
            quote(env_file)
        );
    }
    for service in &draft.services {
        text.push('\n');
        let body = service_text(service, ledger, folder);
        match &service.parked {
            None => text.push_str(&body),
            Some(why) => text.push_str(&parked(&body, why)),
        }
    }
    Written {
        services: text,
        env_file: variables.then(|| env_text(draft)),
    }
}

/// Where it comes from, and what of that is not in it.
fn remarks(service: &Service, ledger: &Ledger) -> String {
    let mut text = format!("# from {}\n", one_line(&service.origin));
    for comment in &service.comments {
        let _ = writeln!(text, "# {}", one_line(comment));
    }
    for entry in &ledger.entries {
        if let (Some(owner), Fate::Left(why)) = (&entry.service, &entry.fate)
            && *owner == service.name
        {
            let _ = writeln!(
                text,
                "# not carried: {} = {}: {}",
                key_of(entry),
                one_line(&entry.value),
                one_line(why)
            );
        }
    }
    text
}

fn service_text(service: &Service, ledger: &Ledger, folder: &Path) -> String {
    let mut text = remarks(service, ledger);
    let _ = writeln!(text, "[services.{}]", key(&service.name));
    let _ = writeln!(text, "command = {}", quote_all(&service.command));
    // Without the `.` in it.
    let cwd: PathBuf = service.cwd.components().collect();
    if cwd != folder {
        let inside = cwd.strip_prefix(folder).unwrap_or(&cwd);
        let _ = writeln!(text, "cwd = {}", quote(&inside.to_string_lossy()));
    }
    if !service.instances.is_empty() {
        let _ = writeln!(text, "instances = {}", quote_all(&service.instances));
    }
    if !service.ports.is_empty() {
        let mut ports: Vec<String> = service.ports.iter().map(|(port, _)| port.to_string()).collect();
        if let Some(sum) = &service.port_sum {
            ports = vec![sum.clone()];
        }
        let found: Vec<String> = service.ports.iter().map(|(_, found)| one_line(found)).collect();
        let _ = writeln!(
            text,
            "ports = [{}]  # found in: {}",
            ports.join(", "),
            found.join("; ")
        );
    }
    if !service.after.is_empty() {
        let _ = writeln!(text, "after = {}", quote_all(&service.after));
    }
    if let Some(why) = &service.by_name {
        let _ = writeln!(text, "autostart = false  # {}", one_line(why));
    }
    if let Some(restart) = service.restart {
        let _ = writeln!(text, "restart = {}", quote(restart));
    }
    for (name, value) in &service.lines {
        let _ = writeln!(text, "{name} = {value}");
    }
    for (table, keys) in &service.tables {
        let keys: Vec<String> = keys
            .iter()
            .map(|(key, value)| format!("{key} = {value}"))
            .collect();
        let _ = writeln!(text, "{table} = {{ {} }}", keys.join(", "));
    }
    text.push_str(&variables(service));
    text.push_str(&schedule(service));
    text
}

/// What restarts it by the clock: all of its instances.
fn schedule(service: &Service) -> String {
    let Some(cron) = &service.cron else {
        return String::new();
    };
    let all = if service.instances.is_empty() { "" } else { "@*" };
    format!(
        "\n[schedules.{}]\ncron = {}\ndo = {}\n",
        key(&format!("restart-{}", service.name)),
        quote(cron),
        quote(&format!("restart {}{all}", service.name))
    )
}

fn variables(service: &Service) -> String {
    if service.env.is_empty() {
        return String::new();
    }
    let pairs: Vec<String> = service
        .env
        .iter()
        .map(|(name, value)| format!("{} = {}", key(name), quote(value)))
        .collect();
    let one = format!("env = {{ {} }}\n", pairs.join(", "));
    if one.len() <= 100 {
        return one;
    }
    let lines: String = pairs.iter().map(|pair| format!("{pair}\n")).collect();
    format!("\n[services.{}.env]\n{lines}", key(&service.name))
}

fn parked(body: &str, why: &str) -> String {
    let mut text = format!(
        "# Not started by itself, so it is only a comment here: {}.\n",
        one_line(why)
    );
    for line in body.lines() {
        let line = line.strip_prefix("# ").unwrap_or(line);
        let _ = writeln!(text, "#{}{line}", if line.is_empty() { "" } else { " " });
    }
    text
}

fn env_text(draft: &Draft) -> String {
    let mut text = String::from(
        "# Written by `sentinel import`. Every service gets these. Keep it out of version control; mode 0600.\n",
    );
    for (name, value) in &draft.env_file {
        let escaped = value
            .replace('\\', "\\\\")
            .replace('"', "\\\"")
            .replace('\n', "\\n")
            .replace('\t', "\\t");
        let _ = writeln!(text, "{name}=\"{escaped}\"");
    }
    text
}

/// The key and the tables below its service that lead to it.
fn key_of(entry: &Entry) -> String {
    one_line(&entry.path[entry.path.len().saturating_sub(2).min(entry.path.len() - 1)..].join("."))
}

/// A name as a TOML key.
fn key(name: &str) -> String {
    let bare = !name.is_empty()
        && name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
    if bare { name.to_owned() } else { quote(name) }
}

/// A text that cannot end its comment.
fn one_line(text: &str) -> String {
    let line: String = text
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    match line.char_indices().nth(160) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}
