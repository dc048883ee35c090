//! Laws: what holds whatever happens, under random histories of a hostile world.

use proptest::prelude::*;

use super::super::OpenFailure;
use super::*;

const SYMBOLS: [&str; 4] = ["A", "B", "C", "D"];

/// What the world may do next. Numbers choose among possibilities.
#[derive(Clone, Debug)]
enum Step {
    Want(usize),
    Unwant(usize),
    Reconnect,
    Close,
    Opened,
    OpenFailed(u16),
    Heard,
    Data,
    Pong(u64),
    Market(MarketPhase),
    Leased,
    Looked(bool),
    Halt(usize, bool),
    Welcome,
    Authenticated,
    Confirm(u8),
    Error(u16),
    Ended,
    Stale,
    Wait(u64),
    Tick,
}

fn step() -> impl Strategy<Value = Step> {
    let code = prop::sample::select(vec![
        400_u16, 401, 402, 403, 404, 405, 406, 407, 408, 409, 410, 411, 412, 413, 500, 999,
    ]);
    let status = prop::sample::select(vec![0_u16, 1, 401, 404, 429, 503]);
    prop_oneof![
        4 => (0..4_usize).prop_map(Step::Want),
        2 => (0..4_usize).prop_map(Step::Unwant),
        1 => Just(Step::Reconnect),
        1 => prop::bool::weighted(0.05).prop_map(|close| if close { Step::Close } else { Step::Tick }),
        6 => Just(Step::Opened),
        1 => status.prop_map(Step::OpenFailed),
        1 => Just(Step::Heard),
        2 => Just(Step::Data),
        1 => (0..4_u64).prop_map(Step::Pong),
        1 => prop::sample::select(vec![MarketPhase::Closed, MarketPhase::Pre, MarketPhase::Core]).prop_map(Step::Market),
        1 => (0..4_usize, prop::bool::ANY).prop_map(|(n, halted)| Step::Halt(n, halted)),
        6 => Just(Step::Welcome),
        6 => Just(Step::Authenticated),
        6 => (0..16_u8).prop_map(Step::Confirm),
        4 => code.prop_map(Step::Error),
        1 => Just(Step::Leased),
        1 => prop::bool::ANY.prop_map(Step::Looked),
        2 => Just(Step::Ended),
        1 => Just(Step::Stale),
        2 => (0..12_000_u64).prop_map(Step::Wait),
        4 => Just(Step::Tick),
    ]
}

/// What an observer of inputs and actions knows about the connection.
#[derive(Debug, Default)]
struct Observer {
    socket: bool,
    closing: bool,
    authenticated: bool,
    request_in_flight: bool,
    told_connected: bool,
    fatal: bool,
    told_to_close: bool,
}

impl Observer {
    fn see_step(&mut self, step: &Step) {
        match step {
            Step::Authenticated | Step::Error(403) if self.socket => self.authenticated = true,
            Step::Confirm(_) | Step::Error(_) => self.request_in_flight = false,
            Step::Ended | Step::OpenFailed(_) => *self = self.without_socket(),
            Step::Close => self.told_to_close = true,
            _ => {}
        }
    }

    fn without_socket(&self) -> Self {
        Self {
            socket: false,
            closing: false,
            authenticated: false,
            request_in_flight: false,
            ..*self
        }
    }

