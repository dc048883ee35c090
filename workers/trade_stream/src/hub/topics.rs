//! Who is subscribed to what, and which symbols the upstream should carry. Pure.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use stream_protocol::{Channel, Gap, GapReason, Position};

use super::ClientId;
use super::history::{History, Kept, Retention};
use crate::client::{Chunk, Format, Outbox};
use ws_listener::Deflater;

/// A chunk is passed on when it has grown to this, so that a drop costs a slow client little.
const CHUNK_BYTES: usize = 16 * 1024;

/// Each spelling, plain and compressed.
const LANES: usize = 2 * Format::ALL.len();

/// All symbols that have subscribers, or had them a moment ago.
#[derive(Debug)]
pub struct Topics {
    channel: Channel,
    topics: HashMap<Arc<str>, Topic>,
    /// Topics with trades that were not passed on yet.
    dirty: Vec<Arc<str>>,
    /// Clients with trades that were not written yet.
    due: Vec<Arc<Outbox>>,
    linger: Duration,
    /// What all histories keep together.
    kept: Kept,
    /// What is added now comes out of its turn.
    is_late: bool,
    /// Tells this process's numberings from those of all others.
    boot: u64,
    /// Topics ever made, so that each has a numbering of its own.
    made: u64,
    /// Trades queued for subscribers, one for each who gets it.
    delivered: u64,
    /// When which symbol may go, in this order since all linger equally long. A symbol that was
    /// wanted back in time is still in here once.
    expiries: VecDeque<(Instant, Arc<str>)>,
    /// The text of the trade at hand; kept to be allocated once.
    text: Vec<u8>,
    /// Made when the first client wants it.
    deflater: Option<Box<Deflater>>,
}

#[derive(Debug)]
struct Topic {
    channel: Channel,
    symbol: Arc<str>,
    /// Which numbering this is.
    epoch: Box<str>,
    /// One for each of `Format::ALL`, then one for each compressed.
    lanes: [Lane; LANES],
    /// When the upstream may drop the symbol; set while nobody is subscribed.
    drop_at: Option<Instant>,
    /// The number of the last trade taken.
    head: u64,
    history: History,
}

/// The subscribers of one spelling.
#[derive(Debug)]
struct Lane {
    format: Format,
    is_compressed: bool,
    subscribers: Vec<(ClientId, Arc<Outbox>)>,
    /// Framed trades since the last `publish`.
    frames: BytesMut,
    trades: usize,
}

/// What a new subscriber is told.
#[derive(Debug)]
pub struct Joined {
    /// Where the symbol is.
    pub position: Position,
    /// The answer to `since`.
    pub recovery: Recovery,
}

/// What came after the place where a subscriber had been.
#[derive(Debug)]
pub enum Recovery {
    /// It named none.
    NotAsked,
    /// All of it.
    Whole(Vec<Chunk>),
    /// It is no longer known, or never was.
    Lost(Gap<'static>),
}

impl Topics {
    /// No topics of this channel. A symbol that loses its last subscriber is kept upstream for `linger`.
    pub fn new(channel: Channel, linger: Duration, retention: Retention) -> Self {
        Self {
            channel,
            topics: HashMap::new(),
            dirty: Vec::new(),
            due: Vec::new(),
            linger,
            kept: Kept::new(retention),
            is_late: false,
            boot: RandomState::new().hash_one(()),
            made: 0,
            delivered: 0,
            expiries: VecDeque::new(),
            text: Vec::new(),
            deflater: None,
        }
    }

    /// Adds a subscriber, who has seen all up to `since`.
    pub fn subscribe(
        &mut self,
        symbol: &str,
        id: ClientId,
        outbox: &Arc<Outbox>,
        since: Option<&Position>,
    ) -> Joined {
        self.publish();
        self.made += u64::from(!self.topics.contains_key(symbol));
        let (epoch, channel) = (format!("{:x}.{}", self.boot, self.made), self.channel);
        let topic = self
            .topics
            .entry(symbol.into())
            .or_insert_with_key(|symbol| Topic::new(channel, symbol, epoch));
        topic.drop_at = None;
        topic.lane(outbox).add(id, outbox);
        let position = Position {
            epoch: topic.epoch.to_string(),
            seq: topic.head,
        };
        let recovery = since.map_or(Recovery::NotAsked, |since| topic.recover(since, &position));
        Joined { position, recovery }
    }

