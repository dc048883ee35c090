//! Who asked for what: carries progress and the one result to each of them.

use std::collections::HashMap;

use tokio::sync::mpsc;

use crate::api::{Event, Failure, FailureKind, Outcome, ServiceOutcome, ServiceResult};
use crate::lock::Lock;
use crate::service::ServiceName;
use crate::supervisor::{Answer, Moment, Refusal, Reply, RequestId};

/// All who wait for an answer.
#[derive(Debug, Default)]
pub struct Audience {
    next: u64,
    listeners: HashMap<RequestId, Listener>,
    watchers: Vec<Watcher>,
}

/// One who wants to know of every change, and waits for no answer.
#[derive(Debug)]
struct Watcher {
    events: mpsc::Sender<Event>,
    began: Moment,
}

/// How far a watcher may fall behind, in events, before it is dismissed: it then asks for the status again.
const BEHIND: usize = 1024;

/// One who waits.
#[derive(Debug)]
pub struct Listener {
    /// Where the events go; nobody may be left to read them.
    pub events: mpsc::UnboundedSender<Event>,
    /// Held until the answer: nobody else may change what runs.
    pub lock: Option<Lock>,
    /// When the request came.
    pub began: Moment,
    /// When each service last changed, in milliseconds since then.
    pub changed: HashMap<ServiceName, f64>,
}

impl Audience {
    /// A number for a request, and one who waits for it.
    pub fn admit(&mut self, listener: Listener) -> RequestId {
        self.next += 1;
        let id = RequestId(self.next);
        self.listeners.insert(id, listener);
        id
    }

    /// Whether anybody waits: progress costs nothing otherwise.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.listeners.is_empty() && self.watchers.is_empty()
    }

    /// Whether anybody watches.
    #[must_use]
    pub fn is_watched(&self) -> bool {
        !self.watchers.is_empty()
    }

    /// Somebody watches from now on.
    pub fn watch(&mut self, now: Moment) -> mpsc::Receiver<Event> {
        let (events, receiver) = mpsc::channel(BEHIND);
        self.watchers.push(Watcher { events, began: now });
        receiver
    }

    /// Tells the watchers what is no part of any request.
    pub fn mention(&mut self, event: &Event) {
        self.watchers
            .retain(|watcher| watcher.events.try_send(event.clone()).is_ok());
    }

    /// Tells the watchers a last word, and lets them go.
    pub fn dismiss(&mut self, event: &Event) {
        self.mention(event);
        self.watchers.clear();
    }

    /// Tells everybody of a change.
    pub fn tell(&mut self, now: Moment, service: &ServiceName, event: impl Fn(f64) -> Event) {
        for listener in self.listeners.values_mut() {
            let after_ms = milliseconds(now, listener.began);
            listener.changed.insert(service.clone(), after_ms);
            let _ = listener.events.send(event(after_ms));
        }
        let told = |watcher: &Watcher| event(milliseconds(now, watcher.began));
        self.watchers
            .retain(|watcher| watcher.events.try_send(told(watcher)).is_ok());
    }

    /// Gives one their result, and lets go of what was locked for them.
    pub fn answer(&mut self, id: RequestId, answer: Answer) {
        let Some(listener) = self.listeners.remove(&id) else {
            return;
        };
        let outcome = match answer {
            Answer::Refused(refusal) => refused(&refusal),
            Answer::Settled(replies) => settled(replies, &listener.changed),
        };
        drop(listener.lock);
        let _ = listener.events.send(Event::End(outcome));
    }
}

fn refused(refusal: &Refusal) -> Outcome {
    let (kind, help) = match refusal {
        Refusal::Unknown(_) => {
            let help = "`sentinel status` lists the services; `sentinel reload` takes in new ones";
            (FailureKind::Usage, help)
        }
        Refusal::ShuttingDown => (FailureKind::Busy, "try again when it is down"),
    };
    let failure = Failure {
        kind,
        message: refusal.to_string(),
        help: Some(help.into()),
    };
    Outcome {
        ok: false,
        services: Vec::new(),
        error: Some(failure),
    }
}

fn settled(replies: Vec<(ServiceName, Reply)>, changed: &HashMap<ServiceName, f64>) -> Outcome {
    let outcome = |(name, reply): (ServiceName, Reply)| {
        let took_ms = changed.get(&name).copied().unwrap_or(0.0);
        let (result, reason) = match reply {
            Reply::Done => (ServiceResult::Done, None),
            Reply::Failed(why) => (ServiceResult::Failed, Some(why)),
            Reply::Superseded => (
                ServiceResult::Superseded,
                Some("a later request took its place".into()),
            ),
        };
        ServiceOutcome {
            name: name.to_string(),
            result,
            reason,
            took_ms,
        }
    };
    let services: Vec<ServiceOutcome> = replies.into_iter().map(outcome).collect();
    let ok = services
        .iter()
        .all(|service| service.result == ServiceResult::Done);
    Outcome {
        ok,
        services,
        error: None,
    }
}

/// Milliseconds between two moments, to the microsecond.
#[must_use]
pub fn milliseconds(now: Moment, since: Moment) -> f64 {
    ((now - since).as_secs_f64() * 1e6).round() / 1e3
}
