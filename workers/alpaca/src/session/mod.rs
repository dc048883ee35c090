//! The session machine.

mod state;

pub use state::State;
