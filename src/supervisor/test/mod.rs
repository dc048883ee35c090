//! The laws of the machine, as tests.
//!

mod backoff;
mod histories;
mod laws;
mod lives;
mod resume;
mod search;
mod spec;
mod stories;
mod stories_adoption;
mod stories_health;
mod stories_order;
mod stories_promise;
mod stories_recovery;
mod stories_reload;
mod stories_request;
mod table;
mod world;
