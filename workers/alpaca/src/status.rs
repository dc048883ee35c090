//! The connection as it is now, for health answers.

use std::time::SystemTime;

use crate::{Liveness, State};

/// A connection at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// What the session is doing.
    pub state: State,
    /// Since when it has been in this state.
    pub since: SystemTime,
    /// Symbols that are wanted, in alphabetical order.
    pub desired: Vec<String>,
    /// Symbols that Alpaca has confirmed on this connection, in alphabetical order.
    pub confirmed: Vec<String>,
    /// Times that the connection was authenticated after the first time.
    pub reconnects: u64,
    /// When the last trade came; updated without waking those who wait for a change.
    pub last_data: Option<SystemTime>,
    /// Since when the present connection has been authenticated.
    pub connected_at: Option<SystemTime>,
    /// Trades that were dropped because a receiver of events read too slowly.
    pub dropped_trades: u64,
    /// One sentence for a person: what is wrong or what is waited for.
    pub detail: Option<String>,
    /// Whether the feed is alive, and what was expected of it.
    pub liveness: Liveness,
}

impl Status {
    /// The status before anything was asked.
    pub fn idle(now: SystemTime) -> Self {
        Self {
            state: State::Idle,
            since: now,
            desired: Vec::new(),
            confirmed: Vec::new(),
            reconnects: 0,
            last_data: None,
            connected_at: None,
            dropped_trades: 0,
            detail: None,
            liveness: Liveness::default(),
        }
    }
}
