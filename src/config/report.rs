//! Collects what is wrong with a text, by byte offset, and turns it into mistakes with line and column. The text
//! may be several files, one after the other: one offset then says which file, too.

use std::cell::RefCell;
use std::collections::HashSet;
use std::ops::Range;

use super::error::Mistake;

/// What is found while one text is read. Shared by all readers of it.
pub(super) struct Report<'t> {
    text: &'t str,
    /// Where each file of the text starts, and its name; none: the text is one file.
    files: Vec<(usize, String)>,
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
        Self::over(text, Vec::new())
    }

    /// A text of several files: where each starts, ascending, and its name.
    pub(super) fn over(text: &'t str, files: Vec<(usize, String)>) -> Self {
        Self {
            text,
            files,
            found: RefCell::default(),
        }
    }

    pub(super) fn add(&self, finding: Finding) {
        self.found.borrow_mut().push(finding);
    }

    pub(super) fn text(&self) -> &'t str {
        self.text
    }

    /// Where each file starts, and its text.
    pub(super) fn stretches(&self) -> Vec<(usize, &'t str)> {
        if self.files.is_empty() {
            return vec![(0, self.text)];
        }
        // A line break that is in no file stands between two of them.
        let ends = self.files.iter().skip(1).map(|(start, _)| start - 1);
        let stretch = |((start, _), end): (&(usize, String), usize)| (*start, &self.text[*start..end]);
        self.files
            .iter()
            .zip(ends.chain([self.text.len()]))
            .map(stretch)
            .collect()
    }

    /// Where `part` stands inside this stretch of the text, or where the stretch starts.
    pub(super) fn place_of(&self, part: &str, stretch: Range<usize>) -> usize {
        let inside = self.text.get(stretch.clone()).and_then(|text| text.find(part));
        stretch.start + inside.unwrap_or(0)
    }

    /// The file that a byte is in: where it starts, and its name.
    fn file(&self, at: usize) -> Option<(usize, &str)> {
        let file = self.files.iter().rev().find(|(start, _)| *start <= at);
        file.map(|(start, name)| (*start, name.as_str()))
    }

    /// `services.toml:3:1`, for a sentence that names two places.
    pub(super) fn place(&self, at: usize) -> String {
        let (line, column) = self.position(at);
        let name = self.file(at).map_or("services.toml", |(_, name)| name);
        format!("{name}:{line}:{column}")
    }

    /// Line and column of a byte, both counted from 1, columns in characters.
    fn position(&self, at: usize) -> (usize, usize) {
        let first = self.file(at).map_or(0, |(start, _)| start);
        let before = &self.text.as_bytes()[first..at.min(self.text.len())];
        let start = before
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(first, |newline| first + newline + 1);
        let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
        let column = 1 + self.text[start..]
            .char_indices()
            .take_while(|(index, _)| start + index < at)
            .count();
        (line, column)
    }

    /// The mistakes in the order of the text, each once and without the echoes of syntax errors. `file` is the
    /// name of a text that is one file.
    pub(super) fn into_mistakes(self, file: &str) -> Vec<Mistake> {
        let mut found = self.found.take();
        found.sort_by_key(|finding| finding.at);
        // A template is read once for each of its instances.
        let mut told = HashSet::new();
        found.retain(|finding| told.insert((finding.at, finding.message.clone())));
        let line_of = |at| (self.file(at).map(|(start, _)| start), self.position(at).0);
        let errors: Vec<(usize, Line)> = found
            .iter()
            .filter(|finding| matches!(finding.class, Class::Syntax))
            .map(|finding| (finding.at, line_of(finding.at)))
            .collect();
        let told = |finding: Finding| {
            let (line, column) = self.position(finding.at);
            let in_line = line_of(finding.at);
            let mistake = Mistake {
                file: self.file(finding.at).map_or(file, |(_, name)| name).to_owned(),
                line,
                column,
                message: printable(&finding.message),
                help: finding.help.as_deref().map(printable),
            };
            let news = match finding.class {
                Class::Syntax => first_of_line(&errors, finding.at, in_line),
                Class::Presence => !errors.iter().any(|error| error.1 == in_line),
                Class::Absence(stretch) => !errors.iter().any(|error| stretch.contains(&error.0)),
            };
            news.then_some(mistake)
        };
        found.into_iter().filter_map(told).collect()
    }
}

/// A line: where its file starts, and its number.
type Line = (Option<usize>, usize);

/// One slip often breaks the rest of its line: only its first error is told.
fn first_of_line(errors: &[(usize, Line)], at: usize, line: Line) -> bool {
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