    fn see_action(&mut self, action: &Action) {
        match action {
            Action::Open { .. } => {
                assert!(!self.socket, "two sockets at once");
                assert!(!self.fatal && !self.told_to_close, "final is final");
                self.socket = true;
            }
            Action::Drop => {
                assert!(self.socket, "nothing to drop");
                *self = self.without_socket();
            }
            Action::Close => {
                assert!(self.socket && !self.closing, "nothing to close");
                self.closing = true;
            }
            Action::Authenticate => assert!(self.socket && !self.closing),
            Action::Look(symbols) => assert!(self.authenticated && !symbols.is_empty()),
            Action::Ping(_) => assert!(self.socket && !self.closing),
            Action::Send(request) => {
                assert!(self.authenticated && !self.closing, "before authentication");
                assert!(!self.request_in_flight, "two requests in flight");
                assert!(!request.topics.is_empty());
                self.request_in_flight = true;
            }
            Action::Emit(Event::Connected) => {
                assert!(!self.told_connected);
                self.told_connected = true;
            }
            Action::Emit(Event::Disconnected { .. }) => {
                assert!(self.told_connected);
                self.told_connected = false;
            }
            Action::Emit(Event::Fatal { .. }) => {
                assert!(!self.fatal, "fatal once");
                self.fatal = true;
            }
            Action::Emit(Event::Subscribed { topics } | Event::Refused { topics, .. }) => {
                assert!(!topics.is_empty());
            }
            Action::SpeakMsgpack => assert!(self.socket),
            Action::Emit(Event::Muted { .. } | Event::Paused { .. } | Event::Doubted { .. }) => {}
            Action::Emit(Event::Trades(_) | Event::Data(_)) => {
                panic!("the machine does not see trades")
            }
        }
    }
}

/// Whether the world can do this now: a socket that is not there reports nothing.
fn possible(step: &Step, opening: bool, observer: &Observer) -> bool {
    match step {
        Step::Opened | Step::OpenFailed(_) => opening,
        Step::Pong(_) | Step::Halt(..) => observer.socket && !opening,
        Step::Market(_) | Step::Leased | Step::Looked(_) => true,
        Step::Heard | Step::Data | Step::Welcome | Step::Authenticated => observer.socket && !opening,
        Step::Confirm(_) | Step::Error(_) => observer.socket && !opening,
        Step::Ended => observer.socket && !opening,
        Step::Want(_) | Step::Unwant(_) | Step::Reconnect | Step::Close => true,
        Step::Stale | Step::Wait(_) | Step::Tick => true,
    }
}

fn play(stage: &mut Stage, step: &Step) -> Vec<Action> {
    match step {
        Step::Want(n) => stage.want(&SYMBOLS[*n..]),
        Step::Unwant(n) => stage.unwant(&SYMBOLS[..=*n]),
        Step::Reconnect => stage.input(Input::Asked(Ask::Reconnect)),
        Step::Close => stage.input(Input::Asked(Ask::Close)),
        Step::Opened => stage.news(News::Opened),
        Step::OpenFailed(0) => stage.news(News::OpenFailed(OpenFailure::Transport("x".into()))),
        Step::OpenFailed(1) => stage.news(News::OpenFailed(OpenFailure::Leased { holder: "x".into() })),
        Step::OpenFailed(status) => stage.news(News::OpenFailed(OpenFailure::Http {
            status: *status,
            retry_after: None,
        })),
        Step::Heard => stage.news(News::Heard),
        Step::Data => stage.trade(&SYMBOLS),
        Step::Pong(payload) => stage.news(News::Pong(*payload)),
        Step::Leased => stage.input(Input::Leased),
        Step::Looked(newer) => {
            let connection = stage.connection;
            let newer = *newer;
            stage.input(Input::Looked { connection, newer })
        }
        Step::Market(phase) => stage.input(Input::Market(*phase)),
        Step::Halt(n, halted) => stage.halt(SYMBOLS[*n], *halted),
        Step::Welcome => stage.control(Control::Welcome),
        Step::Authenticated => stage.control(Control::Authenticated),
        Step::Confirm(bits) => {
            let chosen = SYMBOLS.iter().enumerate();
            let chosen = chosen.filter(|(n, _)| bits & (1 << n) != 0);
            stage.confirm(&chosen.map(|(_, symbol)| *symbol).collect::<Vec<_>>())
        }
        Step::Error(code) => stage.error(*code),
        Step::Ended => stage.ended(),
        Step::Stale => {
            let connection = stage.connection + 1;
            let news = News::Ended { reason: "x".into() };
            stage.input(Input::Socket { connection, news })
        }
        Step::Wait(milliseconds) => {
            let until = stage.now + Duration::from_millis(*milliseconds);
            // Time does not pass a deadline without a tick.
            stage.now = stage
                .session
                .next_deadline()
                .map_or(until, |d| d.min(until))
                .max(stage.now);
            stage.input(Input::Tick)
        }
        Step::Tick => match stage.session.next_deadline() {
            Some(_) => stage.tick(),
            None => stage.input(Input::Tick),
        },
    }
}

