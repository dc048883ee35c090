//! Which symbols lost trades while there was no upstream connection. Pure.

use std::collections::{BTreeMap, BTreeSet};

/// Alpaca replays nothing, so every symbol that was confirmed before a loss has a gap until it is
/// confirmed again.
#[derive(Debug, Default)]
pub struct Outages {
    confirmed: BTreeSet<String>,
    /// Since when, as `gap` tells it.
    lost: BTreeMap<String, String>,
}

impl Outages {
    /// The connection is gone; `since` is when it was last known to be good.
    pub fn disconnected(&mut self, since: &str) {
        for symbol in std::mem::take(&mut self.confirmed) {
            self.lost.entry(symbol).or_insert_with(|| since.to_owned());
        }
    }

    /// The upstream confirmed a symbol. Returns since when its trades are missing, if they are.
    pub fn confirmed(&mut self, symbol: &str) -> Option<String> {
        self.confirmed.insert(symbol.to_owned());
        self.lost.remove(symbol)
    }

    /// The symbol is no longer carried.
    pub fn forget(&mut self, symbol: &str) {
        self.confirmed.remove(symbol);
        self.lost.remove(symbol);
    }
}

#[cfg(test)]
mod tests {
    use super::Outages;

    #[test]
    fn a_gap_lasts_from_the_first_loss_until_the_symbol_is_confirmed_again() {
        let mut outages = Outages::default();
        assert_eq!(outages.confirmed("A"), None, "never had, nothing lost");
        outages.disconnected("10:00");
        outages.disconnected("10:01");
        assert_eq!(outages.confirmed("A").as_deref(), Some("10:00"));
        outages.disconnected("10:02");
        outages.forget("A");
        assert_eq!(outages.confirmed("A"), None, "dropped meanwhile, a new topic");
    }
}
