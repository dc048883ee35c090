//! Procfile, as foreman, honcho, overmind and Heroku read it, with the `.env` beside it.

use std::collections::BTreeMap;

use super::super::draft::Service;
use super::super::ledger::Fate;
use super::shell::command_line;
use super::{Import, Source, Unreadable, read};

/// What foreman gives the first process type as PORT, and the step to the next.
const FIRST_PORT: u16 = 5000;
const STEP: u16 = 100;

pub(super) fn import(import: &mut Import<'_>, source: &Source) -> Result<(), Unreadable> {
    let variables = environment(import, source);
    let base = variables
        .get("PORT")
        .and_then(|port| port.parse().ok())
        .unwrap_or(FIRST_PORT);
    let mut index = 0;
    for (number, line) in source.text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let entry = line
            .split_once(':')
            .map(|(name, command)| (name.trim(), command.trim()));
        let Some((name, command)) = entry.filter(|(name, command)| legal(name) && !command.is_empty()) else {
            let why = "this line is not `name: command`, and foreman skips it too".to_owned();
            import.record(source, &[&format!("line {}", number + 1)], line, Fate::Left(why));
            continue;
        };
        let port = base.saturating_add(STEP.saturating_mul(index));
        process(import, source, (name, command), port);
        index += 1;
    }
    Ok(())
}

fn legal(name: &str) -> bool {
    !name.is_empty()
        && name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "_-".contains(c))
}

fn process(import: &mut Import<'_>, source: &Source, (name, command): (&str, &str), port: u16) {
    let mut service = import.service(name, source, &format!("`{name}`"));
    let number = port.to_string();
    let wants_port = command.contains("$PORT") || command.contains("${PORT}");
    let told = command
        .replace("${PORT:-5000}", &number)
        .replace("${PORT}", &number)
        .replace("$PORT", &number);
    let line = command_line(&told, "sh");
    service.command = line.words;
    service.env = line.env;
    // As foreman does: every process type has a PORT of its own, whether it listens or not.
    service.set("PORT", number);
    if wants_port {
        service.ports.push((port, "$PORT".into()));
    } else {
        service.comments.push(format!(
            "PORT={port} is what foreman would give it; it does not name $PORT"
        ));
    }
    park(&mut service, name);
    let to = format!("[services.{}] command", service.name);
    import.record(source, &[name], command, Fate::Carried(to));
    import.draft.services.push(service);
}

fn park(service: &mut Service, name: &str) {
    if name == "release" {
        service.restart = Some("never");
        service.parked = Some("Heroku runs `release` once per deployment, not as a service".into());
    }
}

/// The `.env` beside the Procfile, for all; sentinel's env file takes it whole.
fn environment(import: &mut Import<'_>, source: &Source) -> BTreeMap<String, String> {
    let file = source.folder.join(".env");
    if !file.is_file() {
        return BTreeMap::new();
    }
    match read::variables(&file) {
        Ok(variables) => {
            for (name, value) in &variables {
                if name == "PORT" {
                    let why = Fate::Carried("PORT of the first service, and counted up from there".into());
                    import.record(source, &[".env", name], value, why);
                    continue;
                }
                let fate = Fate::Carried("the env file, for every service".into());
                import.record(source, &[".env", name], "(not shown)", fate);
                import.draft.env_file.retain(|(known, _)| known != name);
                import.draft.env_file.push((name.clone(), value.clone()));
            }
            variables
        }
        Err(why) => {
            import.record(source, &[".env"], "", Fate::Left(why));
            BTreeMap::new()
        }
    }
}
