//! The bars of one symbol: of each minute, of a minute again after late trades, of the day so far.

use crate::trade::{Bar, BarKind, Item, Trade};

/// What is summed up now.
#[derive(Debug)]
pub(crate) struct Bars {
    minute: Bar,
    /// The minute before, until it was told again.
    before: Option<Bar>,
    day: Bar,
}

impl Bars {
    pub(crate) fn begun_by(trade: &Trade) -> Self {
        Self {
            minute: Bar::begun_by(trade),
            before: None,
            day: Bar::begun_by(trade),
        }
    }

    /// Takes one more trade; what is to be told then.
    pub(crate) fn take(&mut self, trade: &Trade) -> Vec<Item> {
        let mut told = Vec::new();
        let second = trade.at.as_second().rem_euclid(60);
        // After each half-minute mark: as if a late trade had come for the minute before.
        if let Some(mut late) = self.before.take_if(|_| second >= 30) {
            late.take_late(trade);
            told.push(Item::Bar(BarKind::Updated, late));
        }
        self.day.join(trade);
        if let Some(over) = self.minute.take(trade) {
            self.before = Some(over.clone());
            told.push(Item::Bar(BarKind::Minute, over));
            told.push(Item::Bar(BarKind::Daily, self.day.clone()));
        }
        told
    }
}
