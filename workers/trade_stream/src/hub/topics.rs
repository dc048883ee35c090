//! Who is subscribed to what, and which symbols the upstream should carry. Pure.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use ws_listener::frame;

use super::ClientId;
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
    /// When which symbol may go, in this order since all linger equally long. A symbol that was
    /// wanted back in time is still in here once.
    expiries: VecDeque<(Instant, Arc<str>)>,
    /// The text of the trade at hand; kept to be allocated once.
    text: Vec<u8>,
}

#[derive(Debug)]
struct Topic {
    symbol: Arc<str>,
    subscribers: Vec<(ClientId, Arc<Outbox>)>,
    /// When the upstream may drop the symbol; set while nobody is subscribed.
    drop_at: Option<Instant>,
    /// Framed trades since the last `publish`.
    frames: BytesMut,
    trades: usize,
}

impl Topics {
    /// No topics. A symbol that loses its last subscriber is kept upstream for `linger`.
    pub fn new(linger: Duration) -> Self {
        Self {
            topics: HashMap::new(),
            dirty: Vec::new(),
            linger,
            expiries: VecDeque::new(),
            text: Vec::new(),
        }
    }

    /// Adds a subscriber. True when the upstream must be asked for the symbol.
    pub fn subscribe(&mut self, symbol: &str, id: ClientId, outbox: &Arc<Outbox>) -> bool {
        let is_new = !self.topics.contains_key(symbol);
        let topic = self.topics.entry(symbol.into()).or_insert_with_key(Topic::new);
        topic.drop_at = None;
        if topic.subscribers.iter().all(|(one, _)| *one != id) {
            topic.subscribers.push((id, Arc::clone(outbox)));
        }
        is_new
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
        let topic = self.topics.remove(symbol);
        topic.map_or_else(Vec::new, |topic| topic.subscribers)
    }

