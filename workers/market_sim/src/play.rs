//! What a recording brings to the floor, and who sees it.

use std::collections::HashMap;

use crate::feed::Feed;
use crate::floor::{Floor, Kinds, Viewer};
use crate::trade::{BarKind, Item};

impl Floor {
    /// Tells these to all who see their symbols, and keeps the trades for those who ask later.
    pub(crate) fn play(&mut self, items: Vec<Item>) -> HashMap<Viewer, Vec<Item>> {
        let mut seen: HashMap<Viewer, Vec<Item>> = HashMap::new();
        for item in items {
            if let Item::Trade(trade) = &item {
                self.made += 1;
                let feed = if trade.symbol.contains('/') {
                    Feed::Crypto
                } else {
                    Feed::Sip
                };
                self.ledger.enter(feed, trade);
                if feed == Feed::Sip {
                    self.ledger.enter(Feed::Iex, trade);
                }
            }
            let viewers = self.viewers_of(item.symbol());
            for (_, viewer, _) in viewers.filter(|(.., kinds)| wants(kinds, &item)) {
                seen.entry(viewer).or_default().push(item.clone());
            }
        }
        seen
    }
}

fn wants([trades, quotes, minute, updated, daily, statuses]: &Kinds, item: &Item) -> bool {
    match item {
        Item::Trade(_) | Item::Correction(..) | Item::Cancel(_) => *trades,
        Item::Quote(_) => *quotes,
        Item::Bar(BarKind::Minute, _) => *minute,
        Item::Bar(BarKind::Updated, _) => *updated,
        Item::Bar(BarKind::Daily, _) => *daily,
        Item::Status(_) => *statuses,
    }
}
