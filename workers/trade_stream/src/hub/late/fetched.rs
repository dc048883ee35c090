//! What was fetched of a symbol of late, since some of it may come live as well. Pure.

use std::collections::{HashSet, VecDeque};

use jiff::{SignedDuration, Timestamp};

use crate::hub::recent::Key;

/// Once live trades are so much newer than all that was fetched, no more of that comes live, nor is it
/// fetched again.
const PASSED: SignedDuration = SignedDuration::from_secs(10);

/// The fetched trades that still matter.
#[derive(Debug, Default)]
pub(super) struct Fetched {
    order: VecDeque<(Timestamp, Key)>,
    keys: HashSet<Key>,
    newest: Option<Timestamp>,
}

impl Fetched {
    pub(super) fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    pub(super) fn has(&self, key: Key) -> bool {
        !self.keys.is_empty() && self.keys.contains(&key)
    }

    /// False when it was there.
    pub(super) fn add(&mut self, key: Key, at: Option<Timestamp>) -> bool {
        let is_new = self.keys.insert(key);
        if is_new {
            self.newest = self.newest.max(at);
            let at = at.or(self.newest).unwrap_or(Timestamp::MIN);
            self.order.push_back((at, key));
        }
        is_new
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = Key> {
        self.order.iter().map(|(_, key)| *key)
    }

    /// What was made before then does not matter any more.
    pub(super) fn forget_before(&mut self, before: Timestamp) {
        while let Some((_, key)) = self.order.pop_front_if(|(at, _)| *at < before) {
            self.keys.remove(&key);
        }
        if self.order.is_empty() {
            *self = Self::default();
        } else if self.order.capacity() > 4 * self.order.len() {
            self.order.shrink_to_fit();
            self.keys.shrink_to_fit();
        }
    }

    /// Live trades have come to this time.
    pub(super) fn passed(&mut self, live: Timestamp) {
        if self
            .newest
            .is_none_or(|newest| live.duration_since(newest) > PASSED)
        {
            *self = Self::default();
        }
    }
}
