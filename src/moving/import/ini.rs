//! INI as supervisord (Python's configparser) and systemd write it, as a tree. The parser is rust-ini; what the
//! two do differently from it (comments after a value, continued lines) is settled before.

use ini::{Ini, ParseOption};

use super::super::node::Node;
use super::{Source, Unreadable};

/// The sections in order, each with its keys in order; repeated keys are repeated.
pub type Sections = Vec<(String, Vec<(String, String)>)>;

/// supervisord's dialect: `;` and `#` after white space begin a comment, an indented line continues a value,
/// and keys are lower case, however they are written.
pub fn supervisord(source: &Source) -> Result<Sections, Unreadable> {
    let lines: Vec<String> = source
        .text
        .lines()
        .map(|line| closed(uncommented(line)))
        .collect();
    let mut sections = sections(source, &lines.join("\n"), true)?;
    for (key, _) in sections.iter_mut().flat_map(|(_, pairs)| pairs) {
        *key = key.to_lowercase();
    }
    Ok(sections)
}

/// systemd's dialect: whole-line comments only, a backslash at the end of a line continues it.
pub fn systemd(source: &Source) -> Result<Sections, Unreadable> {
    let comment = |line: &&str| line.trim_start().starts_with(['#', ';']);
    let mut joined = String::new();
    for line in source.text.lines().filter(|line| !comment(line)) {
        match line.trim_end().strip_suffix('\\') {
            Some(begun) => {
                joined.push_str(begun);
                joined.push(' ');
            }
            None => {
                joined.push_str(line);
                joined.push('\n');
            }
        }
    }
    sections(source, &joined, false)
}

/// A line without its comment. Inside a value, a comment begins only after white space.
fn uncommented(line: &str) -> &str {
    let mut before = ' ';
    for (index, c) in line.char_indices() {
        if matches!(c, ';' | '#') && before.is_whitespace() {
            return line[..index].trim_end();
        }
        before = c;
    }
    line.trim_end()
}

/// A backslash at the end of a line is a letter like any other to Python, and continues the line to rust-ini.
fn closed(line: &str) -> String {
    if line.ends_with('\\') {
        format!("{line} ")
    } else {
        line.to_owned()
    }
}

fn sections(source: &Source, text: &str, continued: bool) -> Result<Sections, Unreadable> {
    let option = ParseOption {
        enabled_quote: false,
        enabled_escape: false,
        enabled_indented_mutiline_value: continued,
        ..ParseOption::default()
    };
    let ini = Ini::load_from_str_opt(text, option).map_err(|error| super::malformed(source, &error))?;
    let pairs = |properties: &ini::Properties| {
        properties
            .iter()
            .map(|(key, value)| (key.trim().to_owned(), value.trim().to_owned()))
            .collect()
    };
    let mut sections: Sections = Vec::new();
    for (name, properties) in &ini {
        let pairs: Vec<_> = pairs(properties);
        match (
            name,
            sections
                .iter_mut()
                .find(|(known, _)| Some(known.as_str()) == name),
        ) {
            (None, _) if pairs.is_empty() => {}
            (None, _) => sections.push((String::new(), pairs)),
            (Some(_), Some((_, known))) => known.extend(pairs),
            (Some(name), None) => sections.push((name.to_owned(), pairs)),
        }
    }
    Ok(sections)
}

/// As a tree in which a repeated key holds a list.
pub fn tree(sections: Sections) -> Node {
    let table = |pairs: Vec<(String, String)>| {
        let mut table: Vec<(String, Node)> = Vec::new();
        for (key, value) in pairs {
            match table.iter_mut().find(|(known, _)| *known == key) {
                None => table.push((key, Node::List(vec![Node::Text(value)]))),
                Some((_, Node::List(values))) => values.push(Node::Text(value)),
                Some((_, Node::Empty | Node::Text(_) | Node::Table(_))) => {}
            }
        }
        Node::Table(table)
    };
    Node::Table(
        sections
            .into_iter()
            .map(|(name, pairs)| (name, table(pairs)))
            .collect(),
    )
}
