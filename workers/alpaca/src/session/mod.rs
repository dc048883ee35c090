//! The session machine: every decision of a market-data connection, without I/O and without a clock.
//!
//! ```text
//!                 wanted                 opened            welcome             authenticated
//!   Idle ----------------> Opening ----------------> Welcome ------> Auth --------------> Online
//!    ^                      ^   |                       |              | ^ 406  again |      |
//!    |  nothing wanted      |   | failed, late          | late         | v            |      |
//!    +------------------ Waiting <-- Closing <----------+--------------+ Held --------+      |
//!                                      |  ^---------- lost, late, dead, code 401 404 407 500 +
//!                                      +--> Closed (told to), Fatal (402 409 411 ...)
//! ```
//! Laws, each of them tested:
//! * Never two sockets at once: one is opened only after the last has ended or was let go.
//! * Nothing is subscribed before authentication, and one request is in flight at a time.
//! * Whatever is waited for has a deadline, except a person.
//! * `Closed` and `Fatal` are final.
//! * `Connected` and `Disconnected` alternate.
//! * News of an earlier socket changes nothing; an early tick changes nothing.
//!
//! Four clocks say whether the connection lives: `pulse` the transport, the deadlines of the steps the
//! protocol, `watch` the feed and each symbol. Pongs prove the transport and nothing else.

mod action;
mod backoff;
mod input;
mod leave;
mod life;
mod news;
mod patience;
mod phase;
mod pulse;
mod quarantine;
mod rate;
mod reaction;
mod reconnects;
mod state;
mod subscriptions;
#[cfg(test)]
mod test;
mod watch;

use std::time::{Duration, Instant};

pub use action::Action;
pub use input::{Ask, Input, News, OpenFailure};
pub use life::VitalSigns;
pub use state::State;

pub(crate) use backoff::Backoff;
use patience::Patience;
use phase::{Phase, Step};
pub(crate) use pulse::{Beat, Pulse};
use quarantine::Quarantine;
use reconnects::Reconnects;
use subscriptions::Subscriptions;
use watch::Watch;

use crate::{Quarantined, Topic, Verdict};

/// The longest that opening, each step of the handshake, and each answer to a request may take.
const STEP: Duration = Duration::from_secs(5);
/// The longest that a clean close may take.
const CLOSE: Duration = Duration::from_secs(3);
/// Sockets that people ask for are opened at most this often.
const ASKED_EVERY: Duration = Duration::from_secs(1);

/// One market-data session. See the module for its map and its laws.
#[derive(Clone, Debug)]
pub struct Session {
    phase: Phase,
    /// The number of the latest socket.
    connection: u64,
    opened_at: Option<Instant>,
    subscriptions: Subscriptions,
    quarantine: Quarantine,
    slow_client: u64,
    backoff: Backoff,
    watch: Watch,
    reconnects: Reconnects,
    round_trip: Option<Duration>,
    mute_alarms: u64,
    renewed_symbols: u64,
    /// Set from the first 406 or 429 until authenticated, or until something else is wrong.
    slot_held: bool,
    /// Since when the place is waited for.
    patience: Patience,
    /// Upgrades refused in a row by an HTTP status that is our own fault.
    denied: u32,
    authenticated: u64,
    connected_at: Option<Instant>,
    last_data: Option<Instant>,
    detail: Option<String>,
    state: State,
    verdict: Option<Verdict>,
    since: Instant,
    revision: u64,
}

/// What can be told about a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// What it is doing.
    pub state: State,
    /// Since when.
    pub since: Instant,
    /// What is wanted, in alphabetical order.
    pub desired: Vec<Topic>,
    /// What is confirmed, in alphabetical order.
    pub confirmed: Vec<Topic>,
    /// What was refused of late.
    pub quarantined: Vec<Quarantined>,
    /// Times that the server called us too slow.
    pub slow_client: u64,
    /// Times authenticated after the first.
    pub reconnects: u64,
    /// When the last trades came.
    pub last_data: Option<Instant>,
    /// Since when the present socket has been authenticated.
    pub connected_at: Option<Instant>,
    /// What is wrong or waited for.
    pub detail: Option<String>,
}

