//! The reference of services.toml for people, from the same keys that the decoder goes by: Markdown and a man page.

mod intro;
mod page;

use std::fmt::Write as _;

use super::keys::{FILE, Key, Section, Wants};

pub use page::man_page;

/// The reference as Markdown: docs/reference.md.
#[must_use]
pub fn reference() -> String {
    let mut text = String::from(
        "# Every key of services.toml\n\n<!-- Written by `sentinel schema --markdown`. Do not edit: the words stand in src/config/keys. -->\n",
    );
    for paragraph in intro::FILE {
        let _ = write!(text, "\n{paragraph}\n");
    }
    let _ = write!(text, "\n{}", contents());
    for section in sections() {
        let _ = write!(text, "\n## {}\n", title(section));
        if let Some(intro) = intro::of(section.name) {
            let _ = write!(text, "\n{}\n\n```toml\n{}```\n", intro.about, intro.example);
        }
        text.push('\n');
        for key in section.keys {
            text.push_str(&entry(key));
        }
    }
    text.push_str("\n## Values\n\n");
    for (name, meaning) in intro::VALUES {
        let _ = writeln!(text, "- {name}: {meaning}");
    }
    text
}

/// All tables that the file may hold, each once, in the order in which they are met.
fn sections() -> Vec<&'static Section> {
    let mut found: Vec<&'static Section> = Vec::new();
    meet(&FILE, &mut found);
    found
}

fn meet(section: &'static Section, found: &mut Vec<&'static Section>) {
    // A template has the keys of a service, and is told of there.
    let known = |other: &&Section| std::ptr::eq(other.keys, section.keys) || other.name == section.name;
    if found.iter().any(known) {
        return;
    }
    found.push(section);
    for below in section.keys.iter().filter_map(|key| below(&key.wants)) {
        meet(below, found);
    }
}

/// The table that a key holds.
fn below(wants: &Wants) -> Option<&'static Section> {
    if let Wants::Table(section) | Wants::Services(section) | Wants::Named(section) | Wants::Hops(section) =
        wants
    {
        Some(section)
    } else {
        None
    }
}

fn contents() -> String {
    let line = |section: &&Section| {
        let title = title(section);
        let keys: Vec<String> = section.keys.iter().map(|key| format!("`{}`", key.name)).collect();
        format!("- [{title}](#{}): {}\n", anchor(&title), keys.join(", "))
    };
    sections().iter().map(line).collect()
}

/// A heading. The tables of a service stand below its keys; `log` is `[logs]` as well.
fn title(section: &Section) -> String {
    match section.name {
        "services.toml" => "The file".into(),
        "log" => "`[logs]`, and `log` of a service".into(),
        name if name.starts_with('[') => format!("`{name}`"),
        name if name.contains(' ') => format!("A {}", name.trim_start_matches("a ")),
        name => format!("`{name}` of a service"),
    }
}

/// What GitHub makes of a heading for links to it.
fn anchor(title: &str) -> String {
    let kept = title
        .chars()
        .filter(|c| c.is_alphanumeric() || " -_".contains(*c));
    kept.map(|c| if c == ' ' { '-' } else { c.to_ascii_lowercase() })
        .collect()
}

fn entry(key: &Key) -> String {
    let mut text = format!(
        "- **`{}`**: {}\n  Takes {}.",
        key.name,
        plain(key.about),
        takes(&key.wants)
    );
    match key.default {
        Some("[]") | None => {}
        Some(default) => {
            let _ = write!(text, " Without it: `{default}`.");
        }
    }
    if !key.elsewhere.is_empty() {
        let names: Vec<String> = key.elsewhere.iter().map(|name| format!("`{name}`")).collect();
        let _ = write!(text, " Elsewhere: {}.", names.join(", "));
    }
    text.push('\n');
    text
}

/// What a key takes, with a link where that is a table of its own.
fn takes(wants: &Wants) -> String {
    match below(wants) {
        Some(section) if sections().iter().any(|known| known.name == section.name) => {
            let title = title(section);
            let what = match wants {
                Wants::Hops(_) => "services, like `[\"backend\"]`, or a table of probes by name",
                Wants::Table(_) => "a table",
                _ => "a table for each, by name",
            };
            format!("{what}: see [{title}](#{})", anchor(&title))
        }
        Some(_) => "a table for each, by name, with the keys of a service".into(),
        None => plain(&wants.in_words()),
    }
}

/// Text that Markdown leaves as it is.
fn plain(text: &str) -> String {
    let mut out = String::new();
    for (index, part) in text.split('`').enumerate() {
        if index > 0 {
            out.push('`');
        }
        match index % 2 {
            0 => out.push_str(&part.replace('*', "\\*").replace('<', "\\<")),
            _ => out.push_str(part),
        }
    }
    out
}
