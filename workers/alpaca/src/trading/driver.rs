//! Performs what the session of orders decides, and tells it what came of it.

use std::hash::{BuildHasher, RandomState};
use std::time::{Instant, SystemTime};

use tokio::sync::{broadcast, mpsc, watch};
use tracing::{info, warn};

use super::session::{Action, Input, Session};
use super::wire::{self, Told};
use super::{Ask, OrderEvent, OrderStatus};
use crate::Credentials;
use crate::lease::{Lease, NotYet};
use crate::session::{News, OpenFailure};
use crate::socket::{Report, Socket};
use crate::wire::Spelling;

/// Whose orders, and where.
pub(crate) struct Account {
    pub(crate) credentials: Credentials,
    pub(crate) url: String,
    pub(crate) lease: Option<Lease>,
}

struct Driver {
    account: Account,
    session: Session,
    socket: Socket,
    events: broadcast::Sender<OrderEvent>,
    publisher: watch::Sender<OrderStatus>,
}

/// Runs the connection until it is told to close, and has closed.
pub(crate) async fn run(
    account: Account,
    mut asks: mpsc::UnboundedReceiver<Ask>,
    events: broadcast::Sender<OrderEvent>,
    publisher: watch::Sender<OrderStatus>,
) {
    let mut driver = Driver {
        account,
        session: Session::new(Instant::now(), RandomState::new().hash_one(())),
        socket: Socket::raw(),
        events,
        publisher,
    };
    while !driver.session.is_closed() {
        let deadline = driver.session.next_deadline();
        let due = async {
            match deadline {
                Some(at) => tokio::time::sleep_until(at.into()).await,
                None => std::future::pending().await,
            }
        };
        let input = tokio::select! {
            ask = asks.recv() => match ask {
                Some(Ask::Listen) => Input::Listen,
                Some(Ask::Close) | None => Input::Close,
            },
            report = driver.socket.next() => match driver.report(report) {
                Some(input) => input,
                None => continue,
            },
            () = crate::driver::granted(&mut driver.account.lease) => Input::Leased,
            () = due => Input::Tick,
        };
        driver.feed(input);
    }
}

impl Driver {
    /// What a report is to the session.
    fn report(&mut self, report: Report) -> Option<Input> {
        Some(match report {
            Report::News(News::Opened) => Input::Opened,
            Report::News(News::OpenFailed(failure)) => Input::OpenFailed(failure),
            Report::News(News::Ended { reason }) => Input::Ended(reason),
            Report::News(News::Heard | News::Pong(_)) => Input::Heard,
            Report::Message(bytes) => match wire::decode(&bytes) {
                Told::Update(data) => {
                    // Nobody may listen.
                    let _ = self.events.send(OrderEvent::Update(data.into()));
                    Input::Heard
                }
                told => Input::Told(told),
            },
            Report::News(News::Data | News::Halt(_) | News::Control(_)) | Report::Frame(_) => return None,
        })
    }

    fn feed(&mut self, input: Input) {
        for action in self.session.handle(Instant::now(), input) {
            self.perform(action);
        }
        if self.session.is_given_up()
            && let Some(lease) = &mut self.account.lease
        {
            lease.give_back();
        }
        self.publish();
    }

    fn perform(&mut self, action: Action) {
        let told = match action {
            Action::Open => return self.open(),
            Action::Authenticate => return self.socket.send(wire::authenticate(&self.account.credentials)),
            Action::Listen => return self.socket.send(wire::listen()),
            Action::Ping(payload) => return self.socket.ping(payload),
            Action::Close => return self.socket.close(),
            Action::Drop => return self.socket.let_go(),
            Action::Connected => {
                info!("listening for order updates");
                OrderEvent::Connected
            }
            Action::Disconnected(reason) => {
                warn!("order updates are interrupted: {reason}");
                OrderEvent::Disconnected { reason }
            }
            Action::Fatal(message) => {
                warn!("order updates are given up: {message}");
                OrderEvent::Fatal { message }
            }
        };
        // Nobody may listen.
        let _ = self.events.send(told);
    }

    fn open(&mut self) {
        match self.account.lease.as_mut().map_or(Ok(()), Lease::take) {
            Ok(()) => self.socket.open(self.account.url.clone(), Spelling::Json),
            Err(NotYet::HeldBy(holder)) => self.socket.fail(OpenFailure::Leased { holder }),
            Err(NotYet::Failed(why)) => self.socket.fail(OpenFailure::Transport(why)),
        }
    }

    fn publish(&mut self) {
        let state = self.session.state();
        let status = OrderStatus {
            state,
            good: if state.is_connected() {
                Some(SystemTime::now())
            } else {
                self.publisher.borrow().good
            },
            reconnects: self.session.connections.saturating_sub(1),
            detail: self.session.detail.clone(),
        };
        self.publisher.send_if_modified(|published| {
            let is_news = (published.state, &published.detail) != (status.state, &status.detail);
            *published = status;
            is_news
        });
    }
}
