//! The connection as it is now, for health answers.

use std::time::SystemTime;

use crate::{Liveness, State, Topic};

/// Something that Alpaca refused of late.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quarantined {
    /// What it was.
    pub topic: Topic,
    /// Alpaca's code: 400 for what is no symbol, 405 over the plan's limit, 410 for a channel that
    /// the feed does not have.
    pub code: u16,
    /// Alpaca's own words, or ours where it said nothing.
    pub message: String,
}

/// A connection at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// What the session is doing.
    pub state: State,
    /// Since when it has been in this state.
    pub since: SystemTime,
    /// What is wanted, in alphabetical order.
    pub desired: Vec<Topic>,
    /// What Alpaca has confirmed on this connection, in alphabetical order.
    pub confirmed: Vec<Topic>,
    /// What Alpaca refused of late, and why.
    pub quarantined: Vec<Quarantined>,
    /// Times that Alpaca called this process too slow (407) and cut it.
    pub slow_client: u64,
    /// Times that the connection was authenticated after the first time.
    pub reconnects: u64,
    /// When the last data came; updated without waking those who wait for a change.
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
            quarantined: Vec::new(),
            slow_client: 0,
            reconnects: 0,
            last_data: None,
            connected_at: None,
            dropped_trades: 0,
            detail: None,
            liveness: Liveness::default(),
        }
    }
}
