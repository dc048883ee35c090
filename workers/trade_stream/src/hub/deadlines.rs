//! What the hub does when its time has come. One timer serves for all of it: one that is set anew for
//! each arrival would cost every trade.

use std::time::Instant;

use tokio::time::{Sleep, sleep_until};

use super::Hub;

/// Returns when what it is set to has come.
pub(super) struct Timer(std::pin::Pin<Box<Sleep>>);

impl Timer {
    pub(super) fn new() -> Self {
        Self(Box::pin(sleep_until(Instant::now().into())))
    }

    /// Returns at `deadline`; never without one. Cancel-safe.
    pub(super) async fn at(&mut self, deadline: Option<Instant>) {
        let Some(deadline) = deadline.map(tokio::time::Instant::from_std) else {
            return std::future::pending().await;
        };
        if self.0.deadline() != deadline {
            self.0.as_mut().reset(deadline);
        }
        self.0.as_mut().await;
    }
}

impl Hub {
    /// When `do_what_is_due` has something to do next.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        let all = [
            self.fillings.next_due(),
            self.doubted_until,
            self.late.next_overdue(),
            self.topics.next_expiry(),
            self.channels.next_expiry(),
            self.next_pulse,
            self.next_ping,
        ];
        all.into_iter().flatten().min()
    }

    /// Does all whose time has come.
    pub(super) fn do_what_is_due(&mut self) {
        let now = Instant::now();
        let is_due = |at: Option<Instant>| at.is_some_and(|at| at <= now);
        if is_due(self.fillings.next_due()) {
            self.fill_next();
        }
        if is_due(self.doubted_until) {
            self.look_into_doubts();
        }
        if is_due(self.late.next_overdue()) {
            self.let_go_overdue();
        }
        if is_due(self.topics.next_expiry()) || is_due(self.channels.next_expiry()) {
            self.expire();
        }
        if is_due(self.next_pulse) {
            self.pulse();
        }
        if is_due(self.next_ping) {
            self.ping_silent();
        }
    }
}
