//! The pages in a real browser: headless Chromium, driven over its own debugging protocol.
//!
//! These need Chromium, so they are ignored unless `scripts/test_web` runs them.

#[path = "../common/mod.rs"]
mod common;

mod accessible;
mod chain;
mod chromium;
mod host;
mod house;
mod screenshots;
mod seeds;
mod speed;
mod stand_in;
mod system;
mod tape;
