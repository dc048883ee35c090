//! How Alpaca's market-data messages are spelled: the only place that knows.
//!
//! Every message of the server is an array of objects, each with its kind in `T`. JSON text is
//! spoken; the msgpack variant would be a second `decode` and `encode` beside these.
//! Source: <https://docs.alpaca.markets/docs/streaming-market-data>.

mod incoming;
mod outgoing;

pub use incoming::{Control, Frame, Halt, decode};
pub use outgoing::{MAX_FRAME, Request, Verb};
pub(crate) use outgoing::{auth, chunk_len};
