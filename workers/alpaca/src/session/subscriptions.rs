//! What is desired, what is confirmed, and the one request between them.
//!
//! The server answers every request with the whole subscription, or refuses it whole without
//! saying which symbol it meant. So there is never more than one request in flight, a refused one
//! is halved until the culprit stands alone, and a refusal costs the other symbols nothing.

use std::collections::{BTreeMap, BTreeSet};

use crate::wire::{Request, Verb, chunk_len};

/// Said of a symbol that a confirmation passes over in silence.
const NOT_CONFIRMED: &str = "not confirmed by Alpaca";
const INVALID_SYNTAX: u16 = 400;

/// The two sets and the way from one to the other.
#[derive(Clone, Debug)]
pub(crate) struct Subscriptions {
    /// With the order in which they were first wanted: a limit is felt by the newest.
    desired: BTreeMap<String, u64>,
    confirmed: BTreeSet<String>,
    in_flight: Option<Request>,
    /// Symbols the server keeps though it was told to stop; not asked again on this connection.
    kept: BTreeSet<String>,
    /// Confirmed symbols to be given up and asked for anew.
    stale: BTreeSet<String>,
    /// The request in flight only asks for a sign of life.
    asking: bool,
    /// The most symbols per subscribe request, lowered by refusals.
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
    pub(crate) added: Vec<String>,
    /// No longer desired, because the server will not have them.
    pub(crate) refused: Option<Refusal>,
}

/// Symbols that the server will not send.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) symbols: Vec<String>,
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

    pub(crate) fn want(&mut self, symbols: Vec<String>) {
        for mut symbol in symbols {
            symbol.make_ascii_uppercase();
            if let std::collections::btree_map::Entry::Vacant(place) = self.desired.entry(symbol) {
                place.insert(self.next_age);
                self.next_age += 1;
                self.changed();
            }
        }
    }

    pub(crate) fn unwant(&mut self, symbols: Vec<String>) {
        for mut symbol in symbols {
            symbol.make_ascii_uppercase();
            if self.desired.remove(&symbol).is_some() {
                self.changed();
            }
        }
    }

    pub(crate) fn is_wanted(&self) -> bool {
        !self.desired.is_empty()
    }

    pub(crate) fn is_desired(&self, symbol: &str) -> bool {
        self.desired.contains_key(symbol)
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

    pub(crate) fn desired(&self) -> Vec<String> {
        self.desired.keys().cloned().collect()
    }

    pub(crate) fn confirmed(&self) -> Vec<String> {
        self.confirmed.iter().cloned().collect()
    }

    /// The next request, if one is due and none is in flight; it then is. What is no longer wanted
    /// goes first, since it makes room.
    pub(crate) fn next_request(&mut self) -> Option<Request> {
        if self.settled || self.in_flight.is_some() {
            return None;
        }
        let surplus = self.surplus();
        let (verb, mut symbols) = if surplus.is_empty() {
            let mut missing = self.missing();
            missing.truncate(self.batch);
            (Verb::Subscribe, missing)
        } else {
            (Verb::Unsubscribe, surplus)
        };
        if symbols.is_empty() {
            self.settled = true;
            return None;
        }
        symbols.truncate(chunk_len(&symbols));
        for symbol in &symbols {
            self.stale.remove(symbol);
        }
        self.in_flight = Some(Request { verb, symbols });
        self.in_flight.clone()
    }

    /// Gives these symbols up and asks for them anew.
    pub(crate) fn renew(&mut self, symbols: Vec<String>) {
        let held = symbols.into_iter().filter(|s| self.confirmed.contains(s));
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
            symbols: vec![held.clone()],
        });
        self.asking = true;
        self.in_flight.clone()
    }

    /// The server told the whole subscription: that is how it is.
    pub(crate) fn answered(&mut self, trades: Vec<String>) -> Answer {
        let now: BTreeSet<String> = trades.into_iter().collect();
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
                let passed_over = request.symbols.into_iter();
                let passed_over = passed_over.filter(|s| !self.confirmed.contains(s));
                answer.refused = self.refuse(passed_over.collect(), INVALID_SYNTAX, NOT_CONFIRMED.into());
            }
            Some(request) => {
                let still = request.symbols.into_iter();
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
                self.kept.extend(request.symbols);
                None
            }
            // No trades on this feed: every other symbol would fare the same.
            (Verb::Subscribe, 410) => self.refuse(self.missing(), code, message),
            (Verb::Subscribe, _) if request.symbols.len() > 1 => {
                self.batch = request.symbols.len() / 2;
                None
            }
            // Not one more: nor would any of the others, which are newer, find room.
            (Verb::Subscribe, 405) => self.refuse(self.missing(), code, message),
            (Verb::Subscribe, _) => self.refuse(request.symbols, code, message),
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

    fn refuse(&mut self, symbols: Vec<String>, code: u16, message: String) -> Option<Refusal> {
        let desired = symbols.into_iter();
        // Those that were given up meanwhile need not be told of.
        let mut symbols: Vec<String> = desired.filter(|s| self.desired.remove(s).is_some()).collect();
        symbols.sort_unstable();
        (!symbols.is_empty()).then_some(Refusal {
            symbols,
            code,
            message,
        })
    }

    /// Confirmed and not desired.
    fn surplus(&self) -> Vec<String> {
        let surplus = self.confirmed.iter();
        surplus
            .filter(|s| self.stale.contains(*s) || !self.desired.contains_key(*s) && !self.kept.contains(*s))
            .cloned()
            .collect()
    }

    /// Desired and not confirmed, the oldest first.
    fn missing(&self) -> Vec<String> {
        let missing = self.desired.iter();
        let mut missing: Vec<(&String, &u64)> =
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
