//! The status table without colour or trouble, for screens that bring their own.

use crate::api::{Service, Status};
use crate::verdict::Concern;

use super::fold::Row;
use super::table::Layout;

/// The titles, and one line for each of these services, all as wide as `width` at most.
#[must_use]
pub fn rows(status: &Status, shown: &[(&Service, Concern)], width: usize) -> (String, Vec<String>) {
    let row = |service| Row::Service(service, Concern::Fine);
    // Measured over all: the columns stay where they are while a filter is typed.
    let all: Vec<Row<'_>> = status.services.iter().map(row).collect();
    let layout = Layout::of(&all, status.supervisor.state, Some(width), true);
    let lines = shown
        .iter()
        .map(|(service, _)| layout.row(&row(service), |_, cell| cell))
        .collect();
    (layout.titles(), lines)
}
