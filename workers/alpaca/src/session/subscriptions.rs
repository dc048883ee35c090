//! What is desired, what is confirmed, and the one request between them.
//!
//! The server answers every request with the whole subscription, or refuses it whole without
//! saying which symbol it meant. So there is never more than one request in flight, a refused one
//! is halved until the culprit stands alone, and a refusal costs the other topics nothing.

use std::collections::{BTreeMap, BTreeSet};

use crate::Topic;
use crate::wire::{Request, Verb, chunk_len};

/// Said of what a confirmation passes over in silence.
const NOT_CONFIRMED: &str = "not confirmed by Alpaca";
const INVALID_SYNTAX: u16 = 400;

/// The two sets and the way from one to the other.
#[derive(Clone, Debug)]
pub(crate) struct Subscriptions {
    /// With the order in which they were first wanted: a limit is felt by the newest.
    desired: BTreeMap<Topic, u64>,
    confirmed: BTreeSet<Topic>,
    in_flight: Option<Request>,
    /// What the server keeps though it was told to stop; not asked again on this connection.
    kept: BTreeSet<Topic>,
    /// Confirmed topics to be given up and asked for anew.
    stale: BTreeSet<Topic>,
    /// The request in flight only asks for a sign of life.
    asking: bool,
    /// The most topics per subscribe request, lowered by refusals.
    batch: usize,
    next_age: u64,
    /// True when there is nothing to ask; spares the comparison on every input.
    settled: bool,
    revision: u64,
}

/// What an answer changed.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Answer {
    /// Newly confirmed.
    pub(crate) added: Vec<Topic>,
    /// No longer desired, because the server will not have them.
    pub(crate) refused: Option<Refusal>,
}

/// What the server will not send.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) topics: Vec<Topic>,
    pub(crate) code: u16,
    pub(crate) message: String,
}

impl Subscriptions {
    pub(crate) fn new() -> Self {
        Self {
            desired: BTreeMap::new(),
            confirmed: BTreeSet::new(),
            in_flight: None,
            kept: BTreeSet::new(),
            stale: BTreeSet::new(),
            asking: false,
            batch: usize::MAX,
            next_age: 0,
            settled: true,
            revision: 0,
        }
    }

    pub(crate) fn want(&mut self, topics: Vec<Topic>) {
        for topic in topics {
            if let std::collections::btree_map::Entry::Vacant(place) = self.desired.entry(topic) {
                place.insert(self.next_age);
                self.next_age += 1;
                self.changed();
            }
        }
    }

    pub(crate) fn unwant(&mut self, topics: Vec<Topic>) {
        for topic in topics {
            if self.desired.remove(&topic).is_some() {
                self.changed();
            }
        }
    }

    pub(crate) fn is_wanted(&self) -> bool {
        !self.desired.is_empty()
    }

    pub(crate) fn is_desired(&self, topic: &Topic) -> bool {
        self.desired.contains_key(topic)
    }

    /// True when all is as desired and no answer is awaited.
    pub(crate) fn is_settled(&self) -> bool {
        self.settled && (self.in_flight.is_none() || self.asking)
    }

    pub(crate) fn is_in_flight(&self) -> bool {
        self.in_flight.is_some()
    }

    /// Counts the changes of either set.
    pub(crate) fn revision(&self) -> u64 {
        self.revision
    }

    pub(crate) fn desired(&self) -> Vec<Topic> {
        self.desired.keys().cloned().collect()
    }

    pub(crate) fn confirmed(&self) -> Vec<Topic> {
        self.confirmed.iter().cloned().collect()
    }

    /// The next request, if one is due and none is in flight; it then is. What is no longer wanted
    /// goes first, since it makes room.
    pub(crate) fn next_request(&mut self) -> Option<Request> {
        if self.settled || self.in_flight.is_some() {
            return None;
        }
        let surplus = self.surplus();
        let (verb, mut topics) = if surplus.is_empty() {
            let mut missing = self.missing();
            missing.truncate(self.batch);
            (Verb::Subscribe, missing)
        } else {
            (Verb::Unsubscribe, surplus)
        };
        if topics.is_empty() {
            self.settled = true;
            return None;
        }
        topics.truncate(chunk_len(&topics));
        for topic in &topics {
            self.stale.remove(topic);
        }
        self.in_flight = Some(Request { verb, topics });
        self.in_flight.clone()
    }

    /// Gives these topics up and asks for them anew.
    pub(crate) fn renew(&mut self, topics: Vec<Topic>) {
        let held = topics.into_iter().filter(|s| self.confirmed.contains(s));
        self.stale.extend(held);
        self.changed();
    }