    /// Forgets the symbols that nobody wanted back in time, and returns them.
    pub fn expire(&mut self, now: Instant) -> Vec<String> {
        let mut expired = Vec::new();
        while let Some((_, symbol)) = self.expiries.pop_front_if(|(at, _)| *at <= now) {
            let is_over = |topic: &Topic| topic.drop_at.is_some_and(|at| at <= now);
            if self.topics.get(&symbol).is_some_and(is_over) {
                self.topics.remove(&symbol);
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

    /// Takes a trade: `write` makes its text, once, and only if someone wants it.
    pub fn trade(&mut self, symbol: &str, write: impl FnOnce(&mut Vec<u8>)) {
        let Some(topic) = self.topics.get_mut(symbol) else {
            return;
        };
        if topic.subscribers.is_empty() {
            return;
        }
        self.text.clear();
        write(&mut self.text);
        frame::put_text(&mut topic.frames, &self.text);
        topic.trades += 1;
        if topic.frames.len() >= CHUNK_BYTES {
            topic.publish();
        } else if topic.trades == 1 {
            self.dirty.push(Arc::clone(&topic.symbol));
        }
    }

    /// Passes all trades taken since the last time on to their subscribers.
    pub fn publish(&mut self) {
        for symbol in self.dirty.drain(..) {
            if let Some(topic) = self.topics.get_mut(&symbol) {
                topic.publish();
            }
        }
    }
}

impl Topic {
    fn new(symbol: &Arc<str>) -> Self {
        Self {
            symbol: Arc::clone(symbol),
            subscribers: Vec::new(),
            drop_at: None,
            frames: BytesMut::new(),
            trades: 0,
        }
    }

    fn publish(&mut self) {
        if self.trades == 0 {
            return;
        }
        let chunk = Chunk {
            symbol: Arc::clone(&self.symbol),
            trades: std::mem::take(&mut self.trades),
            frames: self.frames.split().freeze(),
        };
        for (_, outbox) in &self.subscribers {
            outbox.push_trades(chunk.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::{Duration, Instant};

    use super::Topics;
    use crate::client::{Limits, Outbox, Slow};
    use crate::hub::ClientId;

    const LINGER: Duration = Duration::from_secs(30);
    const FIRST: ClientId = ClientId(1);
    const SECOND: ClientId = ClientId(2);

    fn outbox() -> Arc<Outbox> {
        Arc::new(Outbox::new(Limits {
            bytes: 1 << 20,
            trades: 1 << 20,
            slow: Slow::Drop,
        }))
    }

    fn received(outbox: &Outbox) -> Vec<u8> {
        let mut buffer = vec![0; 1 << 20];
        let filled = outbox.fill(&mut buffer);
        buffer.truncate(filled);
        buffer
    }

    #[test]
    fn a_trade_reaches_its_subscribers_and_nobody_else() {
        let mut topics = Topics::new(LINGER);
        let (first, second) = (outbox(), outbox());
        assert!(topics.subscribe("A", FIRST, &first));
        assert!(!topics.subscribe("A", SECOND, &second));
        assert!(topics.subscribe("B", SECOND, &second));
        topics.trade("A", |text| text.extend(b"a"));
        topics.trade("B", |text| text.extend(b"b"));
        topics.trade("C", |_| unreachable!("nobody wants C"));
        topics.publish();
        assert_eq!(received(&first), b"\x81\x01a");
        assert_eq!(received(&second), b"\x81\x01a\x81\x01b");
        topics.publish();
        assert_eq!(received(&first), b"");
    }

    #[test]
    fn subscribing_twice_delivers_once() {
        let mut topics = Topics::new(LINGER);
        let first = outbox();
        topics.subscribe("A", FIRST, &first);
        topics.subscribe("A", FIRST, &first);
        topics.trade("A", |text| text.extend(b"a"));
        topics.publish();
        assert_eq!(received(&first), b"\x81\x01a");
    }

    #[test]
    fn the_last_to_leave_lets_the_symbol_linger_then_go() {
        let now = Instant::now();
        let mut topics = Topics::new(LINGER);
        let first = outbox();
        topics.subscribe("A", FIRST, &first);
        topics.subscribe("A", SECOND, &first);
        topics.unsubscribe("A", FIRST, now);
        assert_eq!(topics.next_expiry(), None, "one is left");
        topics.unsubscribe("A", SECOND, now);
        assert_eq!(topics.active(), [""; 0]);
        assert_eq!(topics.next_expiry(), Some(now + LINGER));
        topics.unsubscribe("A", SECOND, now + LINGER / 2);
        assert_eq!(topics.expire(now + LINGER / 2), [""; 0]);
        assert_eq!(topics.expire(now + LINGER), ["A"]);
        assert!(
            topics.subscribe("A", FIRST, &first),
            "the upstream has to be asked again"
        );
    }

    #[test]
    fn coming_back_in_time_asks_nothing_of_the_upstream() {
        let now = Instant::now();
        let mut topics = Topics::new(LINGER);
        let first = outbox();
        topics.subscribe("A", FIRST, &first);
        topics.unsubscribe("A", FIRST, now);
        topics.trade("A", |_| unreachable!("nobody wants A now"));
        assert!(!topics.subscribe("A", FIRST, &first));
        assert_eq!(topics.expire(now + LINGER * 2), [""; 0]);
    }

    #[test]
    fn a_refused_symbol_names_those_who_wanted_it() {
        let mut topics = Topics::new(LINGER);
        topics.subscribe("A", FIRST, &outbox());
        topics.trade("A", |text| text.extend(b"a"));
        let wanted: Vec<ClientId> = topics.remove("A").into_iter().map(|(id, _)| id).collect();
        assert_eq!(wanted, [FIRST]);
        assert!(topics.remove("A").is_empty());
        topics.publish();
    }

    #[test]
    fn a_burst_is_passed_on_in_chunks_with_nothing_lost_or_doubled() {
        let mut topics = Topics::new(LINGER);
        let first = outbox();
        topics.subscribe("A", FIRST, &first);
        for _ in 0..1000 {
            topics.trade("A", |text| text.extend([b'x'; 100]));
        }
        topics.publish();
        assert_eq!(received(&first).len(), 1000 * 102);
    }
}
