//! `[web]`, decoded: what the pages may do. The supervisor only passes it on; main_app obeys it.

use super::item::Item;
use super::table::Table;

/// What `[web]` declares.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Web {
    /// Pages may act, for those who have the token.
    pub actions: bool,
    /// On an address that other hosts reach too.
    pub allow_remote: bool,
}

/// `[web]`; without one, pages only show.
pub(super) fn web(file: &Table<'_>) -> Web {
    let Some(table) = file.item("web").and_then(|item| item.table()) else {
        return Web::default();
    };
    let flag = |name| table.item(name).and_then(Item::flag).unwrap_or(false);
    Web {
        actions: flag("actions"),
        allow_remote: flag("allow_remote"),
    }
}
