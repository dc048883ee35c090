//! A table with known keys.

use std::time::Duration;

use toml::Spanned;
use toml::de::{DeString, DeTable};

use super::item::Item;
use super::keys::{Section, Wants};
use super::report::{Finding, Report};
use super::scalar;

/// A table with known keys.
pub(super) struct Table<'d> {
    entries: &'d DeTable<'d>,
    section: &'static Section,
    report: &'d Report<'d>,
}

impl<'d> Table<'d> {
    /// Takes the table as this section; unknown keys are reported.
    pub(super) fn new(entries: &'d DeTable<'d>, section: &'static Section, report: &'d Report<'d>) -> Self {
        for key in entries.keys().filter(|key| section.key(key.get_ref()).is_none()) {
            let message = format!("unknown key `{}`", key.get_ref());
            report.add(Finding::new(key.span().start, message).help(section.suggest(key.get_ref())));
        }
        Self {
            entries,
            section,
            report,
        }
    }

    /// A table inside this one, which is read once more: what is wrong with it was told already.
    pub(super) fn quiet_table(&self, name: &str) -> Option<Table<'d>> {
        let entries = self.entries.get(name)?.get_ref().as_table()?;
        let Wants::Table(section) = self.section.key(name)?.wants else {
            return None;
        };
        Some(Table {
            entries,
            section,
            report: self.report,
        })
    }

    /// Where its mistakes go.
    pub(super) fn report(&self) -> &'d Report<'d> {
        self.report
    }

    /// Whether a key that was reported as unknown most likely stands for this one.
    pub(super) fn misspells(&self, name: &str) -> bool {
        let unknown = |key: &&Spanned<DeString<'d>>| self.section.key(key.get_ref()).is_none();
        self.entries
            .keys()
            .filter(unknown)
            .any(|key| self.section.meant(key.get_ref()) == Some(name))
    }

    /// Where a key starts, if it is there.
    pub(super) fn key_at(&self, name: &str) -> Option<usize> {
        self.entries.get_key_value(name).map(|(key, _)| key.span().start)
    }

    /// The value of a key of this section, if it is there.
    pub(super) fn item(&self, name: &str) -> Option<Item<'d>> {
        let wants = self.section.key(name)?.wants;
        Some(Item::new(self.entries.get_key_value(name)?, wants, self.report))
    }

    /// The duration of a key, or its default.
    pub(super) fn duration(&self, name: &str) -> Duration {
        let default = || scalar::duration(self.section.key(name)?.default?).ok();
        self.item(name)
            .and_then(|item| item.duration())
            .or_else(default)
            .unwrap_or_default()
    }

    /// The number of a key, or its default.
    pub(super) fn number(&self, name: &str) -> u32 {
        let default = || self.section.key(name)?.default?.parse().ok();
        self.item(name)
            .and_then(|item| item.number())
            .or_else(default)
            .unwrap_or_default()
    }
}
