//! Which of a house's values are secrets: those of the env file, those under names that say so, and
//! passwords inside urls, options and messages.

use super::variables::{Environment, MINIMUM};
use crate::redact::{Redactor, named};
use crate::service::{Health, Probe, Ready, Spec};
use serde_json::Value;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::Arc;

/// The shortest value of the env file, in characters, that counts without a telling name.
const SHORTEST: usize = 6;

/// Ordinary values of env files that would blot out too much.
const ORDINARY: [&str; 7] = [
    "production",
    "development",
    "staging",
    "testing",
    "localhost",
    "enabled",
    "disabled",
];

/// One that knows every secret of these services. `caller` is the environment that `${NAME}` may take from.
pub(super) fn redactor(caller: &Environment, env_file: &Environment, specs: &[Arc<Spec>]) -> Redactor {
    let mut secrets = Secrets::default();
    env_file
        .iter()
        .for_each(|(name, value)| secrets.of_env_file(name, value));
    secrets.of_variables(caller);
    for spec in specs {
        secrets.of_spec(spec);
    }
    let is_name = |value: &String| specs.iter().any(|spec| spec.name.as_str() == value);
    secrets.0.retain(|value| !is_name(value));
    Redactor::new(secrets.0)
}

#[derive(Default)]
struct Secrets(Vec<String>);

impl Secrets {
    fn add(&mut self, value: &str) {
        self.0.push(value.to_owned());
    }

    fn of_env_file(&mut self, name: &str, value: &str) {
        let inherited = MINIMUM.contains(&name) || name.starts_with("LC_");
        if named(name) || (!inherited && !is_ordinary(value)) {
            self.add(value);
        }
        self.of_text(value);
    }

    fn of_variables(&mut self, variables: &Environment) {
        for (name, value) in variables {
            if named(name) {
                self.add(value);
            }
            self.of_text(value);
        }
    }

    fn of_spec(&mut self, spec: &Spec) {
        self.of_variables(&spec.env);
        self.of_words(&spec.command);
        match &spec.ready {
            Some(Ready::Probe(probe)) => self.of_probe(probe),
            Some(Ready::Notify | Ready::Log(_)) | None => {}
        }
        if let Some(Health { probe, .. }) = spec.health.as_deref() {
            self.of_probe(probe);
        }
    }

    fn of_probe(&mut self, probe: &Probe) {
        match probe {
            Probe::Ws { url, send, .. } => {
                self.of_text(url);
                send.iter().for_each(|message| self.of_message("", message));
            }
            Probe::Http { url, .. } => self.of_text(url),
            Probe::Tcp { address } => self.of_text(address),
            Probe::Exec { command } => self.of_words(command),
        }
    }

    /// `--token xyz` and whatever single words hold.
    fn of_words(&mut self, words: &[String]) {
        words.iter().for_each(|word| self.of_text(word));
        for pair in words.windows(2) {
            if pair[0].starts_with('-') && named(&pair[0]) && !pair[1].starts_with('-') {
                self.add(&pair[1]);
            }
        }
    }

    fn of_message(&mut self, field: &str, value: &Value) {
        match value {
            Value::String(text) if named(field) => self.add(text),
            Value::String(text) => self.of_text(text),
            Value::Array(items) => items.iter().for_each(|item| self.of_message(field, item)),
            Value::Object(fields) => fields
                .iter()
                .for_each(|(name, value)| self.of_message(name, value)),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    /// `scheme://user:password@host`, and `name=value` as urls, options and connection strings have it.
    fn of_text(&mut self, text: &str) {
        for (_, rest) in text
            .match_indices("://")
            .map(|(at, mark)| text.split_at(at + mark.len()))
        {
            let authority = rest.split(['/', '?', '#', ' ']).next().unwrap_or_default();
            match authority
                .rsplit_once('@')
                .map(|(login, _)| (login, login.split_once(':')))
            {
                Some((_, Some((_, password)))) => self.add(password),
                // A login without a password is a token, if it is long enough to be one.
                Some((login, None)) if login.len() >= 16 => self.add(login),
                Some((_, None)) | None => {}
            }
        }
        for part in text.split(|c: char| c.is_whitespace() || "&?;,".contains(c)) {
            if let Some((_, value)) = part.split_once('=').filter(|(name, _)| named(name)) {
                self.add(value.trim_matches(['"', '\'']));
            }
        }
    }
}

/// Whether a value of the env file, under a name that says nothing, is plainly no secret.
fn is_ordinary(value: &str) -> bool {
    let address = value.parse::<IpAddr>().is_ok() || value.parse::<SocketAddr>().is_ok();
    let path = || value.starts_with('/') && Path::new(value).exists();
    value.chars().count() < SHORTEST
        || value.parse::<f64>().is_ok()
        || address
        || ORDINARY.contains(&value.to_ascii_lowercase().as_str())
        || path()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(env_file: &[(&str, &str)], text: &str) -> String {
        let pairs = |pairs: &[(&str, &str)]| {
            pairs
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect::<Environment>()
        };
        redactor(&pairs(&[]), &pairs(env_file), &[])
            .text(text)
            .into_owned()
    }

    #[test]
    fn all_of_the_env_file_is_secret_but_what_is_plainly_not() {
        let file = [
            ("ANYTHING", "xyz-123"),
            ("DB_PASSWORD", "rose"),
            ("HOST", "127.0.0.1"),
            ("PORT", "8765"),
            ("STAGE", "production"),
            ("HOME", "/home/me-myself"),
            ("DATA", "/usr/bin"),
            ("URL", "wss://me:s3same@host/v2?token=abcd1234"),
        ];
        assert_eq!(
            found(
                &file,
                "xyz-123 rose 127.0.0.1:8765 production /home/me-myself /usr/bin"
            ),
            "[redacted] [redacted] 127.0.0.1:8765 production /home/me-myself /usr/bin"
        );
        assert_eq!(
            found(&file, "login s3same, abcd1234"),
            "login [redacted], [redacted]"
        );
    }

    #[test]
    fn secrets_are_found_in_urls_options_connection_strings_and_messages() {
        let mut secrets = Secrets::default();
        let words = [
            "x",
            "--token",
            "t1t1",
            "--api-key=k2k2",
            "--level",
            "high",
            "amqp://u:p3p3@h/v",
        ];
        secrets.of_words(&words.map(str::to_owned));
        secrets.of_text("host=db user=me password='p4p4' dbname=x");
        secrets.of_text("https://user@host/?key=k5k5&page=2");
        secrets.of_message(
            "",
            &serde_json::json!({"action": "auth", "key": "k6k6", "secret": ["s7s7"]}),
        );
        assert_eq!(
            secrets.0,
            ["k2k2", "p3p3", "t1t1", "p4p4", "k5k5", "k6k6", "s7s7"]
        );
    }
}
