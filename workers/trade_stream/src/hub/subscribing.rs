//! Who subscribes to what, and what the upstream is asked for.

use std::time::Instant;

use alpaca::Topic;
use stream_protocol::{BadRequest, Channel, Position, ServerMessage};
use tracing::info;

use super::channels::upstream;
use super::topics::{Joined, Recovery};
use super::{ClientId, Hub};
use crate::client::{Chunk, Outbox};

/// A channel of a symbol, as clients name it.
pub type Pair = (Channel, String);

impl Hub {
    pub(super) fn subscribe(&mut self, id: ClientId, pairs: &[Pair], since: Option<&Position>) {
        let connected = self.is_connected();
        let Some(client) = self.clients.get_mut(&id) else {
            return;
        };
        let new = pairs.iter().filter(|pair| !client.pairs.contains(*pair));
        if client.pairs.len() + new.count() > self.max_symbols {
            let bad = BadRequest(format!("a client may have {} symbols at most", self.max_symbols));
            return client.outbox.reply(&ServerMessage::from(bad).to_json());
        }
        info!("client {}: subscribes {}", client.peer, names(pairs));
        if pairs.iter().any(|(channel, _)| *channel != Channel::Trades) {
            // Who knows of channels knows of heartbeats.
            client.wants_heartbeats = true;
            self.next_pulse.get_or_insert_with(|| Instant::now() + self.pulse);
        }
        let outbox = std::sync::Arc::clone(&client.outbox);
        for pair in pairs {
            let (channel, symbol) = pair;
            if !connected {
                outbox.reply(&ServerMessage::connecting(symbol).to_json());
            }
            let Some(joined) = self.join(id, pair, &outbox, since) else {
                continue;
            };
            match &joined.recovery {
                Recovery::NotAsked => {}
                Recovery::Whole(_) => self.counted.replays += 1,
                Recovery::Lost(_) => self.counted.gaps_history += 1,
            }
            tell_joined(&outbox, *channel, symbol, joined);
        }
        self.want(pairs, connected);
    }

    /// Makes a client a subscriber; nothing is told.
    pub(super) fn join(
        &mut self,
        id: ClientId,
        pair: &Pair,
        outbox: &std::sync::Arc<Outbox>,
        since: Option<&Position>,
    ) -> Option<Joined> {
        let (channel, symbol) = pair;
        self.clients.get_mut(&id)?.pairs.insert(pair.clone());
        match channel {
            Channel::Trades => {
                self.resume(symbol);
                Some(self.topics.subscribe(symbol, id, outbox, since))
            }
            other => self.channels.subscribe((*other, symbol), id, outbox, since),
        }
    }

    /// Asks the upstream for what it may not carry yet; what it does carry costs nothing.
    pub(super) fn want(&mut self, pairs: &[Pair], connected: bool) {
        let topics: Vec<Topic> = pairs
            .iter()
            .map(|(channel, symbol)| {
                // Corrections come with the trades.
                Topic::new(upstream(*channel).unwrap_or(alpaca::Channel::Trades), &**symbol)
            })
            .collect();
        if topics.is_empty() {
            return;
        }
        self.upstream.want(topics);
        if !connected {
            self.down_since.get_or_insert_with(Instant::now);
        }
    }

    pub(super) fn unsubscribe(&mut self, id: ClientId, pairs: &[Pair]) {
        let Some(client) = self.clients.get(&id) else {
            return;
        };
        info!("client {}: unsubscribes {}", client.peer, names(pairs));
        for (channel, symbol) in pairs {
            let told = ServerMessage::unsubscribed(*channel, symbol).to_json();
            client.outbox.reply(&told);
        }
        self.leave(id, pairs);
    }

    /// Makes a client no subscriber any more; nothing is told.
    pub(super) fn leave(&mut self, id: ClientId, pairs: &[Pair]) {
        let now = Instant::now();
        for pair in pairs {
            if let Some(client) = self.clients.get_mut(&id) {
                client.pairs.remove(pair);
            }
            let (channel, symbol) = pair;
            match channel {
                Channel::Trades => self.topics.unsubscribe(symbol, id, now),
                other => self.channels.unsubscribe((*other, symbol), id, now),
            }
        }
    }

    /// Lets the upstream drop what nobody has wanted for a while.
    pub(super) fn expire(&mut self) {
        let now = Instant::now();
        let trades = self.topics.expire(now);
        for symbol in &trades {
            self.late.forget(symbol);
        }
        let mut expired: Vec<Topic> = trades.into_iter().map(Topic::trades).collect();
        expired.extend(self.channels.expire(now));
        // Trades are also needed upstream for their corrections.
        expired.retain(|topic| !topic.is_trades() || !self.channels.corrects(&topic.symbol));
        expired.retain(|topic| !self.elsewhere.contains(topic));
        if !expired.is_empty() {
            info!("nobody is subscribed to {} any more", alpaca::list(&expired));
            self.upstream.unwant(expired);
        }
    }
}

/// `AAPL TSLA/quotes`
pub(super) fn names(pairs: &[Pair]) -> String {
    let name = |(channel, symbol): &Pair| match channel.told() {
        None => symbol.clone(),
        Some(channel) => format!("{symbol}/{}", channel.name()),
    };
    let names: Vec<String> = pairs.iter().map(name).collect();
    names.join(" ")
}

/// Each symbol with each channel.
pub(super) fn pairs(symbols: &[String], channels: &[Channel]) -> Vec<Pair> {
    let each = |symbol: &String| {
        channels
            .iter()
            .map(move |channel| (*channel, symbol.clone()))
            .collect::<Vec<_>>()
    };
    symbols.iter().flat_map(each).collect()
}

/// `subscribed`, then what the client missed, or that it cannot have it.
fn tell_joined(outbox: &Outbox, channel: Channel, symbol: &str, joined: Joined) {
    let recovered = match &joined.recovery {
        Recovery::NotAsked => None,
        Recovery::Whole(_) => Some(true),
        Recovery::Lost(_) => Some(false),
    };
    let subscribed = ServerMessage::subscribed_at(channel, symbol, joined.position, recovered);
    outbox.reply(&subscribed.to_json());
    match joined.recovery {
        Recovery::NotAsked => {}
        Recovery::Whole(chunks) => {
            for chunk in chunks {
                let is_late = true;
                outbox.push_trades(Chunk { is_late, ..chunk });
            }
        }
        Recovery::Lost(gap) => outbox.reply(&ServerMessage::Gap(gap).to_json()),
    }
}
