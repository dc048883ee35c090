//! Every decision of a connection for orders, without I/O and without a clock.
//!
//! ```text
//!   Idle --listen--> Opening --> Auth --authorized--> Listen --listening--> Online
//!                      ^  |        |  unauthorized: Fatal                     |
//!                      +--+-- Waiting <-- Closing <------- lost, late, dead --+
//! ```

use std::time::{Duration, Instant};

use super::wire::Told;
use crate::State;
use crate::session::{Backoff, Beat, OpenFailure, Pulse};

const STEP: Duration = Duration::from_secs(5);
const CLOSE: Duration = Duration::from_secs(3);
/// Who has the lease is looked up so often.
const LEASE_LOOK: Duration = Duration::from_secs(2);
/// How long to wait for a place that another connection holds.
const HELD: Duration = Duration::from_secs(5);
const LONGEST_ASKED: Duration = Duration::from_secs(60);

/// What goes in.
#[derive(Debug)]
pub(super) enum Input {
    Listen,
    Close,
    Leased,
    Opened,
    OpenFailed(OpenFailure),
    Heard,
    Told(Told),
    Ended(String),
    Tick,
}

/// What comes out.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Action {
    Open,
    Authenticate,
    Listen,
    Ping(u64),
    Close,
    Drop,
    Connected,
    Disconnected(String),
    Fatal(String),
}

#[derive(Debug)]
enum Phase {
    Idle,
    Opening(Instant),
    Auth(Instant),
    Listen(Instant),
    Online,
    Waiting(Instant),
    /// With the deadline, and when to connect again; never, if not said.
    Closing(Instant, Option<Instant>),
    Closed,
    Fatal,
}

/// One connection for orders.
#[derive(Debug)]
pub(super) struct Session {
    phase: Phase,
    pulse: Pulse,
    backoff: Backoff,
    is_fatal: bool,
    slot_held: bool,
    told_connected: bool,
    pub(super) connections: u64,
    pub(super) detail: Option<String>,
}

impl Session {
    pub(super) fn new(now: Instant, seed: u64) -> Self {
        Self {
            phase: Phase::Idle,
            pulse: Pulse::new(now),
            backoff: Backoff::new(seed),
            is_fatal: false,
            slot_held: false,
            told_connected: false,
            connections: 0,
            detail: None,
        }
    }

    pub(super) fn is_closed(&self) -> bool {
        matches!(self.phase, Phase::Closed)
    }

    pub(super) fn is_given_up(&self) -> bool {
        matches!(self.phase, Phase::Fatal)
    }

    pub(super) fn state(&self) -> State {
        match self.phase {
            Phase::Idle => State::Idle,
            Phase::Opening(_) | Phase::Waiting(_) if self.slot_held => State::SlotHeld,
            Phase::Opening(_) => State::Connecting,
            Phase::Auth(_) => State::AuthWait,
            Phase::Listen(_) => State::Subscribing,
            Phase::Online => State::Live,
            Phase::Waiting(_) => State::BackingOff,
            Phase::Closing(..) => State::Closing,
            Phase::Closed => State::Closed,
            Phase::Fatal => State::Fatal,
        }
    }

    pub(super) fn next_deadline(&self) -> Option<Instant> {
        match self.phase {
            Phase::Idle | Phase::Closed | Phase::Fatal => None,
            Phase::Opening(at) | Phase::Waiting(at) | Phase::Closing(at, _) => Some(at),
            Phase::Auth(at) | Phase::Listen(at) => Some(at.min(self.pulse.deadline())),
            Phase::Online => Some(self.pulse.deadline()),
        }
    }

    pub(super) fn handle(&mut self, now: Instant, input: Input) -> Vec<Action> {
        let mut actions = Vec::new();
        match input {
            Input::Listen if matches!(self.phase, Phase::Idle) => self.open(now, &mut actions),
            Input::Listen => {}
            Input::Close => self.close(now, &mut actions),
            Input::Leased if self.slot_held && matches!(self.phase, Phase::Waiting(_)) => {
                self.open(now, &mut actions);
            }
            Input::Leased => {}
            Input::Opened if matches!(self.phase, Phase::Opening(_)) => {
                self.pulse = Pulse::new(now);
                self.phase = Phase::Auth(now + STEP);
                actions.push(Action::Authenticate);
            }
            Input::Opened => {}
            Input::OpenFailed(failure) => self.not_opened(now, failure),
            Input::Heard => self.pulse.heard(),
            Input::Told(told) => {
                self.pulse.heard();
                self.told(now, told, &mut actions);
            }
            Input::Ended(reason) => self.ended(now, reason, &mut actions),
            Input::Tick => self.tick(now, &mut actions),
        }
        actions
    }

