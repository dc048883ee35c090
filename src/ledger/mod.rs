//! The ledger: what happened in a house and why, kept across supervisors; read with or without one.
//!
//! ```text
//! daemon ── Fact ──> Writer ──> .sentinel/events.jsonl ──> read, Follow ──> `sentinel events`, `status`
//!                                .sentinel/events.1.jsonl (the generation before)
//! ```
//! - One JSON object a line, appended by one write(2): what the supervisor has told survives its SIGKILL.
//!   A power cut may take the last second: the disk is told to keep it (fdatasync) that long after, off the
//!   loop, since waiting for a disk at each fact would make a slow disk stop the restarts.
//! - Bounded: two generations of [`LIMIT`] bytes. A torn or foreign line is passed over, never fatal.
//! - `seq` is the order. Wall clocks step; it does not.

mod follow;
mod read;
#[cfg(test)]
mod tests;
mod write;

pub use follow::Follow;
pub use read::{Filter, read};
pub use write::Writer;

/// The present generation.
pub const FILE: &str = "events.jsonl";
/// The one before.
pub const EARLIER: &str = "events.1.jsonl";
/// The most that one generation holds, in bytes: some 20,000 facts.
pub const LIMIT: u64 = 4 << 20;
