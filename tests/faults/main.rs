//! The fault suite: every scenario is a row of `README.md` beside this file, and every row is a test.
//!
//! Faults come from `workers/chaos` and from the kernel: recycled pids, exhausted descriptors and
//! processes, stepped clocks, SIGKILL at random. What a machine cannot do is skipped, and says so.

mod calendar;
mod clock;
mod crowd;
mod death;
#[path = "../e2e/house.rs"]
mod house;
mod kernel;
mod limits;
mod output;
mod pids;
mod random;
mod socket;
mod table;
