//! The last steps before a draft is written: ports, order, secrets, and variables that nobody has set.

use std::collections::BTreeMap;

use super::draft::{Draft, Service};
use super::{listens, secrets};

/// Finds ports, resolves `after`, moves secrets to the env file, and remarks on all of it.
pub fn settle(draft: &mut Draft, environment: &BTreeMap<String, String>) {
    ports(draft);
    order(draft);
    let mut services = std::mem::take(&mut draft.services);
    for service in &mut services {
        move_secrets(draft, service, environment);
        inline_own(service);
        if service.parked.is_none() {
            ask_for_unset(draft, service, environment);
        }
    }
    draft.services = services;
}

/// Each port once; the first service that names it has it.
fn ports(draft: &mut Draft) {
    let mut assigned: Vec<(u16, String)> = Vec::new();
    for service in &mut draft.services {
        if service.ports.is_empty() {
            service.ports = listens::ports(service);
        }
        if service.parked.is_some() {
            continue;
        }
        let (name, remarks) = (service.name.clone(), &mut draft.remarks);
        service.ports.retain(|(port, found)| {
            let holder = assigned.iter().find(|(known, _)| known == port);
            if let Some((_, holder)) = holder {
                remarks.push(format!(
                    "port {port} ({found}) of {name} is {holder}'s already; a port has one service"
                ));
            }
            holder.is_none()
        });
        assigned.extend(service.ports.iter().map(|(port, _)| (*port, name.clone())));
    }
}

/// Names of the input to names of services; what was not imported cannot be waited for.
fn order(draft: &mut Draft) {
    let names: Vec<(String, String)> = draft
        .services
        .iter()
        .filter(|service| service.parked.is_none())
        .map(|service| (service.called.clone(), service.name.clone()))
        .collect();
    for service in &mut draft.services {
        let mut after: Vec<String> = Vec::new();
        for wanted in std::mem::take(&mut service.after) {
            let replica = |called: &str| {
                called
                    .strip_prefix(&format!("{wanted}-"))
                    .is_some_and(|n| n.parse::<u32>().is_ok())
            };
            let found: Vec<&String> = names
                .iter()
                .filter(|(called, _)| *called == wanted || replica(called))
                .map(|(_, name)| name)
                .collect();
            if found.is_empty() {
                let name = &service.name;
                draft.remarks.push(format!(
                    "{name} starts after `{wanted}`, which is not among the services here"
                ));
            }
            after.extend(found.into_iter().filter(|name| **name != service.name).cloned());
        }
        after.dedup();
        service.after = after;
    }
}

fn move_secrets(draft: &mut Draft, service: &mut Service, environment: &BTreeMap<String, String>) {
    for (name, value) in &mut service.env {
        if secrets::is_secret(name, value) && references(value).is_empty() {
            let variable = keep(draft, &service.name, name, value, environment);
            *value = format!("${{{variable}}}");
        }
    }
    let mut before = String::new();
    for word in service.command.iter_mut().skip(1) {
        let (option, value) = match word.split_once('=') {
            Some((option, value)) if option.starts_with('-') => (option.to_owned(), value.to_owned()),
            _ => (before.clone(), word.clone()),
        };
        before.clone_from(word);
        let said = option.starts_with('-')
            && secrets::named(option.trim_start_matches('-'))
            && !value.starts_with('-');
        let single = !value.contains(char::is_whitespace);
        if (said || secrets::in_text(&value)) && single && !value.is_empty() && references(&value).is_empty()
        {
            let name = option.trim_start_matches('-');
            let name = if name.is_empty() || !option.starts_with('-') {
                "ARGUMENT"
            } else {
                name
            };
            let variable = keep(
                draft,
                &service.name,
                &format!("{}_{name}", service.name),
                &value,
                environment,
            );
            *word = word.replace(&value, &format!("${{{variable}}}"));
        } else if secrets::in_text(word) && references(word).is_empty() {
            draft.remarks.push(format!(
                "the command of {} seems to hold a secret: move it to the env file",
                service.name
            ));
        }
    }
}

/// A text as the name of a variable.
fn upper(text: &str) -> String {
    let legal = |c: char| {
        if c.is_ascii_alphanumeric() {
            c.to_ascii_uppercase()
        } else {
            '_'
        }
    };
    text.chars().map(legal).collect()
}

/// Puts a secret into the env file; the name it has there. The same name with another value gets the service's.
fn keep(
    draft: &mut Draft,
    service: &str,
    name: &str,
    value: &str,
    environment: &BTreeMap<String, String>,
) -> String {
    let value = value.replace("$${", "${");
    let plain = if name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
        name.to_owned()
    } else {
        upper(name)
    };
    let own = format!("{}_{plain}", upper(service));
    let numbered = (2..).map(|n| format!("{own}_{n}"));
    let mut candidates = [plain, own.clone()].into_iter().chain(numbered);
    let fits = |candidate: &String| {
        let kept = draft
            .env_file
            .iter()
            .find(|(known, _)| known == candidate)
            .map(|(_, kept)| kept);
        // The caller's variable would win over the file's in `${NAME}`.
        let elsewhere = environment.get(candidate).is_none_or(|set| *set == value);
        elsewhere
            && kept.is_none_or(|kept| *kept == value)
            && !candidate.starts_with(|c: char| c.is_ascii_digit())
    };
    let variable = candidates.find(fits).unwrap_or(own);
    if !draft.env_file.iter().any(|(known, _)| *known == variable) {
        draft.env_file.push((variable.clone(), value));
    }
    variable
}

/// `${NAME}` in a command means the caller's variable; where the input meant the service's own, its value stands.
fn inline_own(service: &mut Service) {
    for word in &mut service.command {
        for (name, _) in references(word) {
            if let Some((_, value)) = service.env.iter().find(|(own, _)| *own == name) {
                *word = word.replace(&format!("${{{name}}}"), value);
            }
        }
    }
}

/// A variable that is set nowhere gets an empty line in the env file, to be filled in.
fn ask_for_unset(draft: &mut Draft, service: &Service, environment: &BTreeMap<String, String>) {
    let texts = service
        .command
        .iter()
        .chain(service.env.iter().map(|(_, value)| value));
    let tables = service
        .tables
        .iter()
        .flat_map(|(_, keys)| keys)
        .map(|(_, value)| value);
    for (name, has_default) in texts.chain(tables).flat_map(|text| references(text)) {
        let known = has_default || environment.contains_key(&name);
        if known || draft.env_file.iter().any(|(known, _)| *known == name) {
            continue;
        }
        draft.remarks.push(format!(
            "${name} is not set here: fill it in in the env file ({} needs it)",
            service.name
        ));
        draft.env_file.push((name, String::new()));
    }
}

/// The `${NAME}` in a text, and whether each has a default.
fn references(text: &str) -> Vec<(String, bool)> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(start) = rest.find("${") {
        let escaped = rest[..start].ends_with('$');
        let inner = &rest[start + 2..];
        if !escaped && let Some((inside, _)) = inner.split_once('}') {
            let (name, default) = inside
                .split_once(":-")
                .map_or((inside, false), |(name, _)| (name, true));
            found.push((name.to_owned(), default));
        }
        rest = inner;
    }
    found
}
