//! Fan-out across machines, through Redis' publish and subscribe: one backend has Alpaca's one
//! connection and publishes what comes, others serve their clients from that.
//!
//! ```text
//!   Alpaca --> publisher (STREAM_REDIS_URL) --sentinel:FEED--> followers (--from-redis) --> clients
//!                        ^--------------sentinel:FEED:wants-------+
//! ```
//! Followers tell what they want every few seconds; the publisher forgets those it hears no more of.
//! Redis keeps nothing for those who are away: messages are numbered, and whatever is missed (Redis
//! or the publisher away, a message dropped) is told to clients as a `gap`.

mod follower;
mod line;
mod message;
mod publisher;

pub use follower::follow;
pub use line::{BadRedis, Line};
pub use publisher::publish;