    /// Goes on with a numbering of an earlier process, unless the symbol has one already.
    pub fn resume(&mut self, symbol: &str, position: Position) {
        let channel = self.channel;
        let topic = self.topics.entry(symbol.into());
        topic.or_insert_with_key(|symbol| Topic {
            head: position.seq,
            ..Topic::new(channel, symbol, position.epoch)
        });
    }

    /// Where each symbol is.
    pub fn positions(&self) -> impl Iterator<Item = (&str, Position)> {
        self.topics.values().map(|topic| {
            let (epoch, seq) = (topic.epoch.to_string(), topic.head);
            (&*topic.symbol, Position { epoch, seq })
        })
    }

    /// Removes a subscriber; one that is not subscribed changes nothing.
    pub fn unsubscribe(&mut self, symbol: &str, id: ClientId, now: Instant) {
        let Some(topic) = self.topics.get_mut(symbol) else {
            return;
        };
        for lane in &mut topic.lanes {
            lane.subscribers.retain(|(one, _)| *one != id);
        }
        if !topic.is_wanted() && topic.drop_at.is_none() {
            let at = now + self.linger;
            topic.drop_at = Some(at);
            self.expiries.push_back((at, Arc::clone(&topic.symbol)));
        }
    }

    /// Ends a symbol that the upstream refused and returns those who wanted it.
    pub fn remove(&mut self, symbol: &str) -> Vec<(ClientId, Arc<Outbox>)> {
        let Some(mut topic) = self.topics.remove(symbol) else {
            return Vec::new();
        };
        topic.history.clear(&mut self.kept);
        topic
            .lanes
            .into_iter()
            .flat_map(|lane| lane.subscribers)
            .collect()
    }

    /// Forgets the symbols that nobody wanted back in time, and returns them.
    pub fn expire(&mut self, now: Instant) -> Vec<String> {
        let mut expired = Vec::new();
        while let Some((_, symbol)) = self.expiries.pop_front_if(|(at, _)| *at <= now) {
            let is_over = |topic: &Topic| topic.drop_at.is_some_and(|at| at <= now);
            if self.topics.get(&symbol).is_some_and(is_over) {
                self.remove(&symbol);
                expired.push(symbol.to_string());
            }
        }
        expired
    }

    /// When `expire` may have something to do next.
    pub fn next_expiry(&self) -> Option<Instant> {
        self.expiries.front().map(|(at, _)| *at)
    }

    /// Whether anyone is subscribed to this symbol.
    pub fn is_active(&self, symbol: &str) -> bool {
        self.topics.get(symbol).is_some_and(Topic::is_wanted)
    }

    /// The symbols with subscribers, sorted.
    pub fn active(&self) -> Vec<String> {
        let active = self.topics.values().filter(|topic| topic.is_wanted());
        let mut symbols: Vec<String> = active.map(|topic| topic.symbol.to_string()).collect();
        symbols.sort_unstable();
        symbols
    }

    /// Trades queued for subscribers, one for each who gets it.
    pub fn delivered(&self) -> u64 {
        self.delivered
    }

    /// The symbols that are carried, those that linger included.
    pub fn carried(&self) -> impl Iterator<Item = &Arc<str>> {
        self.topics.keys()
    }

    /// Takes a trade, or a gap that is to be replayed like one: `write` makes its text with the
    /// number it is given, once for each spelling that someone wants, and only if the symbol is
    /// carried; no text, no message. What comes while a symbol lingers is kept for those who come back.
    pub fn add(&mut self, symbol: &str, mut write: impl FnMut(Format, &mut Vec<u8>, u64)) {
        let Some(topic) = self.topics.get_mut(symbol) else {
            return;
        };
        topic.head += 1;
        let mut is_full = false;
        for lane in topic.lanes.iter_mut().filter(|lane| lane.is_written()) {
            self.text.clear();
            write(lane.format, &mut self.text, topic.head);
            is_full |= lane.put(&self.text, &mut self.deflater);
        }
        if is_full {
            self.delivered += topic.publish(self.is_late, &mut self.kept, &mut self.due);
        } else if topic.lanes[0].trades == 1 {
            self.dirty.push(Arc::clone(&topic.symbol));
        }
    }

    /// Passes on what comes out of its turn, and all at once: trades that were fetched, or had to wait.
    pub fn add_late(&mut self, add: impl FnOnce(&mut Self)) {
        self.publish();
        self.is_late = true;
        add(self);
        self.publish();
        self.is_late = false;
    }

