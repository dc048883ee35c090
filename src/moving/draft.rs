//! What an import has so far: services in sentinel's words, and what is still to be said about them.

use std::path::PathBuf;

use crate::service::ServiceName;

/// Services and remarks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Draft {
    /// In the order of the inputs.
    pub services: Vec<Service>,
    /// Variables for the env file, which every service gets.
    pub env_file: Vec<(String, String)>,
    /// What a person must know beyond the fates of single keys.
    pub remarks: Vec<String>,
}

/// One service. Texts of `command`, `env` and `checks` are as services.toml has them: `${NAME}` is a reference.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Service {
    /// Its name, legal and unique.
    pub name: String,
    /// Where it comes from: the file and the table in it.
    pub origin: String,
    /// Lines to stand above it.
    pub comments: Vec<String>,
    /// Program and arguments.
    pub command: Vec<String>,
    /// Working folder, absolute.
    pub cwd: PathBuf,
    /// Its variables.
    pub env: Vec<(String, String)>,
    /// Its ports, each with where it was found.
    pub ports: Vec<(u16, String)>,
    /// What it starts after, by the names that the input uses.
    pub after: Vec<String>,
    /// Why it is not started with the rest; it is, without.
    pub by_name: Option<String>,
    /// `always`, `on-failure`, `never`; sentinel's default without.
    pub restart: Option<&'static str>,
    /// Further keys as `name = value` lines in TOML.
    pub lines: Vec<(String, String)>,
    /// The tables `ready`, `health` and `stop`.
    pub tables: Vec<(&'static str, Vec<(String, String)>)>,
    /// Why it is only written as a comment: nothing there would start it by itself.
    pub parked: Option<String>,
    /// Its name in the input, which others may refer to.
    pub called: String,
    /// The name of those that the input declares together, which [`super::fold`] may write as one.
    pub family: Option<String>,
    /// What `instances` lists: then `command` and the like are templates.
    pub instances: Vec<String>,
    /// When it is restarted by the clock, as crontab has it.
    pub cron: Option<String>,
    /// The port of each instance, as a sum in TOML.
    pub port_sum: Option<String>,
}

impl Service {
    /// Adds a key to one of its tables.
    pub fn put(&mut self, table: &'static str, key: &str, value: String) {
        let index = self
            .tables
            .iter()
            .position(|(name, _)| *name == table)
            .unwrap_or_else(|| {
                self.tables.push((table, Vec::new()));
                self.tables.len() - 1
            });
        self.tables[index].1.push((key.to_owned(), value));
    }

    /// Sets a variable, over one of the same name.
    pub fn set(&mut self, name: &str, value: String) {
        self.env.retain(|(known, _)| known != name);
        self.env.push((name.to_owned(), value));
    }
}

impl Draft {
    /// A service name that is legal and not taken, as near to `wanted` as can be; a changed one is remarked on.
    pub fn name(&mut self, wanted: &str) -> String {
        let legal = |c: char| c.is_ascii_alphanumeric() || "_-.@".contains(c);
        let mut name: String = wanted.chars().map(|c| if legal(c) { c } else { '_' }).collect();
        name.truncate(ServiceName::MAX_LEN - 4);
        if !name.starts_with(|c: char| c.is_ascii_alphanumeric()) {
            name.insert(0, 's');
        }
        if ServiceName::RESERVED.contains(&name.as_str()) {
            name.push_str("_1");
        }
        let taken = |name: &str| self.services.iter().any(|service| service.name == name);
        if taken(&name) {
            let free = (2..).map(|n| format!("{name}-{n}")).find(|name| !taken(name));
            name = free.unwrap_or(name);
        }
        if name != wanted {
            self.remarks.push(format!(
                "`{wanted}` is named `{name}` here: names are unique, and made of letters, digits and _ - . @"
            ));
        }
        name
    }
}

/// A literal text as services.toml has it: `${` would be a reference.
#[must_use]
pub fn literal(text: &str) -> String {
    text.replace("${", "$${")
}

/// A text as a TOML string.
#[must_use]
pub fn quote(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            '\r' => quoted.push_str("\\r"),
            c if c.is_control() => quoted.push_str(&format!("\\u{:04X}", u32::from(c))),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

/// A list of texts as a TOML array.
#[must_use]
pub fn quote_all(texts: &[String]) -> String {
    let quoted: Vec<String> = texts.iter().map(|text| quote(text)).collect();
    format!("[{}]", quoted.join(", "))
}
