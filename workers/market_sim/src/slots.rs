//! One connection per key and endpoint: Alpaca's limit on most plans.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::feed::Feed;

/// Of a key: that of a feed, or that of its orders.
type Place = (String, Option<Feed>);

/// The places that are taken, and those of connections that ended uncleanly until they are free.
#[derive(Clone, Debug, Default)]
pub(crate) struct Slots(Arc<Mutex<HashMap<Place, Option<Instant>>>>);

/// A taken place; its drop frees it, at once or after it has lingered.
#[derive(Debug)]
pub(crate) struct Slot {
    slots: Slots,
    place: Place,
    linger: Duration,
}

impl Slots {
    /// Takes the place of this key, unless another connection has it.
    pub(crate) fn take(&self, now: Instant, key: &str, feed: Option<Feed>) -> Option<Slot> {
        let place = (key.to_owned(), feed);
        let mut places = self.lock();
        let is_free = match places.get(&place) {
            None => true,
            Some(free_at) => free_at.is_some_and(|at| at <= now),
        };
        is_free.then(|| {
            places.insert(place.clone(), None);
            Slot {
                slots: self.clone(),
                place,
                linger: Duration::ZERO,
            }
        })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Place, Option<Instant>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Slot {
    /// Its drop frees it only so long after, as Alpaca does when no Close came.
    pub(crate) fn linger(&mut self, time: Duration) {
        self.linger = time;
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut places = self.slots.lock();
        if self.linger.is_zero() {
            places.remove(&self.place);
        } else {
            places.insert(self.place.clone(), Some(Instant::now() + self.linger));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::Slots;
    use crate::feed::Feed;

    #[test]
    fn a_place_is_taken_once_per_key_and_endpoint_until_it_is_freed() {
        let slots = Slots::default();
        let now = Instant::now();
        let first = slots.take(now, "key", Some(Feed::Iex)).expect("free");
        assert!(slots.take(now, "key", Some(Feed::Iex)).is_none());
        assert!(slots.take(now, "key", Some(Feed::Sip)).is_some());
        assert!(slots.take(now, "other", Some(Feed::Iex)).is_some());
        drop(first);
        assert!(slots.take(now, "key", Some(Feed::Iex)).is_some());
    }

    #[test]
    fn the_place_of_an_unclean_end_lingers() {
        let slots = Slots::default();
        let now = Instant::now();
        let mut slot = slots.take(now, "key", Some(Feed::Iex)).expect("free");
        slot.linger(Duration::from_secs(90));
        drop(slot);
        let after = |seconds| slots.take(now + Duration::from_secs(seconds), "key", Some(Feed::Iex));
        assert!(after(89).is_none());
        assert!(after(91).is_some());
    }
}
