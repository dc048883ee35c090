//! The status table without colour or trouble, for screens that bring their own.

use crate::api::{Service, Status};
use crate::client::verdict::Concern;

use super::table::Layout;

/// The titles, and one line for each of these services, all as wide as `width` at most.
#[must_use]
pub fn rows(status: &Status, shown: &[(&Service, Concern)], width: usize) -> (String, Vec<String>) {
    // Measured over all: the columns stay where they are while a filter is typed.
    let layout = Layout::of(status, Some(width), true);
    let lines = shown
        .iter()
        .map(|(service, _)| layout.row(service, |_, cell| cell))
        .collect();
    (layout.titles(), lines)
}
