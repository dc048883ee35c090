//! Tests of the machine: a stage to play it on, stories, and laws under random histories.

mod errors;
mod laws;
mod refusals;
mod silence;
mod stories;

use std::time::{Duration, Instant};

use super::{Action, Ask, Input, News, Session, State};
use crate::Event;
use crate::wire::{Control, Halt, Request, Verb};
use crate::{MarketPhase, Topic, Verdict};

/// A session in virtual time.
struct Stage {
    session: Session,
    start: Instant,
    now: Instant,
    connection: u64,
}

impl Stage {
    fn new() -> Self {
        let start = Instant::now();
        Self {
            session: Session::new(start, 1),
            start,
            now: start,
            connection: 0,
        }
    }

    /// A session that is live with these symbols, and has had data.
    fn live(symbols: &[&str]) -> Self {
        let mut stage = Self::new();
        stage.want(symbols);
        stage.open_and_authenticate();
        stage.confirm(symbols);
        stage.news(News::Data);
        assert_eq!(stage.session.state(), State::Live);
        stage
    }

    fn input(&mut self, input: Input) -> Vec<Action> {
        let actions = self.session.handle(self.now, input);
        for action in &actions {
            if let Action::Open { connection } = action {
                self.connection = *connection;
            }
        }
        actions
    }

    fn want(&mut self, symbols: &[&str]) -> Vec<Action> {
        self.input(Input::Asked(Ask::Want(owned(symbols))))
    }

    fn unwant(&mut self, symbols: &[&str]) -> Vec<Action> {
        self.input(Input::Asked(Ask::Unwant(owned(symbols))))
    }

    fn news(&mut self, news: News) -> Vec<Action> {
        self.input(Input::Socket {
            connection: self.connection,
            news,
        })
    }

    /// A trade of each of these symbols, in one message.
    fn trade(&mut self, symbols: &[&str]) -> Vec<Action> {
        for symbol in symbols {
            self.session.count(self.now, symbol);
        }
        self.news(News::Data)
    }

    fn halt(&mut self, symbol: &str, halted: bool) -> Vec<Action> {
        let symbol = symbol.to_owned();
        self.news(News::Halt(Halt { symbol, halted }))
    }

    fn verdict(&self) -> Option<Verdict> {
        self.session.vital_signs().verdict
    }

    fn control(&mut self, control: Control) -> Vec<Action> {
        self.news(News::Control(control))
    }

    fn error(&mut self, code: u16) -> Vec<Action> {
        let message = format!("error {code}");
        self.control(Control::Error { code, message })
    }

    fn confirm(&mut self, trades: &[&str]) -> Vec<Action> {
        let topics = owned(trades);
        self.control(Control::Subscription { topics })
    }

    fn ended(&mut self) -> Vec<Action> {
        let reason = "lost".into();
        self.news(News::Ended { reason })
    }

    fn open_and_authenticate(&mut self) -> Vec<Action> {
        assert_eq!(self.news(News::Opened), []);
        assert_eq!(self.control(Control::Welcome), [Action::Authenticate]);
        self.control(Control::Authenticated)
    }

    /// Lets time pass up to the next deadline, and ticks.
    fn tick(&mut self) -> Vec<Action> {
        self.now = self.session.next_deadline().expect("something is waited for");
        self.input(Input::Tick)
    }

    /// Ticks until something else than a ping is done; every ping is answered.
    fn tick_past_pings(&mut self) -> Vec<Action> {
        loop {
            let actions = self.tick();
            match actions[..] {
                [Action::Ping(payload)] => assert_eq!(self.news(News::Pong(payload)), []),
                [] => {}
                _ => return actions,
            }
        }
    }

    /// Another stage in the same situation.
    fn clone_of(&self) -> Self {
        Self {
            session: self.session.clone(),
            ..*self
        }
    }

    fn wait_s(&self) -> f64 {
        let deadline = self.session.next_deadline().expect("a deadline");
        deadline.saturating_duration_since(self.now).as_secs_f64()
    }

    fn seconds(&self) -> Duration {
        self.now - self.start
    }
}

fn owned(symbols: &[&str]) -> Vec<Topic> {
    symbols.iter().copied().map(Topic::trades).collect()
}

fn subscribe(symbols: &[&str]) -> Action {
    Action::Send(Request {
        verb: Verb::Subscribe,
        topics: owned(symbols),
    })
}

fn unsubscribe(symbols: &[&str]) -> Action {
    Action::Send(Request {
        verb: Verb::Unsubscribe,
        topics: owned(symbols),
    })
}

fn subscribed(symbols: &[&str]) -> Action {
    Action::Emit(Event::Subscribed {
        topics: owned(symbols),
    })
}

fn disconnected(reason: &str) -> Action {
    Action::Emit(Event::Disconnected {
        reason: reason.into(),
    })
}

fn refused(symbols: &[&str], code: u16) -> Action {
    Action::Emit(Event::Refused {
        topics: owned(symbols),
        code,
        message: format!("error {code}"),
    })
}
