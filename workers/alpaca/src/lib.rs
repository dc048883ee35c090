//! The Alpaca client: a pure session machine, and a thin shell around it.
//!
//! ```text
//!   ConnectionManager -- one per credentials and endpoint --> driver (tokio task)
//!     MarketData --commands-->                                 |  ^
//!     MarketData <--events, status--                 Action    v  |  Input
//!                                                          Session (PURE)
//!                                                              |
//!                                          wire: Alpaca's messages <-> frames
//! ```
//! * `session` decides everything: when to connect, authenticate, subscribe, ping, give up. It does
//!   no I/O and reads no clock.
//! * `driver` performs what the session decides and tells it what came of it.
//! * `wire` alone knows how messages are spelled (arrays of JSON or msgpack).
//! * Alpaca allows one connection per key and endpoint. [`ConnectionManager`] keeps to that whoever
//!   asks, from whatever thread, also while an earlier connection is still being closed; `lease`
//!   among processes.

pub use market_calendar as calendar;
mod credentials;
mod datum;
mod driver;
mod event;
mod exchange;
mod halts;
mod lease;
mod listeners;
mod liveness;
mod manager;
mod market;
mod market_data;
mod options;
mod relay;
mod rest;
pub mod session;
mod socket;
mod status;
mod topic;
mod trade;
mod trading;
pub mod wire;

pub use calendar::Calendar;
pub use credentials::Credentials;
pub use datum::{Datum, Figure, Kind, Stamp, Value};
pub use event::{Batch, Event};
pub use exchange::Exchange;
pub use liveness::{Liveness, Verdict};
pub use manager::{ConnectionManager, Error};
pub use market::MarketPhase;
pub use market_data::MarketData;
pub use options::Options;
pub use relay::{Relay, RelayAsk};
pub use rest::{Backfill, Page};
pub use session::State;
pub use status::{Quarantined, Status};
pub use stream_protocol::Number;
pub use topic::{Channel, Topic, list};
pub use trade::Trade;
pub use trading::{OrderEvent, OrderStatus, TradingStream};
