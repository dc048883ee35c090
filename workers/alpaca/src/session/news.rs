//! What happens on the socket, and what the server says.

use std::time::{Duration, Instant};

use super::patience;
use super::phase::{Phase, Step};
use super::pulse::Pulse;
use super::reaction::{self, Reaction};
use super::subscriptions::Refusal;
use super::{Action, News, OpenFailure, STEP, Session};
use crate::wire::Control;
use crate::{Event, Topic};

/// The longest wait that a server may ask for.
const LONGEST_ASKED: Duration = Duration::from_secs(60);
/// Who has the lease is looked up so often, since another may have got it before us; that it has become
/// ours is told at once.
const LEASE_LOOK: Duration = Duration::from_secs(2);
/// An upgrade refused for our own fault is tried this often before giving up: a gateway may err.
const DENIED_TRIES: u32 = 3;

impl Session {
    pub(super) fn news(&mut self, now: Instant, news: News, actions: &mut Vec<Action>) {
        match (&mut self.phase, news) {
            (Phase::Opening { .. }, News::Opened) => {
                self.denied = 0;
                self.phase = Phase::Up {
                    pulse: Pulse::new(now),
                    step: Step::Welcome { deadline: now + STEP },
                };
            }
            (Phase::Opening { .. }, News::OpenFailed(failure)) => {
                self.not_opened(now, failure, actions);
            }
            (Phase::Opening { .. }, News::Ended { reason }) => self.retry(now, &reason),
            (Phase::Up { pulse, .. }, News::Heard) => pulse.heard(),
            (Phase::Up { pulse, .. }, News::Pong(payload)) => {
                self.round_trip = pulse.answered(now, payload).or(self.round_trip);
            }
            (Phase::Up { pulse, step }, News::Data) => {
                pulse.heard();
                self.last_data = Some(now);
                if matches!(step, Step::Online { .. }) {
                    self.backoff.proven();
                    if let Some(silence) = self.watch.heard(now) {
                        actions.push(Action::Emit(Event::Doubted { silence }));
                    }
                }
            }
            (Phase::Up { pulse, .. }, News::Halt(halt)) => {
                pulse.heard();
                self.watch.halted(now, &halt.symbol, halt.halted);
            }
            (Phase::Up { pulse, .. }, News::Control(control)) => {
                pulse.heard();
                self.control(now, control, actions);
            }
            (Phase::Up { .. }, News::Ended { reason }) => self.ended(now, &reason, actions),
            (Phase::Closing { next, .. }, News::Ended { .. }) => self.phase = next.phase(),
            // A socket that is no longer ours, or news that cannot be: nothing depends on it.
            (
                Phase::Idle
                | Phase::Opening { .. }
                | Phase::Up { .. }
                | Phase::Waiting { .. }
                | Phase::Closing { .. }
                | Phase::Closed
                | Phase::Fatal,
                News::Opened
                | News::OpenFailed(_)
                | News::Heard
                | News::Pong(_)
                | News::Data
                | News::Halt(_)
                | News::Control(_)
                | News::Ended { .. },
            ) => {}
        }
    }

    fn not_opened(&mut self, now: Instant, failure: OpenFailure, actions: &mut Vec<Action>) {
        match failure {
            OpenFailure::Transport(reason) => self.retry(now, &reason),
            OpenFailure::Leased { holder } => {
                self.hold_for(&holder);
                self.phase = Phase::Waiting {
                    until: now + LEASE_LOOK,
                };
            }
            OpenFailure::Http {
                status: 429,
                retry_after,
            } => {
                let asked = retry_after.unwrap_or_default().min(LONGEST_ASKED);
                self.hold("HTTP 429 too many requests");
                let until = now + self.held_wait(now).max(asked);
                self.phase = Phase::Waiting { until };
            }
            OpenFailure::Http { status, .. } => {
                let reason = format!("the server answered HTTP {status} to the connection request");
                if matches!(status, 400..=499) {
                    self.denied += 1;
                }
                if self.denied < DENIED_TRIES {
                    return self.retry(now, &reason);
                }
                let message = format!("{reason}: check ALPACA_DATA_URL and the API key");
                self.give_up(now, status, message, actions);
            }
        }
    }

    fn control(&mut self, now: Instant, control: Control, actions: &mut Vec<Action>) {
        let Phase::Up { step, .. } = &mut self.phase else {
            return;
        };
        match (control, *step) {
            (Control::Welcome, Step::Welcome { .. }) => {
                *step = Step::Auth { deadline: now + STEP };
                actions.push(Action::Authenticate);
            }
            (Control::Authenticated, Step::Welcome { .. } | Step::Auth { .. } | Step::Held { .. }) => {
                self.online(now, actions);
            }
            (Control::Subscription { topics }, Step::Online { .. }) => {
                self.subscription(now, topics, actions);
            }
            (Control::Error { code, message }, _) => self.error(now, code, message, actions),
            // Said twice, or before its time: it tells nothing new.
            (
                Control::Welcome | Control::Authenticated | Control::Subscription { .. },
                Step::Welcome { .. } | Step::Auth { .. } | Step::Held { .. } | Step::Online { .. },
            ) => {}
        }
    }

