//! docker-compose: what a service says about its process. What it says about its container has no equivalent.
//!
//! Key by key after the Compose Specification.

use super::super::draft::{Service, quote_all};
use super::super::ledger::Branch;
use super::super::node::Node;
use super::{Import, Source, number, pairs, read, rights, signal, span, truth};

pub(super) fn import(import: &mut Import<'_>, source: &Source, mut root: Branch) {
    if let Some(mut services) = root.enter("services") {
        for name in services.keys() {
            if let Some(keys) = services.enter(&name) {
                service(import, source, &name, keys);
            }
        }
        services.close(&mut import.ledger, "it says nothing");
    }
    root.leave(
        &mut import.ledger,
        "version",
        "it tells compose how to read this file",
    );
    root.leave(&mut import.ledger, "name", "a house is known by its folder");
    root.close(&mut import.ledger, CONTAINER);
}

const CONTAINER: &str = "it is about containers; sentinel runs processes of this host";

fn service(import: &mut Import<'_>, source: &Source, name: &str, mut keys: Branch) {
    let mut service = import.service(name, source, &format!("service `{name}`"));
    keys.service = Some(service.name.clone());
    command(import, &mut service, &mut keys);
    environment(import, &mut service, &mut keys, source);
    ports(import, &mut service, &mut keys);
    let ledger = &mut import.ledger;
    let after = keys.carry(ledger, "depends_on", "after", |node| match node {
        Node::Table(entries) => Ok(entries.iter().map(|(name, _)| name.clone()).collect()),
        other => other
            .texts()
            .ok_or_else(|| "a list of services was expected".to_owned()),
    });
    service.after = after.unwrap_or_default();
    let policy = keys.carry(ledger, "restart", "restart", |node| {
        let text = node.text().unwrap_or_default();
        match text.split_once(':').unwrap_or((text, "")) {
            ("always" | "unless-stopped", _) => Ok(("always", None)),
            ("no" | "false", _) => Ok(("never", None)),
            ("on-failure", "") => Ok(("on-failure", None)),
            ("on-failure", most) => Ok(("on-failure", Some(number(&Node::Text(most.into()))?))),
            _ => Err(format!("`{text}` is no policy that compose knows")),
        }
    });
    // compose's default is `no`.
    let (policy, most) = policy.unwrap_or(("never", None));
    service.restart = Some(policy);
    service
        .lines
        .extend(most.map(|most| ("max_restarts".into(), most.to_string())));
    if let Some(signal) = keys.carry(ledger, "stop_signal", "stop.signal", signal) {
        service.put("stop", "signal", signal);
    }
    if let Some(time) = keys.carry(ledger, "stop_grace_period", "stop.timeout", span) {
        service.put("stop", "timeout", time);
    }
    if let Some(check) = keys.enter("healthcheck") {
        health(import, &mut service, check);
    }
    let profiles = keys.carry(&mut import.ledger, "profiles", "autostart", |node| {
        node.texts()
            .ok_or_else(|| "a list of names was expected".to_owned())
    });
    if let Some(profiles) = profiles.filter(|profiles| !profiles.is_empty()) {
        service.by_name = Some(format!(
            "of the profile {}: started by its name alone",
            profiles.join(", ")
        ));
    }
    rights::compose(&mut import.ledger, &mut service, &mut keys);
    keys.leave(
        &mut import.ledger,
        "user",
        "it is a user of the image: name one of this host in `user`",
    );
    keys.close(&mut import.ledger, CONTAINER);
    import.draft.services.push(service);
}

/// `entrypoint` and `command` together. An image alone says nothing about what it runs.
fn command(import: &mut Import<'_>, service: &mut Service, keys: &mut Branch) {
    let mut words = Vec::new();
    for key in ["entrypoint", "command"] {
        let said = keys.carry(&mut import.ledger, key, "command", |node| {
            let parts = match node {
                Node::Text(text) => shlex::split(text).ok_or("a quote is open")?,
                other => other.texts().ok_or("a text or a list of texts was expected")?,
            };
            parts
                .iter()
                .map(|part| interpolate(part))
                .collect::<Result<Vec<_>, _>>()
        });
        words.extend(said.unwrap_or_default());
    }
    if words.is_empty() {
        service.parked =
            Some("it names an image and no command; write the command that runs on this host".into());
        words.push("true".into());
    } else {
        service
            .comments
            .push("it ran in a container: check its command, paths and addresses for this host".into());
    }
    service.command = words;
    keys.leave(
        &mut import.ledger,
        "working_dir",
        "it is a folder inside the image",
    );
}

fn environment(import: &mut Import<'_>, service: &mut Service, keys: &mut Branch, source: &Source) {
    let ledger = &mut import.ledger;
    let files = keys.carry(ledger, "env_file", "env", |node| {
        let files = node.texts().ok_or("only plain names of files are carried")?;
        let mut all = Vec::new();
        for file in files {
            all.extend(read::variables(&source.folder.join(file))?);
        }
        Ok(all)
    });
    for (name, value) in files.unwrap_or_default() {
        service.set(&name, super::super::draft::literal(&value));
    }
    let own = keys.carry(ledger, "environment", "env", |node| {
        let pairs = pairs(node)?;
        let pair = |(name, value): (String, Option<String>)| {
            let value = match value {
                Some(value) => interpolate(&value)?,
                // `NAME` without a value: the caller's.
                None => format!("${{{name}}}"),
            };
            Ok((name, value))
        };
        pairs.into_iter().map(pair).collect::<Result<Vec<_>, String>>()
    });
    for (name, value) in own.unwrap_or_default() {
        service.set(&name, value);
    }
}