/// A well-behaved server from here on: everything comes to rest as desired.
fn settle(stage: &mut Stage, opening: &mut bool) {
    for _ in 0..200 {
        let state = stage.session.state();
        if matches!(state, State::Idle | State::Live | State::Fatal | State::Closed) {
            return;
        }
        let actions = match (state, *opening) {
            (_, true) => {
                *opening = false;
                stage.news(News::Opened)
            }
            (State::Connecting, false) => stage.control(Control::Welcome),
            (State::AuthWait, false) => stage.control(Control::Authenticated),
            (State::Closing, false) => stage.ended(),
            (State::Subscribing, false) => {
                let trades = stage.session.snapshot().desired;
                stage.control(Control::Subscription { topics: trades })
            }
            (State::SlotHeld, false) => {
                let actions = stage.tick();
                match actions[..] {
                    [Action::Authenticate] => stage.control(Control::Authenticated),
                    _ => match stage.control(Control::Welcome)[..] {
                        [Action::Authenticate] => stage.control(Control::Authenticated),
                        _ => actions,
                    },
                }
            }
            _ => stage.tick(),
        };
        *opening |= actions.iter().any(|a| matches!(a, Action::Open { .. }));
    }
    panic!("does not settle: {:?}", stage.session);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn laws_hold_in_every_history(steps in prop::collection::vec(step(), 0..200)) {
        let mut stage = Stage::new();
        let mut observer = Observer::default();
        let mut opening = false;
        for step in &steps {
            if !possible(step, opening, &observer) {
                continue;
            }
            // An early tick changes nothing, whenever it comes.
            let before = stage.session.snapshot();
            if stage.session.next_deadline().is_none_or(|deadline| deadline > stage.now) {
                prop_assert_eq!(stage.session.handle(stage.now, Input::Tick), vec![]);
                prop_assert_eq!(stage.session.snapshot(), before.clone());
            }
            observer.see_step(step);
            let actions = play(&mut stage, step);
            if matches!(step, Step::Stale) {
                prop_assert_eq!(&actions, &vec![]);
            }
            opening &= !matches!(step, Step::Opened | Step::OpenFailed(_));
            for action in &actions {
                observer.see_action(action);
                match action {
                    Action::Open { .. } => opening = true,
                    Action::Drop => opening = false,
                    _ => {}
                }
            }
            check(&stage, &observer);
        }
        settle(&mut stage, &mut opening);
        let end = stage.session.snapshot();
        if end.state == State::Live {
            prop_assert!(end.desired.iter().all(|symbol| end.confirmed.contains(symbol)));
        }
    }
}

/// What must be true between any two inputs.
fn check(stage: &Stage, observer: &Observer) {
    let session = &stage.session;
    let snapshot = session.snapshot();
    match snapshot.state {
        State::Idle | State::Closed | State::Fatal => {
            assert_eq!(session.next_deadline(), None);
            assert!(!observer.socket, "no socket at rest");
        }
        State::Connecting
        | State::AuthWait
        | State::SlotHeld
        | State::Subscribing
        | State::Live
        | State::BackingOff
        | State::Closing => {
            let deadline = session
                .next_deadline()
                .expect("what is waited for has a deadline");
            assert!(deadline <= stage.now + Duration::from_secs(60));
        }
    }
    assert_eq!(snapshot.state.is_connected(), observer.told_connected);
    assert_eq!(snapshot.connected_at.is_some(), observer.told_connected);
    assert!(snapshot.state != State::Idle || snapshot.desired.is_empty());
}