    /// A request for what is confirmed already, which then is in flight; `None` when an answer is
    /// awaited anyway, or nothing is confirmed.
    pub(crate) fn ask_again(&mut self) -> Option<Request> {
        if self.in_flight.is_some() {
            return None;
        }
        let held = self.confirmed.iter().find(|s| self.desired.contains_key(*s))?;
        self.in_flight = Some(Request {
            verb: Verb::Subscribe,
            topics: vec![held.clone()],
        });
        self.asking = true;
        self.in_flight.clone()
    }

    /// The server told the whole subscription: that is how it is.
    pub(crate) fn answered(&mut self, told: Vec<Topic>) -> Answer {
        let now: BTreeSet<Topic> = told.into_iter().collect();
        let added = now.difference(&self.confirmed);
        let mut answer = Answer {
            added: added.filter(|s| self.desired.contains_key(*s)).cloned().collect(),
            refused: None,
        };
        if now != self.confirmed {
            self.confirmed = now;
            self.changed();
        }
        match self.take_in_flight() {
            Some(request) if request.verb == Verb::Subscribe => {
                self.batch = self.batch.saturating_mul(2);
                let passed_over = request.topics.into_iter();
                let passed_over = passed_over.filter(|s| !self.confirmed.contains(s));
                answer.refused = self.refuse(passed_over.collect(), INVALID_SYNTAX, NOT_CONFIRMED.into());
            }
            Some(request) => {
                let still = request.topics.into_iter();
                self.kept.extend(still.filter(|s| self.confirmed.contains(s)));
            }
            None => {}
        }
        answer
    }

    /// The server refused the request in flight, and applied nothing of it.
    pub(crate) fn refused(&mut self, code: u16, message: String) -> Option<Refusal> {
        let asked = self.asking;
        let request = self.take_in_flight()?;
        // A refusal is a sign of life too, and nothing was asked for.
        if asked {
            return None;
        }
        match (request.verb, code) {
            (Verb::Unsubscribe, _) => {
                self.kept.extend(request.topics);
                None
            }
            (Verb::Subscribe, code)
                if request.topics.len() > 1 && !(code == 410 && is_one_channel(&request)) =>
            {
                self.batch = request.topics.len() / 2;
                None
            }
            // Not one more, or no such channel on this feed: all others that are missing of this
            // channel would fare the same.
            (Verb::Subscribe, 405 | 410) => {
                let channel = request.topics.first().map(|topic| topic.channel);
                let mut missing = self.missing();
                missing.retain(|topic| Some(topic.channel) == channel);
                self.refuse(missing, code, message)
            }
            (Verb::Subscribe, _) => self.refuse(request.topics, code, message),
        }
    }

    /// The connection is gone, and with it all that was confirmed on it.
    pub(crate) fn lost(&mut self) {
        self.confirmed.clear();
        self.kept.clear();
        self.stale.clear();
        self.asking = false;
        self.in_flight = None;
        self.batch = usize::MAX;
        self.changed();
    }

    fn refuse(&mut self, topics: Vec<Topic>, code: u16, message: String) -> Option<Refusal> {
        let desired = topics.into_iter();
        // Those that were given up meanwhile need not be told of.
        let mut topics: Vec<Topic> = desired.filter(|s| self.desired.remove(s).is_some()).collect();
        topics.sort_unstable();
        (!topics.is_empty()).then_some(Refusal {
            topics,
            code,
            message,
        })
    }

    /// Confirmed and not desired.
    fn surplus(&self) -> Vec<Topic> {
        let surplus = self.confirmed.iter();
        surplus
            .filter(|s| self.stale.contains(*s) || !self.desired.contains_key(*s) && !self.kept.contains(*s))
            .cloned()
            .collect()
    }

    /// Desired and not confirmed, the oldest first.
    fn missing(&self) -> Vec<Topic> {
        let missing = self.desired.iter();
        let mut missing: Vec<(&Topic, &u64)> =
            missing.filter(|(s, _)| !self.confirmed.contains(*s)).collect();
        missing.sort_unstable_by_key(|(_, age)| **age);
        missing.into_iter().map(|(s, _)| s.clone()).collect()
    }

    fn take_in_flight(&mut self) -> Option<Request> {
        if !std::mem::take(&mut self.asking) {
            self.changed();
        }
        self.in_flight.take()
    }

    fn changed(&mut self) {
        self.settled = false;
        self.revision += 1;
    }
}

fn is_one_channel(request: &Request) -> bool {
    let mut channels = request.topics.iter().map(|topic| topic.channel);
    let first = channels.next();
    channels.all(|channel| Some(channel) == first)
}
