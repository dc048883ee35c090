//! The ways out of a connection, and what follows each.

use std::time::{Duration, Instant};

use super::patience;
use super::phase::{Next, Phase, Step};
use super::{ASKED_EVERY, Action, CLOSE, Session};
use crate::Event;

impl Session {
    /// Connects anew because a person asked.
    pub(super) fn reconnect(&mut self, now: Instant, actions: &mut Vec<Action>) {
        let earliest = self.opened_at.map_or(now, |at| (at + ASKED_EVERY).max(now));
        match &mut self.phase {
            Phase::Up {
                step: Step::Online { .. },
                ..
            } => self.say_close(now, Next::Wait { until: earliest }, "asked to reconnect", actions),
            // A held place comes free no sooner for being asked more often.
            Phase::Waiting { until } if !self.slot_held => *until = earliest.min(*until),
            Phase::Idle
            | Phase::Opening { .. }
            | Phase::Up { .. }
            | Phase::Waiting { .. }
            | Phase::Closing { .. }
            | Phase::Closed
            | Phase::Fatal => {}
        }
    }

    /// Takes a fresh connection in place of one that is old.
    pub(super) fn freshen(&mut self, now: Instant, actions: &mut Vec<Action>) {
        if self.is_online() {
            let why = "a fresh connection before trading begins";
            self.say_close(now, Next::Wait { until: now }, why, actions);
        }
    }

    /// Closes for good.
    pub(super) fn close(&mut self, now: Instant, actions: &mut Vec<Action>) {
        match &mut self.phase {
            Phase::Up { .. } => self.say_close(now, Next::Closed, "asked to close", actions),
            Phase::Closing { next, .. } => *next = Next::Closed,
            Phase::Opening { .. } => {
                actions.push(Action::Drop);
                self.phase = Phase::Closed;
            }
            Phase::Idle | Phase::Waiting { .. } | Phase::Fatal | Phase::Closed => {
                self.phase = Phase::Closed;
            }
        }
    }

    /// Gives up the present socket, and tries another after a wait.
    pub(super) fn leave(&mut self, now: Instant, reason: &str, actions: &mut Vec<Action>) {
        let until = now + self.wait_after_loss(now, reason);
        self.say_close(now, Next::Wait { until }, reason, actions);
    }

    /// The socket has ended by itself.
    pub(super) fn ended(&mut self, now: Instant, reason: &str, actions: &mut Vec<Action>) {
        self.disconnected(now, reason, actions);
        self.retry(now, reason);
    }

    /// There is no socket; another is tried after a wait.
    pub(super) fn retry(&mut self, now: Instant, reason: &str) {
        let until = now + self.wait_after_loss(now, reason);
        self.phase = Phase::Waiting { until };
    }

    /// Gives up for good.
    pub(super) fn give_up(&mut self, now: Instant, code: u16, message: String, actions: &mut Vec<Action>) {
        self.slot_held = false;
        match &self.phase {
            Phase::Up { .. } => self.say_close(now, Next::Fatal, &message, actions),
            Phase::Idle
            | Phase::Opening { .. }
            | Phase::Waiting { .. }
            | Phase::Closing { .. }
            | Phase::Closed
            | Phase::Fatal => self.phase = Phase::Fatal,
        }
        self.say(Some(message.clone()));
        actions.push(Action::Emit(Event::Fatal { code, message }));
    }

    /// Remembers that another connection of this key holds the place.
    pub(super) fn hold(&mut self, answer: &str) {
        self.slot_held = true;
        self.say(Some(format!(
            "another connection with this key holds the only place ({answer}); \
             it is asked for again and again, a dead one frees it after about 90 s"
        )));
    }

    /// Remembers that another process has the lease.
    pub(super) fn hold_for(&mut self, holder: &str) {
        self.slot_held = true;
        self.say(Some(format!(
            "waits for {holder} to close its connection with this key and endpoint"
        )));
    }

    /// The lease is ours: nothing is waited for any more.
    pub(super) fn leased(&mut self, now: Instant) {
        if let Phase::Waiting { until } = &mut self.phase
            && self.slot_held
        {
            *until = now;
        }
    }

    /// Until the next connection is tried for a place that is held.
    pub(super) fn held_wait(&mut self, now: Instant) -> Duration {
        let wait = self.backoff.jittered(patience::LONGEST);
        patience::next_connection(self.patience.refused(now), wait)
    }

    pub(super) fn say(&mut self, detail: Option<String>) {
        if detail != self.detail {
            self.detail = detail;
            self.revision += 1;
        }
    }

    /// While the place is held, whatever ends a socket between two tries is part of that.
    fn wait_after_loss(&mut self, now: Instant, reason: &str) -> Duration {
        let between_tries = matches!(
            self.phase,
            Phase::Up {
                step: Step::Auth { .. } | Step::Held { .. },
                ..
            }
        );
        if self.slot_held && between_tries {
            return self.held_wait(now);
        }
        self.slot_held = false;
        self.patience.over();
        self.say(Some(reason.to_owned()));
        self.backoff.after_loss(now)
    }

    fn say_close(&mut self, now: Instant, next: Next, reason: &str, actions: &mut Vec<Action>) {
        self.disconnected(now, reason, actions);
        self.phase = Phase::Closing {
            deadline: now + CLOSE,
            next,
        };
        actions.push(Action::Close);
    }

    fn disconnected(&mut self, now: Instant, reason: &str, actions: &mut Vec<Action>) {
        self.subscriptions.lost();
        self.watch.offline(None);
        if self.connected_at.take().is_some() {
            self.patience.lost(now);
            actions.push(Action::Emit(Event::Disconnected {
                reason: reason.to_owned(),
            }));
        }
    }
}