    fn open(&mut self, now: Instant, actions: &mut Vec<Action>) {
        self.phase = Phase::Opening(now + STEP);
        actions.push(Action::Open);
    }

    fn not_opened(&mut self, now: Instant, failure: OpenFailure) {
        let wait = match failure {
            OpenFailure::Leased { holder } => {
                self.slot_held = true;
                self.detail = Some(format!("waits for {holder} to close its connection for orders"));
                LEASE_LOOK
            }
            OpenFailure::Http {
                status: 429,
                retry_after,
            } => {
                self.slot_held = true;
                self.detail = Some("another connection for orders holds the only place (HTTP 429)".into());
                let asked = retry_after.unwrap_or_default().min(LONGEST_ASKED);
                self.backoff.jittered(HELD).max(asked)
            }
            OpenFailure::Http { status, .. } => {
                self.failed(now, format!("the server answered HTTP {status}"))
            }
            OpenFailure::Transport(why) => self.failed(now, why),
        };
        self.phase = Phase::Waiting(now + wait);
    }

    fn failed(&mut self, now: Instant, why: String) -> Duration {
        self.slot_held = false;
        self.detail = Some(why);
        self.backoff.after_loss(now)
    }

    fn told(&mut self, now: Instant, told: Told, actions: &mut Vec<Action>) {
        match (&self.phase, told) {
            (Phase::Auth(_), Told::Authorized(true)) => {
                self.phase = Phase::Listen(now + STEP);
                actions.push(Action::Listen);
            }
            (Phase::Auth(_) | Phase::Listen(_), Told::Authorized(false)) => {
                let hint = "Alpaca refused the key for orders: check ALPACA_API_KEY and ALPACA_SECRET_KEY, \
                            and that the key is of this account (paper or live)";
                self.give_up(now, hint.into(), actions);
            }
            (Phase::Listen(_), Told::Listening(true)) => {
                self.phase = Phase::Online;
                self.backoff.proven();
                (self.slot_held, self.detail, self.told_connected) = (false, None, true);
                self.connections += 1;
                actions.push(Action::Connected);
            }
            (Phase::Listen(_), Told::Listening(false)) => {
                self.give_up(now, "this account has no order updates".into(), actions);
            }
            (Phase::Auth(_) | Phase::Listen(_) | Phase::Online, Told::Error(why)) => {
                self.leave(now, &format!("the server said: {why}"), actions);
            }
            _ => {}
        }
    }

    fn tick(&mut self, now: Instant, actions: &mut Vec<Action>) {
        match self.phase {
            Phase::Waiting(until) if until <= now => self.open(now, actions),
            Phase::Opening(deadline) if deadline <= now => {
                actions.push(Action::Drop);
                let wait = self.failed(now, "no connection within 5 s".into());
                self.phase = Phase::Waiting(now + wait);
            }
            Phase::Closing(deadline, _) if deadline <= now => {
                actions.push(Action::Drop);
                self.closed();
            }
            Phase::Auth(deadline) | Phase::Listen(deadline) if deadline <= now => {
                self.leave(now, "no answer within 5 s", actions);
            }
            Phase::Auth(_) | Phase::Listen(_) | Phase::Online => match self.pulse.tick(now) {
                Beat::Dead => self.leave(now, "no answer to a ping within 10 s", actions),
                Beat::Ping(payload) => actions.push(Action::Ping(payload)),
                Beat::Quiet => {}
            },
            Phase::Idle
            | Phase::Waiting(_)
            | Phase::Opening(_)
            | Phase::Closing(..)
            | Phase::Closed
            | Phase::Fatal => {}
        }
    }

    fn ended(&mut self, now: Instant, reason: String, actions: &mut Vec<Action>) {
        match self.phase {
            Phase::Closing(..) => self.closed(),
            Phase::Opening(_) | Phase::Auth(_) | Phase::Listen(_) | Phase::Online => {
                self.disconnected(&reason, actions);
                let wait = self.failed(now, reason);
                self.phase = Phase::Waiting(now + wait);
            }
            Phase::Idle | Phase::Waiting(_) | Phase::Closed | Phase::Fatal => {}
        }
    }

    fn leave(&mut self, now: Instant, reason: &str, actions: &mut Vec<Action>) {
        self.disconnected(reason, actions);
        let wait = self.failed(now, reason.to_owned());
        self.phase = Phase::Closing(now + CLOSE, Some(now + wait));
        actions.push(Action::Close);
    }

