//! What follows the failures of a service, and the files it is restarted for.

use std::path::Path;

use toml::de::DeTable;

use super::item::Item;
use super::keys;
use super::report::Finding;
use super::table::Table;
use crate::service::{Backoff, Exit, Recovery};

/// The keys of a service that say how it comes back.
pub(super) fn recovery(table: &Table<'_>) -> Recovery {
    let defaults = Recovery::default();
    let exits = |name| table.item(name).and_then(|item| item.exits());
    let never = |item: Item<'_>| item.duration_or_never();
    let recovery = Recovery {
        backoff: backoff(table),
        window: table.duration("restart_window"),
        retry_fatal: table
            .item("retry_fatal")
            .and_then(never)
            .unwrap_or(defaults.retry_fatal),
        success_exit: exits("success_exit"),
        fatal_exit: exits("fatal_exit").unwrap_or(defaults.fatal_exit),
    };
    refuse_both(table, &recovery);
    recovery
}

/// The same end cannot be good and fatal.
fn refuse_both(table: &Table<'_>, recovery: &Recovery) {
    let success = recovery.success_exit.as_deref().unwrap_or(&[Exit::Code(0)]);
    let both = recovery.fatal_exit.iter().find(|exit| success.contains(exit));
    let at = table.key_at("fatal_exit").or(table.key_at("success_exit"));
    if let (Some(exit), Some(at)) = (both, at) {
        let message = format!("{exit} would be both good and fatal");
        let help = "name it in `success_exit` or in `fatal_exit`, not in both (78 is fatal, and 0 good, unless they are set)";
        table.report().add(Finding::new(at, message).help(help));
    }
}

fn backoff(table: &Table<'_>) -> Backoff {
    let empty = DeTable::new();
    let declared = table.item("backoff").and_then(|item| item.table());
    let declared = declared.unwrap_or_else(|| Table::new(&empty, &keys::BACKOFF_KEYS, table.report()));
    let backoff = Backoff {
        min: declared.duration("min"),
        max: declared.duration("max"),
    };
    let at = declared.key_at("min").or(declared.key_at("max"));
    if let Some(at) = at.filter(|_| backoff.min > backoff.max) {
        let message = format!(
            "`min` of `backoff` is longer than `max`: {} s and {} s",
            backoff.min.as_secs_f64(),
            backoff.max.as_secs_f64()
        );
        let help = "the pause doubles from `min` up to `max`";
        table.report().add(Finding::new(at, message).help(help));
    }
    backoff
}

/// The patterns, absolute.
pub(super) fn watch(table: &Table<'_>, root: &Path) -> Vec<String> {
    let items = table.item("watch").map(|item| item.texts()).unwrap_or_default();
    items.into_iter().filter_map(|item| pattern(item, root)).collect()
}

fn pattern(item: Item<'_>, root: &Path) -> Option<String> {
    let text = item.text()?;
    let bare = text.trim_start_matches("./").trim_end_matches('/');
    let help = "write it like \"src/**\", \"config/*.json\" or \"app.py\"";
    if bare.is_empty() {
        return item.wrong(format!("`{text}` in `watch` names no file"), help);
    }
    if bare.split('/').any(|part| part.contains("**") && part != "**") {
        return item.wrong(
            format!("in `{text}`, `**` does not stand alone between slashes"),
            help,
        );
    }
    if let Some(odd) = bare.chars().find(|c| "[]{}!".contains(*c)) {
        return item.wrong(
            format!("`{text}` in `watch` holds `{odd}`, which patterns do not have"),
            "patterns have `*`, `**` and `?`; write several instead",
        );
    }
    Some(root.join(bare).to_string_lossy().into_owned())
}