impl Session {
    /// A session that wants nothing yet. The seed decides the jitter of its waits.
    pub fn new(now: Instant, seed: u64) -> Self {
        Self {
            phase: Phase::Idle,
            connection: 0,
            opened_at: None,
            subscriptions: Subscriptions::new(),
            quarantine: Quarantine::default(),
            slow_client: 0,
            backoff: Backoff::new(seed),
            watch: Watch::new(now),
            reconnects: Reconnects::default(),
            round_trip: None,
            mute_alarms: 0,
            renewed_symbols: 0,
            slot_held: false,
            patience: Patience::default(),
            denied: 0,
            authenticated: 0,
            connected_at: None,
            last_data: None,
            detail: None,
            state: State::Idle,
            verdict: None,
            since: now,
            revision: 0,
        }
    }

    /// Takes one input and answers what is to be done, in order.
    pub fn handle(&mut self, now: Instant, input: Input) -> Vec<Action> {
        let mut actions = Vec::new();
        match input {
            Input::Asked(ask) => self.asked(now, ask, &mut actions),
            Input::Socket { connection, news } if connection == self.connection => {
                self.news(now, news, &mut actions);
            }
            Input::Socket { .. } => {}
            Input::Market(phase) => self.market(now, phase),
            Input::Looked { connection, newer } if connection == self.connection && self.is_online() => {
                self.looked(now, newer, &mut actions);
            }
            Input::Looked { .. } => {}
            Input::Leased => self.leased(now),
            Input::Tick => self.tick(now, &mut actions),
        }
        self.proceed(now, &mut actions);
        self.note_state(now);
        actions
    }

    /// When `Input::Tick` is due at the latest.
    pub fn next_deadline(&self) -> Option<Instant> {
        let phase = self.phase.deadline()?;
        // Judged only on a socket that is up, and that always has a deadline.
        let judged = self.watch.deadline().filter(|_| self.is_online());
        Some(judged.map_or(phase, |at| at.min(phase)))
    }

    /// True once it was told to close and has closed: nothing will happen any more.
    pub fn is_closed(&self) -> bool {
        matches!(self.phase, Phase::Closed)
    }

    /// True while a socket is in use, so that its data is to be passed on.
    pub fn is_receiving(&self) -> bool {
        matches!(self.phase, Phase::Up { .. })
    }

    /// True once it has given up and its last socket has ended.
    pub fn is_given_up(&self) -> bool {
        matches!(self.phase, Phase::Fatal)
    }

    /// How long the present connection has stood.
    pub fn connected_for(&self, now: Instant) -> Option<Duration> {
        let since = self.connected_at.filter(|_| self.is_online())?;
        Some(now.saturating_duration_since(since))
    }

    /// What it is doing.
    pub fn state(&self) -> State {
        self.state
    }

    /// When the last trades came.
    pub fn last_data(&self) -> Option<Instant> {
        self.last_data
    }

    /// Differs when anything in the snapshot but `last_data` differs.
    pub fn revision(&self) -> (u64, u64) {
        (self.revision, self.subscriptions.revision())
    }

