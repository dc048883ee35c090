//! Values to text, and nothing else: no I/O, no clock, no terminal.

mod facts;
mod flush;
mod fold;
mod headline;
mod health;
mod log;
mod paint;
mod phases;
mod plan;
mod rows;
mod schedule;
mod status;
mod table;
pub mod words;

pub use facts::{FactView, fact_lines};
pub use flush::{flushed, flushed_port, not_free};
pub use headline::headline;
pub use log::{EntryView, log_entry, log_entry_json};
pub use paint::Paint;
pub use phases::{ended_line, is_worth_telling, phase_line, summary};
pub use plan::plan;
pub use rows::rows;
pub use schedule::schedule_list;
pub use status::{OUTDATED, View, error_lines, status};
