//! What backends on other machines want of the one upstream.

use std::collections::BTreeSet;
use std::time::Instant;

use alpaca::Topic;
use tracing::info;

use super::Hub;
use super::channels::channel_of;

impl Hub {
    /// They want this, and nothing else.
    pub(super) fn want_elsewhere(&mut self, topics: BTreeSet<Topic>) {
        let new: Vec<Topic> = topics.difference(&self.elsewhere).cloned().collect();
        let old: Vec<Topic> = self.elsewhere.difference(&topics).cloned().collect();
        self.elsewhere = topics;
        info!(
            "other machines want {}",
            alpaca::list(&self.elsewhere.iter().cloned().collect::<Vec<_>>())
        );
        if !new.is_empty() {
            self.upstream.want(new);
            if !self.is_connected() {
                self.down_since.get_or_insert_with(Instant::now);
            }
        }
        let old: Vec<Topic> = old.into_iter().filter(|topic| !self.is_carried(topic)).collect();
        if !old.is_empty() {
            self.upstream.unwant(old);
        }
    }

    /// Whether a client here has it, or had it a moment ago.
    fn is_carried(&self, topic: &Topic) -> bool {
        if topic.is_trades() {
            let mut carried = self.topics.carried();
            return carried.any(|symbol| **symbol == *topic.symbol) || self.channels.corrects(&topic.symbol);
        }
        let mut carried = self.channels.carried().into_iter();
        carried.any(|(channel, symbol)| channel == channel_of(topic.channel) && *symbol == *topic.symbol)
    }
}
