//! Moving in and out: what other supervisors' files say, as services.toml, and the way back.
//!
//! ```text
//! supervisord.conf, Procfile, PM2, compose, process-compose, .service
//!        | read: the text as a Node tree (known parsers)
//!        v
//!     import/<format>: takes every key through a Branch ──> Ledger (carried to …, or left because …)
//!        v
//!      Draft ── settle: secrets, ports, order; fold: instances ──> write: services.toml, env file
//!
//! Config ── export/outline: secrets by name only ──> export/<target>: files
//! ```
//! A key can be had only through [`ledger::Branch`], which writes down what became of it, and a branch that is
//! closed reports all that nobody asked for: so nothing of an input is dropped without a word.

pub mod draft;
pub mod export;
mod fold;
pub mod import;
pub mod ledger;
mod listens;
mod look;
mod node;
mod secrets;
mod settle;
mod write;

pub use draft::Draft;
pub use fold::fold;
pub use import::{Unreadable, import};
pub use ledger::{Entry, Fate, Ledger};
pub use look::{Found, look};
pub use node::Node;
pub use settle::settle;
pub use write::{Written, write};
