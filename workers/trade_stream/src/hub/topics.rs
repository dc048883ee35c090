//! Who is subscribed to what, and which symbols the upstream should carry. Pure.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use stream_protocol::{Gap, GapReason, Position};
use ws_listener::frame;

use super::ClientId;
use super::history::{History, Retention};
use crate::client::{Chunk, Outbox};

/// A chunk is passed on when it has grown to this, so that a drop costs a slow client little.
const CHUNK_BYTES: usize = 16 * 1024;

/// All symbols that have subscribers, or had them a moment ago.
#[derive(Debug)]
pub struct Topics {
    topics: HashMap<Arc<str>, Topic>,
    /// Topics with trades that were not passed on yet.
    dirty: Vec<Arc<str>>,
    linger: Duration,
    retention: Retention,
    /// Bytes that all histories keep.
    kept: usize,
    /// Tells this process's numberings from those of all others.
    boot: u64,
    /// Topics ever made, so that each has a numbering of its own.
    made: u64,
    /// When which symbol may go, in this order since all linger equally long. A symbol that was
    /// wanted back in time is still in here once.
    expiries: VecDeque<(Instant, Arc<str>)>,
    /// The text of the trade at hand; kept to be allocated once.
    text: Vec<u8>,
}

#[derive(Debug)]
struct Topic {
    symbol: Arc<str>,
    /// Which of the topics made, for the epoch.
    number: u64,
    subscribers: Vec<(ClientId, Arc<Outbox>)>,
    /// When the upstream may drop the symbol; set while nobody is subscribed.
    drop_at: Option<Instant>,
    /// Framed trades since the last `publish`.
    frames: BytesMut,
    trades: usize,
    /// The number of the last trade taken.
    head: u64,
    history: History,
}

/// What a new subscriber is told.
#[derive(Debug)]
pub struct Joined {
    /// The upstream must be asked for the symbol.
    pub is_new: bool,
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
    /// No topics. A symbol that loses its last subscriber is kept upstream for `linger`.
    pub fn new(linger: Duration, retention: Retention) -> Self {
        Self {
            topics: HashMap::new(),
            dirty: Vec::new(),
            linger,
            retention,
            kept: 0,
            boot: RandomState::new().hash_one(()),
            made: 0,
            expiries: VecDeque::new(),
            text: Vec::new(),
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
        let is_new = !self.topics.contains_key(symbol);
        self.made += u64::from(is_new);
        let made = self.made;
        let topic = self
            .topics
            .entry(symbol.into())
            .or_insert_with_key(|symbol| Topic::new(symbol, made));
        topic.drop_at = None;
        if topic.subscribers.iter().all(|(one, _)| *one != id) {
            topic.subscribers.push((id, Arc::clone(outbox)));
        }
        let position = Position {
            epoch: format!("{:x}.{}", self.boot, topic.number),
            seq: topic.head,
        };
        let recovery = since.map_or(Recovery::NotAsked, |since| topic.recover(since, &position));
        Joined {
            is_new,
            position,
            recovery,
        }
    }

    /// Removes a subscriber; one that is not subscribed changes nothing.
    pub fn unsubscribe(&mut self, symbol: &str, id: ClientId, now: Instant) {
        let Some(topic) = self.topics.get_mut(symbol) else {
            return;
        };
        topic.subscribers.retain(|(one, _)| *one != id);
        if topic.subscribers.is_empty() && topic.drop_at.is_none() {
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
        topic.subscribers
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

    /// The symbols with subscribers, sorted.
    pub fn active(&self) -> Vec<String> {
        let active = self.topics.values().filter(|topic| !topic.subscribers.is_empty());
        let mut symbols: Vec<String> = active.map(|topic| topic.symbol.to_string()).collect();
        symbols.sort_unstable();
        symbols
    }

    /// The symbols that are carried, those that linger included.
    pub fn carried(&self) -> impl Iterator<Item = &Arc<str>> {
        self.topics.keys()
    }

    /// Takes a trade, or a gap that is to be replayed like one: `write` makes its text with the
    /// number it is given, once, and only if the symbol is carried. What comes while it lingers is
    /// kept for those who come back.
    pub fn add(&mut self, symbol: &str, write: impl FnOnce(&mut Vec<u8>, u64)) {
        let Some(topic) = self.topics.get_mut(symbol) else {
            return;
        };
        topic.head += 1;
        self.text.clear();
        write(&mut self.text, topic.head);
        frame::put_text(&mut topic.frames, &self.text);
        topic.trades += 1;
        if topic.frames.len() >= CHUNK_BYTES {
            topic.publish(&self.retention, &mut self.kept);
        } else if topic.trades == 1 {
            self.dirty.push(Arc::clone(&topic.symbol));
        }
    }

    /// Passes all trades taken since the last time on to their subscribers.
    pub fn publish(&mut self) {
        for symbol in self.dirty.drain(..) {
            if let Some(topic) = self.topics.get_mut(&symbol) {
                topic.publish(&self.retention, &mut self.kept);
            }
        }
    }
}

impl Topic {
    fn new(symbol: &Arc<str>, number: u64) -> Self {
        Self {
            symbol: Arc::clone(symbol),
            number,
            subscribers: Vec::new(),
            drop_at: None,
            frames: BytesMut::new(),
            trades: 0,
            head: 0,
            history: History::default(),
        }
    }

    fn publish(&mut self, retention: &Retention, kept: &mut usize) {
        if self.trades == 0 {
            return;
        }
        let trades = std::mem::take(&mut self.trades);
        let chunk = Chunk {
            symbol: Arc::clone(&self.symbol),
            first: self.head + 1 - trades as u64,
            trades,
            frames: self.frames.split().freeze(),
        };
        for (_, outbox) in &self.subscribers {
            outbox.push_trades(chunk.clone());
        }
        self.history.push(chunk, retention, kept);
    }

    fn recover(&self, since: &Position, here: &Position) -> Recovery {
        if since.epoch != here.epoch || since.seq > here.seq {
            let symbol = self.symbol.to_string();
            return Recovery::Lost(Gap::unknown(symbol, GapReason::History));
        }
        self.history
            .after(since.seq, here.seq)
            .map_or_else(|| self.lost_since(since.seq), Recovery::Whole)
    }

    fn lost_since(&self, seq: u64) -> Recovery {
        let symbol = self.symbol.to_string();
        Recovery::Lost(Gap::range(symbol, seq + 1, self.head, GapReason::History))
    }
}

#[cfg(test)]
mod tests;