    /// Passes all trades taken since the last time on to their subscribers: one write for each.
    pub fn publish(&mut self) {
        for symbol in self.dirty.drain(..) {
            if let Some(topic) = self.topics.get_mut(&symbol) {
                self.delivered += topic.publish(self.is_late, &mut self.kept, &mut self.due);
            }
        }
        for outbox in self.due.drain(..) {
            outbox.flush_due();
        }
    }
}

impl Topic {
    fn new(channel: Channel, symbol: &Arc<str>, epoch: String) -> Self {
        Self {
            channel,
            symbol: Arc::clone(symbol),
            epoch: epoch.into(),
            lanes: std::array::from_fn(Lane::new),
            drop_at: None,
            head: 0,
            history: History::default(),
        }
    }

    fn lane(&mut self, outbox: &Outbox) -> &mut Lane {
        let compressed = if outbox.is_compressed() {
            Format::ALL.len()
        } else {
            0
        };
        &mut self.lanes[compressed + outbox.format() as usize]
    }

    fn is_wanted(&self) -> bool {
        self.lanes.iter().any(|lane| !lane.subscribers.is_empty())
    }

    /// Returns how many trades were queued, one for each subscriber.
    fn publish(&mut self, is_late: bool, kept: &mut Kept, due: &mut Vec<Arc<Outbox>>) -> u64 {
        let mut delivered = 0;
        for lane in &mut self.lanes {
            let Some(chunk) = lane.take(self.channel, &self.symbol, self.head) else {
                continue;
            };
            let chunk = Chunk { is_late, ..chunk };
            delivered += (chunk.trades * lane.subscribers.len()) as u64;
            for (_, outbox) in &lane.subscribers {
                if outbox.queue_trades(chunk.clone()) {
                    due.push(Arc::clone(outbox));
                }
            }
            if lane.is_history() {
                self.history.push(chunk, kept);
            }
        }
        delivered
    }

    fn recover(&self, since: &Position, here: &Position) -> Recovery {
        if since.epoch != here.epoch || since.seq > here.seq {
            let symbol = self.symbol.to_string();
            return Recovery::Lost(Gap {
                channel: self.channel.told(),
                ..Gap::unknown(symbol, GapReason::History)
            });
        }
        self.history
            .after(since.seq, here.seq)
            .map_or_else(|| self.lost_since(since.seq), Recovery::Whole)
    }

    fn lost_since(&self, seq: u64) -> Recovery {
        let symbol = self.symbol.to_string();
        Recovery::Lost(Gap {
            channel: self.channel.told(),
            ..Gap::range(symbol, seq + 1, self.head, GapReason::History)
        })
    }
}

impl Lane {
    fn new(number: usize) -> Self {
        Self {
            format: Format::ALL[number % Format::ALL.len()],
            is_compressed: number >= Format::ALL.len(),
            subscribers: Vec::new(),
            frames: BytesMut::new(),
            trades: 0,
        }
    }

    /// The stream's own spelling is always written: it is what the history keeps.
    fn is_written(&self) -> bool {
        self.is_history() || !self.subscribers.is_empty()
    }

    fn is_history(&self) -> bool {
        self.format == Format::Stream && !self.is_compressed
    }

    fn add(&mut self, id: ClientId, outbox: &Arc<Outbox>) {
        if self.subscribers.iter().all(|(one, _)| *one != id) {
            self.subscribers.push((id, Arc::clone(outbox)));
        }
    }

    /// Takes a message; true when it is time to pass it on.
    fn put(&mut self, message: &[u8], deflater: &mut Option<Box<Deflater>>) -> bool {
        if !message.is_empty() {
            if self.is_compressed {
                let deflater = deflater.get_or_insert_default();
                deflater.put(&mut self.frames, message, self.format.is_text());
            } else {
                self.format.put_frame(&mut self.frames, message);
            }
            self.trades += 1;
        }
        self.frames.len() >= CHUNK_BYTES
    }

    fn take(&mut self, channel: Channel, symbol: &Arc<str>, head: u64) -> Option<Chunk> {
        let trades = std::mem::take(&mut self.trades);
        (trades > 0).then(|| Chunk {
            channel,
            symbol: Arc::clone(symbol),
            first: head + 1 - trades as u64,
            trades,
            frames: self.frames.split().freeze(),
            is_late: false,
        })
    }
}

#[cfg(test)]
mod tests;