    fn online(&mut self, now: Instant, actions: &mut Vec<Action>) {
        let Phase::Up { step, .. } = &mut self.phase else {
            return;
        };
        *step = Step::Online { answer_due: None };
        self.slot_held = false;
        self.patience.over();
        self.authenticated += 1;
        if self.authenticated > 1 {
            self.reconnects.add(now);
        }
        self.watch.online(now);
        self.connected_at = Some(now);
        self.say(None);
        actions.push(Action::Emit(Event::Connected));
    }

    fn subscription(&mut self, now: Instant, topics: Vec<Topic>, actions: &mut Vec<Action>) {
        let subscriptions = &self.subscriptions;
        let wanted = |symbol: &str| subscriptions.is_desired(&Topic::trades(symbol));
        self.watch.subscribed(now, &topics, wanted);
        self.watch.answered();
        let answer = self.subscriptions.answered(topics);
        self.request_over();
        if !answer.added.is_empty() {
            actions.push(Action::Emit(Event::Subscribed { topics: answer.added }));
        }
        self.tell_refusal(now, answer.refused, actions);
    }

    fn error(&mut self, now: Instant, code: u16, message: String, actions: &mut Vec<Action>) {
        let Phase::Up { step, .. } = &self.phase else {
            return;
        };
        let step = *step;
        match (reaction::to(code), step) {
            (Some(Reaction::Fatal(hint)), _) => {
                let message = format!("Alpaca refused the connection ({message}): {hint}");
                self.give_up(now, code, message, actions);
            }
            (Some(Reaction::Refusal), Step::Online { .. }) => {
                self.watch.answered();
                let refusal = self.subscriptions.refused(code, message);
                self.request_over();
                self.tell_refusal(now, refusal, actions);
            }
            (Some(Reaction::SlotHeld), Step::Welcome { .. } | Step::Auth { .. } | Step::Held { .. }) => {
                self.held(now, code, &message);
            }
            (Some(Reaction::Authenticated), Step::Welcome { .. } | Step::Auth { .. }) => {
                self.online(now, actions);
            }
            (Some(Reaction::Authenticated), Step::Held { .. } | Step::Online { .. }) | (None, _) => {}
            (Some(Reaction::Msgpack), _) => {
                actions.push(Action::SpeakMsgpack);
                self.leave(now, &format!("{message} (code {code})"), actions);
            }
            (Some(Reaction::SlowClient), _) => {
                self.slow_client += 1;
                self.leave(
                    now,
                    &format!("{message} (code {code}): this process read too slowly"),
                    actions,
                );
            }
            (Some(Reaction::Reconnect | Reaction::Refusal | Reaction::SlotHeld), _) => {
                self.leave(now, &format!("{message} (code {code})"), actions);
            }
        }
    }

    /// The place is taken: the socket stays usable for another try, until the server closes it.
    fn held(&mut self, now: Instant, code: u16, message: &str) {
        self.hold(&format!("{message} (code {code})"));
        let held = self.patience.refused(now);
        let pause = patience::next_ask(held);
        let retry_at = now + pause.unwrap_or_else(|| self.backoff.jittered(patience::LONGEST));
        if let Phase::Up { step, .. } = &mut self.phase {
            *step = Step::Held { retry_at };
        }
    }

    /// Wants these, but for what was refused a moment ago: that is told again at once.
    pub(super) fn want(&mut self, now: Instant, topics: Vec<Topic>, actions: &mut Vec<Action>) {
        let (free, refused) = self.quarantine.split(now, topics);
        self.subscriptions.want(free);
        actions.extend(refused.into_iter().map(told));
    }

    fn tell_refusal(&mut self, now: Instant, refusal: Option<Refusal>, actions: &mut Vec<Action>) {
        if let Some(refusal) = refusal {
            self.quarantine.add(now, &refusal);
            actions.push(told(refusal));
        }
    }

    fn request_over(&mut self) {
        if let Phase::Up {
            step: Step::Online { answer_due },
            ..
        } = &mut self.phase
            && !self.subscriptions.is_in_flight()
        {
            *answer_due = None;
        }
    }
}

fn told(refusal: Refusal) -> Action {
    let Refusal {
        topics,
        code,
        message,
    } = refusal;
    Action::Emit(Event::Refused {
        topics,
        code,
        message,
    })
}
