//! The variables that services get, and the ones that `${NAME}` stands for.

use std::collections::BTreeMap;

/// Names and values of variables.
pub type Environment = BTreeMap<String, String>;

/// What every service inherits from the caller: what a program needs to find its way, and no secret.
pub const MINIMUM: [&str; 9] = [
    "PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LC_*", "TZ", "TMPDIR",
];

/// What whoever started sentinel said to sentinel alone: a service that got it would speak in its name.
const OURS: [&str; 7] = [
    "NOTIFY_SOCKET",
    "WATCHDOG_PID",
    "WATCHDOG_USEC",
    "LISTEN_PID",
    "LISTEN_FDS",
    "LISTEN_FDNAMES",
    "SYSTEMD_EXEC_PID",
];

/// The caller's environment; variables that are not UTF-8, or not for services, are left out.
#[must_use]
pub fn environment() -> Environment {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .filter(|(name, _)| !OURS.contains(&name.as_str()))
        .collect()
}

/// Where `${NAME}` is looked up.
pub(super) struct Variables<'e> {
    pub(super) caller: &'e Environment,
    pub(super) env_file: Environment,
}

/// A reference that stands for nothing.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unexpandable<'t> {
    /// The reference as written.
    pub(super) part: &'t str,
    pub(super) message: String,
    pub(super) help: String,
}

impl Variables<'_> {
    /// What every service gets: the minimum, the env file, and over it what `pass_env` names.
    pub(super) fn inherited(&self, pass_env: &[&str]) -> Environment {
        let of_caller = |patterns: &[&str]| {
            let wanted = |name: &str| patterns.iter().any(|pattern| matches(pattern, name));
            let pairs = self.caller.iter().filter(|(name, _)| wanted(name));
            pairs
                .map(|(name, value)| (name.clone(), value.clone()))
                .collect::<Vec<_>>()
        };
        let mut environment: Environment = of_caller(&MINIMUM).into_iter().collect();
        environment.extend(self.env_file.clone());
        environment.extend(of_caller(pass_env));
        environment
    }

    /// Replaces `${NAME}` and `${NAME:-default}`; the default also stands for an empty value, as in a shell.
    /// `$${` is a literal `${`; any other `$` is left alone.
    pub(super) fn expand<'t>(&self, text: &'t str) -> Result<String, Unexpandable<'t>> {
        let mut expanded = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(start) = rest.find("${") {
            if let Some(before) = rest[..start].strip_suffix('$') {
                expanded.push_str(before);
                expanded.push_str("${");
                rest = &rest[start + 2..];
                continue;
            }
            expanded.push_str(&rest[..start]);
            let end = rest[start..]
                .find('}')
                .map_or(rest.len(), |length| start + length + 1);
            expanded.push_str(self.value(&rest[start..end])?);
            rest = &rest[end..];
        }
        expanded.push_str(rest);
        Ok(expanded)
    }

    /// What `${…}` stands for.
    fn value<'s, 't: 's>(&'s self, part: &'t str) -> Result<&'s str, Unexpandable<'t>> {
        let wrong = |message: String, help: String| Err(Unexpandable { part, message, help });
        let Some(inner) = part.strip_suffix('}').and_then(|part| part.strip_prefix("${")) else {
            return wrong(
                "`${` is never closed".into(),
                "close it with `}`, or write `$${` for a literal `${`".into(),
            );
        };
        let (name, default) = match inner.split_once(":-") {
            Some((name, default)) => (name, Some(default)),
            None => (inner, None),
        };
        if !is_name(name) || default.is_some_and(|default| default.contains("${")) {
            let help = "write ${NAME} or ${NAME:-default}, or `$${` for a literal `${`";
            return wrong("`${…}` does not hold the name of a variable".into(), help.into());
        }
        let value = self
            .caller
            .get(name)
            .or_else(|| self.env_file.get(name))
            .map(String::as_str);
        match (
            value.filter(|value| !value.is_empty() || default.is_none()),
            default,
        ) {
            (Some(value), _) | (None, Some(value)) => Ok(value),
            (None, None) => wrong(
                format!("the variable {name} is not set"),
                format!("set it in the environment or in env_file, or give a default: ${{{name}:-default}}"),
            ),
        }
    }
}

/// Whether a shell would take it as the name of a variable.
pub(super) fn is_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// Whether a pattern of `pass_env`, `NAME` or `NAME_*`, names this variable.
fn matches(pattern: &str, name: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(beginning) => name.starts_with(beginning),
        None => name == pattern,
    }
}