    fn give_up(&mut self, now: Instant, message: String, actions: &mut Vec<Action>) {
        self.is_fatal = true;
        self.phase = Phase::Closing(now + CLOSE, None);
        self.detail = Some(message.clone());
        actions.extend([Action::Close, Action::Fatal(message)]);
    }

    fn close(&mut self, now: Instant, actions: &mut Vec<Action>) {
        self.is_fatal = false;
        match self.phase {
            Phase::Auth(_) | Phase::Listen(_) | Phase::Online => {
                self.disconnected("asked to close", actions);
                self.phase = Phase::Closing(now + CLOSE, None);
                actions.push(Action::Close);
            }
            Phase::Closing(deadline, _) => self.phase = Phase::Closing(deadline, None),
            Phase::Opening(_) => {
                actions.push(Action::Drop);
                self.phase = Phase::Closed;
            }
            Phase::Idle | Phase::Waiting(_) | Phase::Closed | Phase::Fatal => self.phase = Phase::Closed,
        }
    }

    fn closed(&mut self) {
        self.phase = match self.phase {
            Phase::Closing(_, Some(again)) => Phase::Waiting(again),
            _ if self.is_fatal => Phase::Fatal,
            _ => Phase::Closed,
        };
    }

    fn disconnected(&mut self, reason: &str, actions: &mut Vec<Action>) {
        if std::mem::take(&mut self.told_connected) {
            actions.push(Action::Disconnected(reason.to_owned()));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::{Action, Input, Session, Told};
    use crate::State;
    use crate::session::OpenFailure;

    fn online() -> (Session, Instant) {
        let now = Instant::now();
        let mut session = Session::new(now, 1);
        assert_eq!(session.handle(now, Input::Listen), [Action::Open]);
        assert_eq!(session.handle(now, Input::Opened), [Action::Authenticate]);
        assert_eq!(
            session.handle(now, Input::Told(Told::Authorized(true))),
            [Action::Listen]
        );
        assert_eq!(
            session.handle(now, Input::Told(Told::Listening(true))),
            [Action::Connected]
        );
        (session, now)
    }

    #[test]
    fn a_loss_is_answered_at_once_and_told() {
        let (mut session, now) = online();
        let lost = session.handle(now, Input::Ended("lost".into()));
        assert_eq!(lost, [Action::Disconnected("lost".into())]);
        assert_eq!(session.handle(now, Input::Tick), [Action::Open], "at once");
    }

    #[test]
    fn the_key_of_another_account_is_final() {
        let now = Instant::now();
        let mut session = Session::new(now, 1);
        session.handle(now, Input::Listen);
        session.handle(now, Input::Opened);
        let refused = session.handle(now, Input::Told(Told::Authorized(false)));
        assert!(matches!(&refused[..], [Action::Close, Action::Fatal(_)]));
        session.handle(now, Input::Ended(String::new()));
        assert_eq!((session.state(), session.next_deadline()), (State::Fatal, None));
    }

    #[test]
    fn a_held_place_is_waited_for_and_no_storm_is_made() {
        let now = Instant::now();
        let mut session = Session::new(now, 1);
        session.handle(now, Input::Listen);
        let (status, retry_after) = (429, None);
        session.handle(now, Input::OpenFailed(OpenFailure::Http { status, retry_after }));
        assert_eq!(session.state(), State::SlotHeld);
        let wait = session.next_deadline().expect("a wait") - now;
        assert!(wait > Duration::from_secs(3), "{wait:?}");
    }

    #[test]
    fn a_silent_peer_is_left_after_an_unanswered_ping_and_an_idle_one_is_not() {
        let (mut session, now) = online();
        let pinged = now + Duration::from_secs(10);
        assert_eq!(session.handle(pinged, Input::Tick), [Action::Ping(1)]);
        session.handle(pinged, Input::Heard);
        let again = now + Duration::from_secs(20);
        assert_eq!(session.handle(again, Input::Tick), [Action::Ping(2)]);
        let dead = session.handle(again + Duration::from_secs(10), Input::Tick);
        assert!(
            matches!(&dead[..], [Action::Disconnected(_), Action::Close]),
            "{dead:?}"
        );
    }

    #[test]
    fn a_close_is_a_close() {
        let (mut session, now) = online();
        let closing = session.handle(now, Input::Close);
        assert!(matches!(&closing[..], [Action::Disconnected(_), Action::Close]));
        assert_eq!(
            session.handle(now + Duration::from_secs(3), Input::Tick),
            [Action::Drop]
        );
        assert!(session.is_closed());
    }
}
