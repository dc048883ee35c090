//! Collects what is wrong with one text, by byte offset, and turns it into mistakes with line and column.

use std::cell::RefCell;
use std::ops::Range;

use super::error::Mistake;

/// What is found while one text is read. Shared by all readers of it.
pub(super) struct Report<'t> {
    text: &'t str,
    found: RefCell<Vec<Finding>>,
}

/// One thing that is wrong, before it is known whether it is only the echo of a syntax error.
pub(super) struct Finding {
    at: usize,
    message: String,
    help: Option<String>,
    class: Class,
}

/// What a finding depends on.
enum Class {
    /// The text breaks TOML's rules.
    Syntax,
    /// What stands there is wrong.
    Presence,
    /// Something is missing in this stretch: no news when a syntax error in it may have hidden it.
    Absence(Range<usize>),
}

impl Finding {
    /// What stands at this byte is wrong.
    pub(super) fn new(at: usize, message: impl Into<String>) -> Self {
        Self {
            at,
            message: message.into(),
            help: None,
            class: Class::Presence,
        }
    }

    /// With the way out.
    pub(super) fn help(self, help: impl Into<String>) -> Self {
        Self {
            help: Some(help.into()),
            ..self
        }
    }

    /// It is something missing in this stretch of the text.
    pub(super) fn missing_in(self, stretch: Range<usize>) -> Self {
        Self {
            class: Class::Absence(stretch),
            ..self
        }
    }

    /// It is a syntax error.
    pub(super) fn syntax(self) -> Self {
        Self {
            class: Class::Syntax,
            ..self
        }
    }
}

impl<'t> Report<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        Self {
            text,
            found: RefCell::default(),
        }
    }

    pub(super) fn add(&self, finding: Finding) {
        self.found.borrow_mut().push(finding);
    }

    pub(super) fn text(&self) -> &'t str {
        self.text
    }

    /// Where `part` stands inside this stretch of the text, or where the stretch starts.
    pub(super) fn place_of(&self, part: &str, stretch: Range<usize>) -> usize {
        let inside = self.text.get(stretch.clone()).and_then(|text| text.find(part));
        stretch.start + inside.unwrap_or(0)
    }

    /// Line and column of a byte, both counted from 1, columns in characters.
    fn position(&self, at: usize) -> (usize, usize) {
        let before = &self.text.as_bytes()[..at.min(self.text.len())];
        let start = before
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(0, |newline| newline + 1);
        let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
        let column = 1 + self.text[start..]
            .char_indices()
            .take_while(|(index, _)| start + index < at)
            .count();
        (line, column)
    }

    /// The mistakes in the order of the text, without the echoes of syntax errors.
    pub(super) fn into_mistakes(self, file: &str) -> Vec<Mistake> {
        let mut found = self.found.take();
        found.sort_by_key(|finding| finding.at);
        let errors: Vec<(usize, usize)> = found
            .iter()
            .filter(|finding| matches!(finding.class, Class::Syntax))
            .map(|finding| (finding.at, self.position(finding.at).0))
            .collect();
        let told = |finding: Finding| {
            let (line, column) = self.position(finding.at);
            let mistake = Mistake {
                file: file.to_owned(),
                line,
                column,
                message: printable(&finding.message),
                help: finding.help.as_deref().map(printable),
            };
            let news = match finding.class {
                Class::Syntax => first_of_line(&errors, finding.at, line),
                Class::Presence => !errors.iter().any(|error| error.1 == line),
                Class::Absence(stretch) => !errors.iter().any(|error| stretch.contains(&error.0)),
            };
            news.then_some(mistake)
        };
        found.into_iter().filter_map(told).collect()
    }
}

/// One slip often breaks the rest of its line: only its first error is told.
fn first_of_line(errors: &[(usize, usize)], at: usize, line: usize) -> bool {
    !errors
        .iter()
        .any(|(other, other_line)| *other_line == line && *other < at)
}

/// The text on one line, whatever a key of the file holds; terminals obey control characters.
fn printable(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for c in text.chars() {
        match c.is_control() {
            true => line.extend(c.escape_default()),
            false => line.push(c),
        }
    }
    line
}
