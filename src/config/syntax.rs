//! Syntax errors: all of them, and a text without those that would hide the rest of the file.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue, Error};

use super::report::{Finding, Report};

/// What can be read of a text.
pub(super) struct Readable<'t> {
    pub(super) content: Content<'t>,
    /// Whether every table of the file is in it. If not, no service may be called unknown.
    pub(super) whole: bool,
}

/// The common case is read once, and only a text with errors twice.
pub(super) enum Content<'t> {
    /// The text has no errors; this is its tree.
    Tree(Spanned<DeTable<'t>>),
    /// The text with unreadable stretches blanked out: every offset means the same as before.
    Mended(String),
}

/// A file with more lost stretches than this is not worth reading on.
const MOST_ROUNDS: usize = 50;

/// Reports every syntax error of this text, which starts at byte `base` of what the report is about.
///
/// The toml crate recovers from an error inside a line. What is never closed swallows what follows it, and
/// a key without a value ends its reading: these stretches are blanked out, and the text is read again.
pub(super) fn check<'t>(text: &'t str, base: usize, report: &Report<'_>) -> Readable<'t> {
    let (root, errors) = DeTable::parse_recoverable(text);
    if errors.is_empty() {
        return Readable {
            content: Content::Tree(root),
            whole: true,
        };
    }
    let (mended, whole) = mend(text, base, report);
    Readable {
        content: Content::Mended(mended),
        whole,
    }
}

/// The readable text, and whether no table was lost.
fn mend(text: &str, base: usize, report: &Report<'_>) -> (String, bool) {
    let mut text = text.to_owned();
    let mut whole = true;
    for _ in 0..MOST_ROUNDS {
        let (root, errors) = DeTable::parse_recoverable(&text);
        whole &= !errors
            .iter()
            .any(|error| Damage::of(error).is_some() || breaks_header(error, &text));
        let lost = errors.iter().find_map(|error| {
            let (at, stretch) = lost(error, root.get_ref(), &text)?;
            Some((error, at, blanked(&text, stretch)?))
        });
        let Some((error, at, rest)) = lost else {
            for error in &errors {
                report.add(finding(error, place(error, &text), &text, base));
            }
            return (text, whole);
        };
        report.add(finding(error, at, &text, base));
        text = rest;
    }
    (String::new(), false)
}

/// How an error hides what follows it.
enum Damage {
    /// An array, inline table or string is never closed.
    Unclosed,
    /// A table's header is never closed.
    Header,
    /// A key without `=`: the toml crate reads no further.
    Key,
}

impl Damage {
    fn of(error: &Error) -> Option<Self> {
        match error.message().split(',').next()? {
            "unclosed array" | "unclosed inline table" => Some(Self::Unclosed),
            "invalid multi-line basic string" | "invalid multi-line literal string" => Some(Self::Unclosed),
            "unclosed table" | "unclosed array table" => Some(Self::Header),
            "key with no value" => Some(Self::Key),
            _ => None,
        }
    }
}

/// Where a person must look, and the stretch that cannot be trusted after this error.
fn lost(error: &Error, root: &DeTable<'_>, text: &str) -> Option<(usize, Range<usize>)> {
    let at = place(error, text);
    match Damage::of(error)? {
        Damage::Unclosed => {
            let start = unclosed(root, text, at)?;
            Some((start, line_start(text, start)..next_header(text, start)))
        }
        Damage::Header => Some((at, line_start(text, at)..next_header(text, at))),
        Damage::Key => Some((at, line_start(text, at)..line_end(text, at))),
    }
}

/// The first value whose last byte is not its closing bracket; else the outermost one that reaches to `at`.
fn unclosed(root: &DeTable<'_>, text: &str, at: usize) -> Option<usize> {
    let (mut open, mut reaching) = (None, None);
    let least = |found: Option<usize>, start: usize| Some(found.map_or(start, |found| found.min(start)));
    let mut values: Vec<&Spanned<DeValue<'_>>> = root.values().collect();
    while let Some(value) = values.pop() {
        let span = value.span();
        let source = text.get(span.clone()).unwrap_or_default();
        if source.starts_with('{') && !source.ends_with('}')
            || source.starts_with('[') && !source.ends_with(']')
        {
            open = least(open, span.start);
        }
        if span.start < at && at <= span.end {
            reaching = least(reaching, span.start);
        }
        match value.get_ref() {
            DeValue::Table(entries) => values.extend(entries.values()),
            DeValue::Array(elements) => values.extend(elements),
            DeValue::String(_) | DeValue::Integer(_) | DeValue::Float(_) => {}
            DeValue::Boolean(_) | DeValue::Datetime(_) => {}
        }
    }
    open.or(reaching)
}

fn finding(error: &Error, at: usize, text: &str, base: usize) -> Finding {
    let at = base + at;
    let key = error.span().and_then(|span| text.get(span));
    match (error.message(), key) {
        ("duplicate key", Some(key)) => Finding::new(at, format!("`{key}` is declared twice")).syntax(),
        (message, _) => Finding::new(at, message).syntax(),
    }
}

fn place(error: &Error, text: &str) -> usize {
    error.span().map_or(text.len(), |span| span.start)
}

/// Whether the error is in a table's header, whose table is then lost.
fn breaks_header(error: &Error, text: &str) -> bool {
    let at = place(error, text);
    error.message() != "duplicate key" && text[line_start(text, at)..].trim_start().starts_with('[')
}

fn line_start(text: &str, at: usize) -> usize {
    text.as_bytes()[..at]
        .iter()
        .rposition(|byte| *byte == b'\n')
        .map_or(0, |newline| newline + 1)
}

fn line_end(text: &str, at: usize) -> usize {
    text.as_bytes()[at..]
        .iter()
        .position(|byte| *byte == b'\n')
        .map_or(text.len(), |length| at + length)
}

/// Where the next line starts that looks like `[table]`; a row of a nested array starts with `["` or `[1`.
pub(super) fn next_header(text: &str, at: usize) -> usize {
    let mut start = line_end(text, at);
    while start < text.len() {
        let line = text[start + 1..].trim_start_matches([' ', '\t', '[']);
        let bracket = text[start + 1..].trim_start_matches([' ', '\t']).starts_with('[');
        if bracket && line.starts_with(|c: char| c.is_ascii_alphabetic()) {
            return start + 1;
        }
        start = line_end(text, start + 1);
    }
    text.len()
}

/// The text with this stretch as spaces, byte for byte, line breaks kept. None when it was blank already.
fn blanked(text: &str, stretch: Range<usize>) -> Option<String> {
    let lost = text.get(stretch.clone()).filter(|lost| !lost.trim().is_empty())?;
    let blank: String = lost
        .bytes()
        .map(|byte| if byte == b'\n' { '\n' } else { ' ' })
        .collect();
    Some([&text[..stretch.start], &blank, &text[stretch.end..]].concat())
}
