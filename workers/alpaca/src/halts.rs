//! Halts are asked for with the trades of a symbol: without them its silence could not be judged.

use std::collections::BTreeSet;

use crate::{Channel, Topic};

/// Whose statuses were wanted for their own sake.
#[derive(Debug, Default)]
pub(crate) struct Halts {
    /// Only some feeds tell them; elsewhere asking would be refused.
    are_told: bool,
    wanted: BTreeSet<String>,
    traded: BTreeSet<String>,
}

impl Halts {
    pub(crate) fn new(are_told: bool) -> Self {
        Self {
            are_told,
            ..Self::default()
        }
    }

    /// What is wanted, and the statuses of what is traded.
    pub(crate) fn with(&mut self, topics: Vec<Topic>) -> Vec<Topic> {
        self.note(topics, |set, symbol| {
            set.insert(symbol.to_owned());
        })
    }

    /// What is no longer wanted, and the statuses of what is no longer traded.
    pub(crate) fn without(&mut self, topics: Vec<Topic>) -> Vec<Topic> {
        let mut all = self.note(topics, |set, symbol| {
            set.remove(symbol);
        });
        let is_needed = |symbol: &str| self.traded.contains(symbol) || self.wanted.contains(symbol);
        all.retain(|topic| topic.channel != Channel::Statuses || !is_needed(&topic.symbol));
        all
    }

    /// Leaves out what only we asked for.
    pub(crate) fn own(&self, mut topics: Vec<Topic>) -> Vec<Topic> {
        topics.retain(|topic| !self.is_implied(topic));
        topics
    }

    /// Whether only we asked for it.
    pub(crate) fn is_implied(&self, topic: &Topic) -> bool {
        topic.channel == Channel::Statuses && !self.wanted.contains(&topic.symbol)
    }

    fn note(&mut self, mut topics: Vec<Topic>, change: fn(&mut BTreeSet<String>, &str)) -> Vec<Topic> {
        if !self.are_told {
            return topics;
        }
        let mut statuses = Vec::new();
        for topic in &topics {
            match topic.channel {
                Channel::Trades => {
                    change(&mut self.traded, &topic.symbol);
                    statuses.push(Topic::new(Channel::Statuses, &*topic.symbol));
                }
                Channel::Statuses => change(&mut self.wanted, &topic.symbol),
                Channel::Quotes
                | Channel::Bars
                | Channel::UpdatedBars
                | Channel::DailyBars
                | Channel::Lulds
                | Channel::Orderbooks => {}
            }
        }
        topics.extend(statuses);
        topics
    }
}

#[cfg(test)]
mod tests {
    use super::Halts;
    use crate::{Channel, Topic};

    fn statuses() -> Topic {
        Topic::new(Channel::Statuses, "A")
    }

    #[test]
    fn statuses_come_and_go_with_the_trades_unless_wanted_by_themselves() {
        let mut halts = Halts::new(true);
        let trades = || vec![Topic::trades("A")];
        assert_eq!(halts.with(trades()), [Topic::trades("A"), statuses()]);
        assert_eq!(halts.without(trades()), [Topic::trades("A"), statuses()]);
        assert_eq!(halts.own(vec![statuses()]), []);
        halts.with(vec![statuses()]);
        assert_eq!(halts.own(vec![statuses()]), [statuses()]);
        halts.with(trades());
        assert_eq!(halts.without(trades()), trades(), "still wanted");
        halts.with(trades());
        assert_eq!(halts.without(vec![statuses()]), [], "still needed");
    }

    #[test]
    fn feeds_without_statuses_are_not_asked() {
        let trades = vec![Topic::trades("FAKEPACA")];
        assert_eq!(Halts::new(false).with(trades.clone()), trades);
    }
}
