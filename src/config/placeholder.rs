//! `{instance}`, `{index}`, `{port}` and `{name}` in what a template says.

use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

use super::keys::nearest;
use super::report::{Finding, Report};

/// Names that may stand in braces.
const NAMES: [&str; 4] = ["instance", "index", "port", "name"];

/// What the names stand for in one service.
pub(super) struct Words<'w> {
    /// What stands after `@` in its name.
    pub(super) instance: Option<&'w str>,
    /// Its place in `instances`, from 0.
    pub(super) index: Option<usize>,
    /// The first of its ports.
    pub(super) port: Option<String>,
    /// Its whole name.
    pub(super) name: &'w str,
}

impl Words<'_> {
    fn word(&self, name: &str) -> Option<String> {
        match name {
            "instance" => self.instance.map(str::to_owned),
            "index" => self.index.map(|index| index.to_string()),
            "port" => self.port.clone(),
            _ => Some(self.name.to_owned()),
        }
    }

    fn why_none(&self, name: &str) -> (String, String) {
        let service = self.name;
        match name {
            "instance" => (
                format!("`{service}` has no instance for {{instance}}"),
                format!("name it like `{service}@BTC`, or give it `instances`"),
            ),
            "index" => (
                format!("`{service}` has no place in `instances` for {{index}}"),
                "declare it by `instances = [\"BTC\", \"ETH\"]`".into(),
            ),
            _ => (
                format!("`{service}` has no port for {{port}}"),
                "give it `ports`; {port} is the first of them".into(),
            ),
        }
    }

    /// The text with every name filled in. `${name}` is a variable, and `{{name}}` a literal `{name}`.
    fn fill(&self, text: &str, wrong: &mut impl FnMut(&str, String, String)) -> String {
        let mut filled = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(start) = rest.find('{') {
            let (before, braced) = rest.split_at(start);
            filled.push_str(before);
            let Some((name, after)) = braced_name(braced) else {
                filled.push('{');
                rest = &braced[1..];
                continue;
            };
            let whole = &braced[..braced.len() - after.len()];
            rest = after;
            let escaped = filled.ends_with('{') && after.starts_with('}');
            if escaped && NAMES.contains(&name) {
                filled.pop();
                filled.push_str(whole);
                rest = &after[1..];
            } else if filled.ends_with('$') {
                filled.push_str(whole);
            } else if !NAMES.contains(&name) {
                if let Some(near) = nearest(name, NAMES.into_iter()) {
                    let help = format!("did you mean {{{near}}}?");
                    wrong(whole, format!("{whole} stands for nothing"), help);
                }
                filled.push_str(whole);
            } else if let Some(word) = self.word(name) {
                filled.push_str(&word);
            } else {
                let (message, help) = self.why_none(name);
                wrong(whole, message, help);
            }
        }
        filled.push_str(rest);
        filled
    }

    /// Fills in every text of a value.
    pub(super) fn fill_value(&self, value: &mut Spanned<DeValue<'_>>, report: &Report<'_>) {
        let span = value.span();
        match value.get_mut() {
            DeValue::String(text) if text.contains('{') => {
                let mut wrong = |part: &str, message, help| {
                    let at = report.place_of(part, span.clone());
                    report.add(Finding::new(at, message).help(help));
                };
                *text = DeString::from(self.fill(text, &mut wrong));
            }
            DeValue::Array(items) => items.iter_mut().for_each(|item| self.fill_value(item, report)),
            DeValue::Table(table) => self.fill_table(table, report),
            DeValue::String(_) | DeValue::Integer(_) | DeValue::Float(_) => {}
            DeValue::Boolean(_) | DeValue::Datetime(_) => {}
        }
    }

    /// Fills in every value of a table.
    pub(super) fn fill_table(&self, table: &mut DeTable<'_>, report: &Report<'_>) {
        table
            .iter_mut()
            .for_each(|(_, value)| self.fill_value(value, report));
    }
}

/// `{name}` at the start of a text: the name, and what follows.
fn braced_name(text: &str) -> Option<(&str, &str)> {
    let (name, after) = text.strip_prefix('{')?.split_once('}')?;
    let plain = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    plain.then_some((name, after))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(text: &str) -> String {
        let words = Words {
            instance: Some("BTC"),
            index: Some(3),
            port: None,
            name: "watchdog@BTC",
        };
        let mut wrongs = Vec::new();
        let text = words.fill(text, &mut |part, message, help| {
            wrongs.push(format!("[{part}: {message}; {help}]"));
        });
        text + &wrongs.concat()
    }

    #[test]
    fn names_are_filled_in_and_all_else_is_left() {
        for (text, expected) in [
            ("--symbol={instance}-{index}", "--symbol=BTC-3"),
            ("{name}{instance}", "watchdog@BTCBTC"),
            ("${instance} $${instance}", "${instance} $${instance}"),
            ("{{instance}}", "{instance}"),
            ("{\"a\": {\"b\": 1}} {} { {A}", "{\"a\": {\"b\": 1}} {} { {A}"),
            ("{user}", "{user}"),
            (
                "{instanse}",
                "{instanse}[{instanse}: {instanse} stands for nothing; did you mean {instance}?]",
            ),
            (
                "{port}",
                "[{port}: `watchdog@BTC` has no port for {port}; give it `ports`; {port} is the first of them]",
            ),
        ] {
            assert_eq!(filled(text), expected, "{text}");
        }
    }
}
