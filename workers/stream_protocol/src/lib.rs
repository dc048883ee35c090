//! The messages between the stream workers and their clients, written once.
//!
//! ```text
//!   client --ClientMessage--> browser_proxy --> trade_stream
//!   client <--ServerMessage-- browser_proxy <-- trade_stream
//! ```
//! Text frames, one JSON object each. Reading is lenient (unknown fields are ignored, symbols are
//! trimmed and upper-cased), writing is to the letter. Used by both workers, by sentinel's probe
//! and by tests, so that there is one spelling of everything.

mod channel;
mod client;
mod datum;
mod health;
mod number;
mod position;
mod server;
mod symbol;
mod timestamp;

pub use channel::Channel;
pub use client::{BadRequest, ClientMessage};
pub use datum::{DatumMessage, field_name};
pub use health::{Figures, Health, Latency, Market, Quarantined, TaskStatus, Vitals};
pub use number::{NotANumber, Number};
pub use position::{Gap, GapReason, Position};
pub use server::{ServerMessage, TradeData, Unreadable};
pub use symbol::{MAX_SYMBOL_LEN, parse_symbol};
pub use timestamp::rfc3339;
