//! The door of every WebSocket worker: listen, judge the handshake, frame, end cleanly.
//!
//! ```text
//!   TcpListener --serve--> one task per client --accept--> Opening { path, rest }
//!        ^                                        |
//!      Stop (SIGTERM, SIGINT)                     +--> 426, 403, 400, 503: a short answer, closed
//! ```
//! After the handshake the socket belongs to the worker, with the bytes that came early (`rest`):
//! `browser_proxy` forwards them untouched, `trade_stream` gives them to a protocol engine. Nothing
//! here knows the messages.

mod deflate;
pub mod frame;
mod handshake;
mod histogram;
mod inherited;
mod metrics;
mod origin;
mod outlet;
mod places;
mod process;
mod serve;
mod tokens;

pub use deflate::{Deflater, inflate};
pub use handshake::{Door, Opening, Refused, answer_metrics};
pub use histogram::Histogram;
pub use metrics::Metrics;
pub use origin::{Origins, is_loopback};
pub use outlet::{Outlet, SCRATCH_LEN, with_scratch};
pub use places::Places;
pub use process::{Stop, StopTrigger, log_to_stderr, raise_descriptor_limit};
pub use serve::{bind, drain, end_writing, serve};
pub use tokens::Tokens;
