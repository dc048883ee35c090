//! The laws of the machine, as tests.
//!

mod laws;
mod lives;
mod search;
mod spec;
