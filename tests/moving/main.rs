//! Moving in and out, through the real binary.

mod export;
mod host;
#[path = "../e2e/house.rs"]
#[allow(dead_code, reason = "the end-to-end tests need more of a house")]
mod house;
mod import;
mod keys;
mod runs;
mod shells;
mod supervisorctl;
mod tools;