    /// All that can be told.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot {
            state: self.state,
            since: self.since,
            desired: self.subscriptions.desired(),
            confirmed: self.subscriptions.confirmed(),
            quarantined: self.quarantine.list(),
            slow_client: self.slow_client,
            reconnects: self.authenticated.saturating_sub(1),
            last_data: self.last_data,
            connected_at: self.connected_at,
            detail: self.detail.clone(),
        }
    }

    fn asked(&mut self, now: Instant, ask: Ask, actions: &mut Vec<Action>) {
        match ask {
            Ask::Want(topics) => self.want(now, topics, actions),
            Ask::Unwant(topics) => {
                self.quarantine.make_room();
                self.subscriptions.unwant(topics);
            }
            Ask::Freshen => self.freshen(now, actions),
            Ask::Reconnect => self.reconnect(now, actions),
            Ask::Close => self.close(now, actions),
        }
    }

    fn tick(&mut self, now: Instant, actions: &mut Vec<Action>) {
        match &mut self.phase {
            Phase::Idle | Phase::Waiting { .. } | Phase::Closed | Phase::Fatal => {}
            Phase::Opening { deadline } if *deadline <= now => {
                actions.push(Action::Drop);
                self.retry(now, "no connection within 5 s");
            }
            Phase::Closing { deadline, next } if *deadline <= now => {
                let next = *next;
                actions.push(Action::Drop);
                self.phase = next.phase();
            }
            Phase::Opening { .. } | Phase::Closing { .. } => {}
            Phase::Up { pulse, step } => {
                let beat = pulse.tick(now);
                let step_is_over = step.deadline().is_some_and(|deadline| deadline <= now);
                match beat {
                    Beat::Dead => {
                        self.leave(now, "no answer to a ping within 10 s", actions);
                        self.watch.offline(Some(Verdict::Dead));
                    }
                    Beat::Ping(_) | Beat::Quiet if step_is_over => self.step_over(now, actions),
                    Beat::Ping(payload) => actions.push(Action::Ping(payload)),
                    Beat::Quiet => {}
                }
            }
        }
        if self.is_online() {
            self.judge(now, actions);
        }
    }

    fn step_over(&mut self, now: Instant, actions: &mut Vec<Action>) {
        let Phase::Up { step, .. } = &mut self.phase else {
            return;
        };
        let late = match *step {
            Step::Welcome { .. } => "no welcome within 5 s",
            Step::Auth { .. } => "no answer to the credentials within 5 s",
            Step::Online { .. } => {
                self.leave(now, "no answer to a subscription within 5 s", actions);
                return self.watch.offline(Some(Verdict::Dead));
            }
            Step::Held { .. } => {
                *step = Step::Auth { deadline: now + STEP };
                return actions.push(Action::Authenticate);
            }
        };
        self.leave(now, late, actions);
    }

    /// Does what the present place makes possible by itself.
    fn proceed(&mut self, now: Instant, actions: &mut Vec<Action>) {
        match &mut self.phase {
            Phase::Idle if self.subscriptions.is_wanted() => self.open(now, actions),
            Phase::Waiting { .. } if !self.subscriptions.is_wanted() => {
                self.phase = Phase::Idle;
                self.slot_held = false;
            }
            Phase::Waiting { until } if *until <= now => self.open(now, actions),
            Phase::Up {
                step: Step::Online { answer_due },
                ..
            } => {
                if let Some(request) = self.subscriptions.next_request() {
                    *answer_due = Some(now + STEP);
                    actions.push(Action::Send(request));
                }
            }
            Phase::Idle
            | Phase::Waiting { .. }
            | Phase::Opening { .. }
            | Phase::Up { .. }
            | Phase::Closing { .. }
            | Phase::Closed
            | Phase::Fatal => {}
        }
    }

    fn open(&mut self, now: Instant, actions: &mut Vec<Action>) {
        self.connection += 1;
        self.opened_at = Some(now);
        self.watch.offline(None);
        self.phase = Phase::Opening { deadline: now + STEP };
        actions.push(Action::Open {
            connection: self.connection,
        });
    }

    fn note_state(&mut self, now: Instant) {
        let (state, verdict) = (self.shown(), self.watch.verdict());
        if state != self.state {
            self.state = state;
            self.since = now;
            self.revision += 1;
        }
        if verdict != self.verdict {
            self.verdict = verdict;
            self.revision += 1;
        }
    }

    fn shown(&self) -> State {
        match &self.phase {
            Phase::Idle => State::Idle,
            Phase::Closing { .. } => State::Closing,
            Phase::Closed => State::Closed,
            Phase::Fatal => State::Fatal,
            Phase::Up {
                step: Step::Online { .. },
                ..
            } if self.subscriptions.is_settled() => State::Live,
            Phase::Up {
                step: Step::Online { .. },
                ..
            } => State::Subscribing,
            Phase::Opening { .. } | Phase::Up { .. } | Phase::Waiting { .. } if self.slot_held => {
                State::SlotHeld
            }
            Phase::Waiting { .. } => State::BackingOff,
            Phase::Opening { .. }
            | Phase::Up {
                step: Step::Welcome { .. },
                ..
            } => State::Connecting,
            Phase::Up { .. } => State::AuthWait,
        }
    }
}
