//! How Alpaca's market-data messages are spelled: the only place that knows.
//!
//! Every message of the server is an array of objects, each with its kind in `T`. JSON or
//! msgpack is spoken, as the upgrade's `Content-Type` asks; what comes is told apart by its first byte.
//! Source: <https://docs.alpaca.markets/docs/streaming-market-data>.

mod fields;
mod incoming;
mod outgoing;
mod packed;
mod quick;
mod quick_packed;

pub(crate) use incoming::past_trade;
pub use incoming::{Control, Frame, Halt, decode};
pub use outgoing::{MAX_FRAME, Request, Verb};
pub(crate) use outgoing::{Spelling, auth, chunk_len};
