//! What clients get besides trades: quotes, bars, statuses, corrections. Each channel has topics of
//! its own, numbered and kept like those of trades.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use alpaca::{Datum, Kind, Topic};
use stream_protocol::{Channel, Gap, GapReason, Position};

use super::ClientId;
use super::history::Retention;
use super::topics::{Joined, Topics};
use crate::client::Outbox;

/// The channels besides trades, in the order of `Channel::ALL`.
const BESIDES: [Channel; 8] = [
    Channel::Quotes,
    Channel::Bars,
    Channel::UpdatedBars,
    Channel::DailyBars,
    Channel::Statuses,
    Channel::Lulds,
    Channel::Orderbooks,
    Channel::Corrections,
];

/// Messages and bytes kept of each: what is missed of these is soon of no use.
const MOST_KEPT: (usize, usize) = (1000, 256 << 10);

/// All topics besides trades.
#[derive(Debug)]
pub struct Channels {
    /// One for each of `BESIDES`.
    topics: [Topics; 8],
    /// What had been confirmed before the upstream was lost, and since when it is.
    lost: HashMap<(Channel, String), String>,
}

impl Channels {
    pub fn new(linger: std::time::Duration, retention: Retention) -> Self {
        let retention = Retention {
            trades: retention.trades.min(MOST_KEPT.0),
            bytes: retention.bytes.min(MOST_KEPT.1),
            total_bytes: retention.total_bytes / 4,
        };
        Self {
            topics: BESIDES.map(|channel| Topics::new(channel, linger, retention)),
            lost: HashMap::new(),
        }
    }

    /// Adds a subscriber; what came after `since` is for it alone.
    pub fn subscribe(
        &mut self,
        (channel, symbol): (Channel, &str),
        id: ClientId,
        outbox: &Arc<Outbox>,
        since: Option<&Position>,
    ) -> Option<Joined> {
        let topics = self.of(channel)?;
        Some(topics.subscribe(symbol, id, outbox, since))
    }

    /// Removes a subscriber.
    pub fn unsubscribe(&mut self, (channel, symbol): (Channel, &str), id: ClientId, now: Instant) {
        if let Some(topics) = self.of(channel) {
            topics.unsubscribe(symbol, id, now);
        }
    }

    /// Ends what the upstream refused, and returns those who wanted it.
    pub fn remove(&mut self, topic: &Topic) -> Vec<(ClientId, Arc<Outbox>)> {
        let channel = channel_of(topic.channel);
        self.of(channel)
            .map_or_else(Vec::new, |topics| topics.remove(&topic.symbol))
    }

    /// Takes what the upstream told, and passes it on.
    pub fn add(&mut self, data: &[Datum]) {
        for datum in data {
            if let Some(topics) = self.of(channel_told_on(datum.kind)) {
                topics.add(&datum.symbol, |format, text, seq| {
                    format.write_datum(text, datum, seq);
                });
            }
        }
        for topics in &mut self.topics {
            topics.publish();
        }
    }

    /// Forgets what nobody wanted back in time; returns what the upstream need not send any more.
    pub fn expire(&mut self, now: Instant) -> Vec<Topic> {
        let mut expired = Vec::new();
        for (channel, topics) in BESIDES.into_iter().zip(&mut self.topics) {
            let symbols = topics.expire(now);
            let upstream = upstream(channel);
            expired.extend(symbols.into_iter().filter_map(|s| Some(Topic::new(upstream?, s))));
        }
        expired
    }

    /// When `expire` may have something to do next.
    pub fn next_expiry(&self) -> Option<Instant> {
        self.topics.iter().filter_map(Topics::next_expiry).min()
    }

    /// Whether anyone wants corrections of this symbol, which need its trades upstream.
    pub fn corrects(&self, symbol: &str) -> bool {
        self.topics[7].is_active(symbol)
    }

    /// The symbols that are carried, with their channels.
    pub fn carried(&self) -> Vec<(Channel, String)> {
        let each = BESIDES.into_iter().zip(&self.topics);
        each.flat_map(|(channel, topics)| topics.carried().map(move |s| (channel, s.to_string())))
            .collect()
    }

    /// The upstream is gone since then: nobody fetches these later.
    pub fn lose(&mut self, since: &str) {
        for carried in self.carried() {
            self.lost.entry(carried).or_insert_with(|| since.to_owned());
        }
    }

    /// The upstream confirmed these again: what was lost is told in its place. Returns how many gaps.
    pub fn confirmed(&mut self, topics: &[Topic], now: &str) -> u64 {
        let mut gaps = 0;
        for topic in topics {
            let channel = if topic.is_trades() {
                Channel::Corrections
            } else {
                channel_of(topic.channel)
            };
            let Some(since) = self.lost.remove(&(channel, topic.symbol.clone())) else {
                continue;
            };
            gaps += 1;
            self.gap(
                channel,
                &Gap {
                    since: Some(since),
                    until: Some(now.to_owned()),
                    ..Gap::unknown(&*topic.symbol, GapReason::Upstream)
                },
            );
        }
        gaps
    }

    /// Tells a gap to all who are subscribed to this, and to those who come later.
    pub fn gap(&mut self, channel: Channel, gap: &Gap<'_>) {
        if let Some(topics) = self.of(channel) {
            topics.add(&gap.symbol, |format, text, seq| {
                let numbered = Gap {
                    seq: Some(seq),
                    channel: channel.told(),
                    ..gap.clone()
                };
                format.write_gap(text, numbered);
            });
            topics.publish();
        }
    }

    fn of(&mut self, channel: Channel) -> Option<&mut Topics> {
        let place = BESIDES.iter().position(|one| *one == channel)?;
        self.topics.get_mut(place)
    }
}

/// What the upstream calls a channel; corrections come with the trades, unasked.
pub fn upstream(channel: Channel) -> Option<alpaca::Channel> {
    alpaca::Channel::named(channel.name())
}

/// What we call a channel of the upstream.
pub fn channel_of(upstream: alpaca::Channel) -> Channel {
    Channel::named(upstream.name()).unwrap_or_default()
}

fn channel_told_on(kind: Kind) -> Channel {
    match kind {
        Kind::Correction | Kind::Cancel => Channel::Corrections,
        other @ (Kind::Quote
        | Kind::Bar
        | Kind::UpdatedBar
        | Kind::DailyBar
        | Kind::Status
        | Kind::Luld
        | Kind::Orderbook) => channel_of(other.channel()),
    }
}

#[cfg(test)]
mod tests {
    use stream_protocol::Channel;

    use super::{BESIDES, channel_of, upstream};

    #[test]
    fn every_channel_has_a_place_and_all_but_corrections_an_upstream() {
        assert_eq!(BESIDES[..], Channel::ALL[1..]);
        for channel in alpaca::Channel::ALL {
            assert_eq!(upstream(channel_of(channel)), Some(channel));
        }
        assert_eq!(upstream(Channel::Corrections), None);
    }
}
