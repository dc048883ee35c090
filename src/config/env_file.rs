//! The env file: KEY=VALUE lines that only its owner may read. No value of it is ever shown.

use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::report::{Finding, Report};
use super::trust;
use super::variables::{Environment, is_name};

/// Why the file as a whole cannot be used, and the way out.
pub(super) struct Unusable {
    pub(super) message: String,
    pub(super) help: String,
}

/// Its text, if it is a file that others cannot read. `shown` is how services.toml names it.
pub(super) fn read(path: &Path, shown: &str) -> Result<String, Unusable> {
    let unusable = |message: String, help: String| Unusable { message, help };
    let failed = |error: std::io::Error| {
        let help = match error.kind() {
            std::io::ErrorKind::NotFound => format!(
                "create it, or take `env_file` out; it was looked for at {}",
                path.display()
            ),
            std::io::ErrorKind::InvalidData => "write it as UTF-8".into(),
            _ => "let the user who runs sentinel read it".into(),
        };
        unusable(
            format!("the env file `{shown}` cannot be read: {}", reason(&error)),
            help,
        )
    };
    // A pipe would never open.
    if !std::fs::metadata(path).map_err(failed)?.is_file() {
        return Err(unusable(
            format!("the env file `{shown}` is not a file"),
            "name a file of KEY=VALUE lines".into(),
        ));
    }
    let mut file = std::fs::File::open(path).map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    let mode = metadata.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        let message = format!("others have access to the env file `{shown}` (mode {mode:03o})");
        return Err(unusable(message, format!("run: chmod 600 {}", path.display())));
    }
    trust::written_by_its_owner(&file, path, &format!("the env file `{shown}`"))
        .map_err(|(message, help)| unusable(message, help))?;
    let mut text = String::new();
    file.read_to_string(&mut text).map_err(failed)?;
    Ok(text)
}

/// The cause without Rust's "(os error 2)".
pub(super) fn reason(error: &std::io::Error) -> String {
    let text = error.to_string();
    match text.find(" (os error") {
        Some(end) => text[..end].to_lowercase(),
        None => text,
    }
}

/// The variables of its text: `KEY=VALUE`, with or without `export`, quotes and comments.
pub(super) fn parse(report: &Report<'_>) -> Environment {
    let mut variables = Environment::new();
    let mut start = 0;
    for line in report.text().split_inclusive('\n') {
        let indent = line.len() - line.trim_start().len();
        match assignment(line.trim()) {
            Ok(Some((name, value))) => {
                variables.insert(name.to_owned(), value);
            }
            Ok(None) => {}
            Err((message, help)) => report.add(Finding::new(start + indent, message).help(help)),
        }
        start += line.len();
    }
    variables
}

type Fault = (&'static str, &'static str);

/// One line without the white space around it. None: nothing on it.
fn assignment(line: &str) -> Result<Option<(&str, String)>, Fault> {
    if line.is_empty() || line.starts_with('#') {
        return Ok(None);
    }
    let line = line.strip_prefix("export ").unwrap_or(line);
    let Some((name, value)) = line.split_once('=') else {
        return Err(("this line is not KEY=VALUE", "start a comment with `#`"));
    };
    let name = name.trim();
    if !is_name(name) {
        let help = "a name holds letters, digits and `_`, and does not start with a digit";
        return Err(("what stands before `=` is not the name of a variable", help));
    }
    let value = value.trim_start();
    let value = match value.chars().next() {
        Some(quote @ ('"' | '\'')) => quoted(&value[1..], quote)?,
        _ => match value.starts_with('#') {
            true => String::new(),
            false => value.split(" #").next().unwrap_or_default().trim_end().to_owned(),
        },
    };
    match value.contains('\0') {
        true => Err((
            "this value holds a NUL byte",
            "no program can be given one; leave it out",
        )),
        false => Ok(Some((name, value))),
    }
}

/// The value up to its closing quote. Double quotes know `\n`, `\t`, `\"`, `\\` and `\$`; single quotes nothing.
fn quoted(text: &str, quote: char) -> Result<String, Fault> {
    let mut value = String::new();
    let mut chars = text.chars();
    loop {
        match chars.next() {
            None => {
                return Err((
                    "a quote is never closed on this line",
                    "a value stands on one line; write \\n for a line break",
                ));
            }
            Some(c) if c == quote => break,
            Some('\\') if quote == '"' => match chars.next() {
                Some('n') => value.push('\n'),
                Some('t') => value.push('\t'),
                Some(c @ ('"' | '\\' | '$')) => value.push(c),
                Some(c) => value.extend(['\\', c]),
                None => value.push('\\'),
            },
            Some(c) => value.push(c),
        }
    }
    let rest = chars.as_str().trim_start();
    if rest.is_empty() || rest.starts_with('#') {
        return Ok(value);
    }
    Err(("text follows the closing quote", "put the whole value in quotes"))
}