/// Outside a container, a process listens on what was the container's port.
fn ports(import: &mut Import<'_>, service: &mut Service, keys: &mut Branch) {
    let found = keys.carry(
        &mut import.ledger,
        "ports",
        "ports: the one inside the container",
        |node| {
            let Node::List(items) = node else {
                return Err("a list was expected".to_owned());
            };
            items.iter().map(target).collect::<Result<Vec<_>, _>>()
        },
    );
    service.ports = found.unwrap_or_default();
}

fn target(item: &Node) -> Result<(u16, String), String> {
    let (text, shown) = match item {
        Node::Table(entries) => {
            let target = entries
                .iter()
                .find(|(key, _)| key == "target")
                .map(|(_, node)| node.to_string());
            (target.unwrap_or_default(), item.to_string())
        }
        other => (other.to_string(), other.to_string()),
    };
    let plain = text.strip_suffix("/tcp").unwrap_or(&text);
    let last = plain.rsplit(':').next().unwrap_or_default();
    let port = last
        .parse()
        .map_err(|_| format!("`{shown}` is not one TCP port"))?;
    Ok((port, format!("ports: {shown}")))
}

fn health(import: &mut Import<'_>, service: &mut Service, mut check: Branch) {
    let ledger = &mut import.ledger;
    let disabled = check.carry(ledger, "disable", "no `health`", truth) == Some(true);
    let words = check.carry(ledger, "test", "health.exec", |node| {
        let texts = node.texts().ok_or("a text or a list was expected")?;
        let parts = texts
            .iter()
            .map(|text| interpolate(text))
            .collect::<Result<Vec<_>, _>>()?;
        match (node, parts.as_slice()) {
            (Node::Text(_), [script]) => Ok(Some(shell(script))),
            (_, [none]) if none == "NONE" => Ok(None),
            (_, [kind, script]) if kind == "CMD-SHELL" => Ok(Some(shell(script))),
            (_, [kind, words @ ..]) if kind == "CMD" && !words.is_empty() => Ok(Some(words.to_vec())),
            _ => Err("it is none of NONE, CMD and CMD-SHELL".to_owned()),
        }
    });
    let Some(words) = words.flatten().filter(|_| !disabled) else {
        return check.close(ledger, "there is no test for it to say something about");
    };
    service.put("health", "exec", quote_all(&words));
    for (key, name) in [("interval", "every"), ("timeout", "timeout")] {
        if let Some(time) = check.carry(ledger, key, &format!("health.{name}"), span) {
            service.put("health", name, time);
        }
    }
    if let Some(times) = check.carry(ledger, "retries", "health.failures", number) {
        service.put("health", "failures", times.max(1).to_string());
    }
    check.close(ledger, "a service is asked about its health once it is ready");
}

fn shell(script: &str) -> Vec<String> {
    vec!["sh".into(), "-c".into(), script.to_owned()]
}

/// compose's `$NAME`, `${NAME}`, `${NAME:-default}`, `$$` as services.toml has them.
pub(super) fn interpolate(text: &str) -> Result<String, String> {
    let mut made = String::new();
    let mut rest = text;
    while let Some(start) = rest.find('$') {
        made.push_str(&rest[..start]);
        let after = &rest[start + 1..];
        if let Some(more) = after.strip_prefix('$') {
            made.push_str(if more.starts_with('{') { "$$" } else { "$" });
            rest = more;
        } else if let Some(inner) = after.strip_prefix('{') {
            let (inside, more) = inner
                .split_once('}')
                .ok_or_else(|| format!("`{text}` has an open ${{"))?;
            made.push_str(&braced(inside)?);
            rest = more;
        } else {
            let end = after
                .find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
                .unwrap_or(after.len());
            made.push_str(&if end == 0 {
                "$".to_owned()
            } else {
                format!("${{{}}}", &after[..end])
            });
            rest = &after[end..];
        }
    }
    made.push_str(rest);
    Ok(made)
}

fn braced(inside: &str) -> Result<String, String> {
    let end = inside
        .find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
        .unwrap_or(inside.len());
    let (name, operator) = inside.split_at(end);
    let operator = operator.strip_prefix(':').unwrap_or(operator);
    match operator.chars().next() {
        None => Ok(format!("${{{name}}}")),
        Some('?') => Ok(format!("${{{name}}}")),
        Some('-') if !operator.contains('$') => Ok(format!("${{{name}:-{}}}", &operator[1..])),
        _ => Err(format!("`${{{inside}}}` is more than services.toml can say")),
    }
}

#[cfg(test)]
mod tests {
    use super::interpolate;

    #[test]
    fn variables_are_written_as_services_toml_has_them() {
        for (compose, toml) in [
            ("a$B c", "a${B} c"),
            ("${B}", "${B}"),
            ("${B:-x}", "${B:-x}"),
            ("${B-x}", "${B:-x}"),
            ("${B:?must}", "${B}"),
            ("cost $$5", "cost $5"),
            ("$${B}", "$${B}"),
            ("100$", "100$"),
        ] {
            assert_eq!(interpolate(compose).as_deref(), Ok(toml), "{compose}");
        }
        assert!(interpolate("${B:+x}").is_err());
        assert!(interpolate("${B:-${C}}").is_err());
    }
}
