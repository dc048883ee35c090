//! One value of the file: its key, its place, what it should be, and reading it as that.

use std::ops::Range;
use std::time::Duration;

use toml::Spanned;
use toml::de::{DeString, DeValue};

use super::keys::{Wants, nearest};
use super::report::{Finding, Report};
use super::scalar::{self, Wrong};
use super::table::Table;
use crate::service::{Exit, StopSignal};

/// A key and its value, as the toml crate has them.
pub(super) type Entry<'d> = (&'d Spanned<DeString<'d>>, &'d Spanned<DeValue<'d>>);

/// One value.
#[derive(Clone, Copy)]
pub(super) struct Item<'d> {
    pub(super) key: &'d str,
    pub(super) report: &'d Report<'d>,
    wants: Wants,
    pub(super) value: &'d Spanned<DeValue<'d>>,
    key_at: usize,
    /// Whether it is one of the elements of the key's array.
    element: bool,
}

impl<'d> Item<'d> {
    /// The value of an entry, and what it should be.
    pub(super) fn new((key, value): Entry<'d>, wants: Wants, report: &'d Report<'d>) -> Self {
        Self {
            key: key.get_ref(),
            report,
            wants,
            value,
            key_at: key.span().start,
            element: false,
        }
    }

    /// The entries of a table whose keys are free, in the order of the file.
    pub(super) fn entries(self) -> Option<Vec<Item<'d>>> {
        let DeValue::Table(entries) = self.value.get_ref() else {
            return self.mistyped();
        };
        let inner = match self.wants {
            Wants::Services(section) | Wants::Named(section) | Wants::Hops(section) => Wants::Table(section),
            _ => Wants::Text,
        };
        let item = |entry| Item::new(entry, inner, self.report);
        let mut items: Vec<_> = entries.iter().map(item).collect();
        items.sort_by_key(|item| item.key_at);
        Some(items)
    }

    /// A value inside this one.
    pub(super) fn within(&self, value: &'d Spanned<DeValue<'d>>) -> Self {
        Self { value, ..*self }
    }

    /// Where its key starts.
    pub(super) fn key_at(&self) -> usize {
        self.key_at
    }

    /// What it should be.
    pub(super) fn wants(&self) -> Wants {
        self.wants
    }

    /// Where it stands.
    pub(super) fn span(&self) -> Range<usize> {
        self.value.span()
    }

    /// Says what is wrong with it. Answers None, for whoever wanted a value.
    pub(super) fn wrong<T>(&self, message: impl Into<String>, help: impl Into<String>) -> Option<T> {
        self.report
            .add(Finding::new(self.span().start, message).help(help));
        None
    }

    pub(super) fn judge<T>(&self, result: Result<T, Wrong>) -> Option<T> {
        result.map_or_else(|Wrong { message, help }| self.wrong(message, help), Some)
    }

    fn label(&self) -> String {
        match self.element {
            true => format!("an item of `{}`", self.key),
            false => format!("`{}`", self.key),
        }
    }

    /// Says that it is of the wrong type.
    pub(super) fn mistyped<T>(&self) -> Option<T> {
        let value = self.value.get_ref();
        let message = format!(
            "{} wants {}, not {}",
            self.label(),
            self.wants.in_words(),
            kind(value)
        );
        let finding = Finding::new(self.span().start, message);
        self.report.add(match (self.wants, value) {
            (Wants::Exits, DeValue::Integer(number)) if !self.element => {
                finding.help(format!("write [{number}]"))
            }
            (Wants::Duration(_) | Wants::DurationOrNever(_), DeValue::Integer(number)) => {
                finding.help(format!("write \"{number}s\""))
            }
            (Wants::Ports, DeValue::Integer(number)) => finding.help(format!("write [{number}]")),
            (Wants::Texts, DeValue::String(text)) => finding.help(format!("write [\"{text}\"]")),
            (Wants::Text, DeValue::Integer(_) | DeValue::Float(_) | DeValue::Boolean(_)) => {
                finding.help("put it in quotes")
            }
            (Wants::Number(..), DeValue::String(_)) => finding.help("leave out the quotes"),
            _ => finding,
        });
        None
    }

    /// A table with the keys that its key promises.
    pub(super) fn table(&self) -> Option<Table<'d>> {
        match (self.value.get_ref(), self.wants) {
            (DeValue::Table(entries), Wants::Table(section)) => {
                Some(Table::new(entries, section, self.report))
            }
            _ => self.mistyped(),
        }
    }

    /// A string.
    pub(super) fn text(&self) -> Option<&'d str> {
        match self.value.get_ref() {
            DeValue::String(text) if text.contains('\0') => self.wrong(
                format!("`{}` holds a NUL byte", self.key),
                "no program can be given one; leave it out",
            ),
            DeValue::String(text) => Some(text),
            _ => self.mistyped(),
        }
    }

    /// The elements of an array.
    pub(super) fn elements(&self, wants: Wants) -> Option<Vec<Item<'d>>> {
        let DeValue::Array(values) = self.value.get_ref() else {
            return self.mistyped();
        };
        Some(
            values
                .iter()
                .map(|value| Item {
                    value,
                    wants,
                    element: true,
                    ..*self
                })
                .collect(),
        )
    }

    /// An array of strings.
    pub(super) fn texts(&self) -> Vec<Item<'d>> {
        self.elements(Wants::Text).unwrap_or_default()
    }

    /// An array of words.
    pub(super) fn words(&self) -> Option<Vec<Item<'d>>> {
        self.elements(Wants::Text)
    }

    /// Whether it is a string.
    pub(super) fn is_text(&self) -> bool {
        self.value.get_ref().is_str()
    }

    /// The ports of an array.
    pub(super) fn ports(&self) -> Vec<(u16, usize)> {
        let port = |item: Item<'d>| Some((item.port()?, item.span().start));
        self.elements(Wants::Number(1, u16::MAX.into()))
            .unwrap_or_default()
            .into_iter()
            .filter_map(port)
            .collect()
    }

    fn port(&self) -> Option<u16> {
        let number = self.integer()?;
        match u16::try_from(number) {
            Ok(port) if port != 0 => Some(port),
            Ok(_) | Err(_) => self.wrong(format!("{number} is not a port"), "a port is between 1 and 65535"),
        }
    }

    /// A whole number, in the bounds of its key.
    pub(super) fn number(&self) -> Option<u32> {
        let number = self.integer()?;
        let bounds = match self.wants {
            Wants::Number(least, most) => least..=most,
            _ => 0..=u32::MAX,
        };
        match u32::try_from(number)
            .ok()
            .filter(|number| bounds.contains(number))
        {
            Some(number) => Some(number),
            None => {
                self.report.add(Finding::new(
                    self.span().start,
                    format!("`{}` wants {}, not {number}", self.key, self.wants.in_words()),
                ));
                None
            }
        }
    }

    pub(super) fn integer(&self) -> Option<i64> {
        let DeValue::Integer(number) = self.value.get_ref() else {
            return self.mistyped();
        };
        match i64::from_str_radix(number.as_str(), number.radix()) {
            Ok(number) => Some(number),
            Err(_) => self.wrong("this number is too large", "write one below 2^63"),
        }
    }

    /// A duration, at least as long as its key demands.
    pub(super) fn duration(&self) -> Option<Duration> {
        let DeValue::String(text) = self.value.get_ref() else {
            return self.mistyped();
        };
        let duration = self.judge(scalar::duration(text))?;
        match self.wants {
            Wants::Duration(least) | Wants::DurationOrNever(least) if duration < least => {
                self.wrong(format!("`{}` is too short", self.key), "the shortest is \"1ms\"")
            }
            _ => Some(duration),
        }
    }

    /// A duration, or none for "never".
    pub(super) fn duration_or_never(&self) -> Option<Option<Duration>> {
        if matches!(self.value.get_ref(), DeValue::String(text) if text == "never") {
            return Some(None);
        }
        self.duration().map(Some)
    }

    /// Exit codes and signals.
    pub(super) fn exits(&self) -> Option<Vec<Exit>> {
        let exits = self.elements(Wants::Exits)?;
        exits.iter().map(Item::exit).collect()
    }

    fn exit(&self) -> Option<Exit> {
        if let DeValue::String(text) = self.value.get_ref() {
            return self
                .judge(scalar::signal(text))
                .map(|signal| Exit::Signal(signal.0));
        }
        let number = self.integer()?;
        match u8::try_from(number) {
            Ok(code) => Some(Exit::Code(code.into())),
            Err(_) => self.wrong(
                format!("{number} is not an exit code"),
                "exit codes are 0 to 255; a signal is written by its name, like \"SIGTERM\"",
            ),
        }
    }

    /// A signal by name or number.
    pub(super) fn signal(&self) -> Option<StopSignal> {
        match self.value.get_ref() {
            DeValue::String(text) => self.judge(scalar::signal(text)),
            DeValue::Integer(_) => {
                let number = self.integer()?;
                StopSignal::numbered(number).or_else(|| {
                    self.wrong(
                        format!("{number} is not a signal"),
                        "signals are 1 to 31 and 34 to 64",
                    )
                })
            }
            _ => self.mistyped(),
        }
    }

    /// One of the words of its key.
    pub(super) fn choice(&self) -> Option<&'d str> {
        let (DeValue::String(text), Wants::Choice(words)) = (self.value.get_ref(), self.wants) else {
            return self.mistyped();
        };
        if words.contains(&&**text) {
            return Some(text);
        }
        let finding = Finding::new(
            self.span().start,
            format!("`{}` wants {}, not \"{text}\"", self.key, self.wants.in_words()),
        );
        self.report.add(match nearest(text, words.iter().copied()) {
            Some(near) => finding.help(format!("did you mean \"{near}\"?")),
            None => finding,
        });
        None
    }

    /// `true`.
    pub(super) fn yes(&self) -> Option<()> {
        match self.value.get_ref() {
            DeValue::Boolean(true) => Some(()),
            DeValue::Boolean(false) => self.wrong(
                format!("`{}` can only be true", self.key),
                format!("leave `{}` out", self.key),
            ),
            _ => self.mistyped(),
        }
    }
}

/// What a value is, with its article.
fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "an integer",
        DeValue::Float(_) => "a float",
        DeValue::Boolean(_) => "a boolean",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "an array",
        DeValue::Table(_) => "a table",
    }
}
