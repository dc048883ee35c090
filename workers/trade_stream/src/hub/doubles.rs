//! Whether the same has been seen a moment ago. Pure, bounded.

use std::collections::{HashSet, VecDeque};
use std::hash::{BuildHasherDefault, DefaultHasher, Hash, Hasher};

/// As many of the last are remembered; what a server sends twice, it sends twice within these.
const REMEMBERED: usize = 1024;

/// The last few things, by their hash.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Doubles {
    order: VecDeque<u64>,
    set: HashSet<u64, BuildHasherDefault<AsItIs>>,
}

impl Doubles {
    /// Remembers this; false when it is remembered already.
    pub fn is_first(&mut self, what: impl Hash) -> bool {
        let mut hasher = DefaultHasher::new();
        what.hash(&mut hasher);
        let hash = hasher.finish();
        if !self.set.insert(hash) {
            return false;
        }
        if self.order.len() == REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.set.remove(&oldest);
        }
        self.order.push_back(hash);
        true
    }
}

/// For what is a hash already.
#[derive(Clone, Copy, Debug, Default)]
struct AsItIs(u64);

impl Hasher for AsItIs {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = number;
    }
}

#[cfg(test)]
mod tests {
    use super::{Doubles, REMEMBERED};

    #[test]
    fn the_last_few_are_remembered_and_no_more() {
        let mut doubles = Doubles::default();
        for number in 0..=REMEMBERED {
            assert!(doubles.is_first(number));
        }
        assert!(!doubles.is_first(1_usize));
        assert!(doubles.is_first(0_usize), "forgotten");
        assert_eq!(doubles.set.len(), doubles.order.len());
    }
}
