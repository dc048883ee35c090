//! `%(name)s`: supervisord's own expansions.

use std::collections::BTreeMap;

use super::super::Source;

/// What can stand between `%(` and `)`.
#[derive(Clone, Debug)]
pub struct Expansions<'e> {
    names: Vec<(&'static str, String)>,
    environment: &'e BTreeMap<String, String>,
}

impl<'e> Expansions<'e> {
    /// What holds in a whole file.
    pub fn of(source: &Source, environment: &'e BTreeMap<String, String>) -> Self {
        let names = vec![
            ("here", source.folder.display().to_string()),
            ("host_node_name", super::super::read::host()),
        ];
        Self { names, environment }
    }

    /// The same with one more name.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.names.push((name, value.into()));
        self
    }

    /// The text with everything filled in; `%(ENV_x)s` by its value now.
    pub fn now(&self, text: &str) -> Result<String, String> {
        self.expand(text, |name| {
            self.environment
                .get(name)
                .cloned()
                .ok_or_else(|| format!("${name} is not set here"))
        })
    }

    /// The text as services.toml has it: `%(ENV_x)s` stays a reference, `${x}`.
    pub fn template(&self, text: &str) -> Result<String, String> {
        self.expand(&crate::moving::draft::literal(text), |name| {
            Ok(format!("${{{name}}}"))
        })
    }

    fn expand(&self, text: &str, env: impl Fn(&str) -> Result<String, String>) -> Result<String, String> {
        let mut expanded = String::new();
        let mut rest = text;
        while let Some(start) = rest.find('%') {
            expanded.push_str(&rest[..start]);
            let after = &rest[start + 1..];
            if let Some(more) = after.strip_prefix('%') {
                expanded.push('%');
                rest = more;
                continue;
            }
            let (name, format) = after
                .strip_prefix('(')
                .and_then(|inner| inner.split_once(')'))
                .ok_or_else(|| format!("`%` in `{text}` begins no %(name)s; a literal one is written %%"))?;
            let end = format
                .find(['s', 'd'])
                .ok_or_else(|| format!("`%({name})` lacks its `s` or `d`"))?;
            let value = match name.strip_prefix("ENV_") {
                Some(variable) => env(variable)?,
                None => self.named(name)?,
            };
            expanded.push_str(&padded(&value, &format[..end]));
            rest = &format[end + 1..];
        }
        expanded.push_str(rest);
        Ok(expanded)
    }

    fn named(&self, name: &str) -> Result<String, String> {
        let known = self.names.iter().rev().find(|(known, _)| *known == name);
        known
            .map(|(_, value)| value.clone())
            .ok_or_else(|| format!("`%({name})s` means nothing here"))
    }
}

/// Python's `%02d`: a width, with or without leading zeros.
fn padded(value: &str, format: &str) -> String {
    let width: usize = format.parse().unwrap_or(0);
    if format.starts_with('0') {
        format!("{value:0>width$}")
    } else {
        format!("{value:>width$}")
    }
}
