//! One connection per key and endpoint: Alpaca's limit on most plans.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::feed::Feed;

type Place = (String, Feed);

/// The places that are taken.
#[derive(Clone, Debug, Default)]
pub(crate) struct Slots(Arc<Mutex<HashSet<Place>>>);

/// A taken place; its drop frees it.
#[derive(Debug)]
pub(crate) struct Slot {
    slots: Slots,
    place: Place,
}

impl Slots {
    /// Takes the place of this key, unless another connection has it.
    pub(crate) fn take(&self, key: &str, feed: Feed) -> Option<Slot> {
        let place = (key.to_owned(), feed);
        self.lock().insert(place.clone()).then(|| Slot {
            slots: self.clone(),
            place,
        })
    }

    fn lock(&self) -> MutexGuard<'_, HashSet<Place>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.slots.lock().remove(&self.place);
    }
}

#[cfg(test)]
mod tests {
    use super::Slots;
    use crate::feed::Feed;

    #[test]
    fn a_place_is_taken_once_per_key_and_endpoint_until_it_is_freed() {
        let slots = Slots::default();
        let first = slots.take("key", Feed::Iex).expect("free");
        assert!(slots.take("key", Feed::Iex).is_none());
        assert!(slots.take("key", Feed::Sip).is_some());
        assert!(slots.take("other", Feed::Iex).is_some());
        drop(first);
        assert!(slots.take("key", Feed::Iex).is_some());
    }
}
