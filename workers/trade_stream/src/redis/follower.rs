//! Feeds a hub from what a publisher tells, and turns everything that is missed into a loss that the
//! hub tells its clients.

use std::collections::BTreeSet;
use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, Instant, SystemTime};

use alpaca::{Batch, Event, Relay, RelayAsk, State, Topic};
use futures_util::StreamExt;
use tokio::time::{interval, timeout};
use tracing::{debug, info, warn};

use super::line::{FIRST_PAUSE, LAST_PAUSE, Line, Mouth};
use super::message::{self, Body, Present, Told, Wants};

/// How often the publisher is told again what is wanted.
const REPEAT: Duration = Duration::from_secs(5);
/// A publisher tells how it is every second; one that is silent for so long is gone.
const SILENCE: Duration = Duration::from_millis(3500);

/// Follows until nobody uses the relay any more.
pub async fn follow(line: Line, relay: Relay) {
    let mut follower = Follower::new(relay);
    let mut pause = FIRST_PAUSE;
    loop {
        let why = match line.open(&line.told()).await {
            Ok((mut mouth, mut ear)) => {
                info!("following at {line}");
                pause = FIRST_PAUSE;
                let mut heard = ear.on_message();
                match follower.converse(&line, &mut mouth, &mut heard).await {
                    Some(why) => why,
                    None => return follower.say_goodbye(&line, &mut mouth).await,
                }
            }
            Err(why) => why,
        };
        warn!("cannot follow at {line}, trying again: {why}");
        follower.lose(&format!("Redis is away: {why}"));
        // Wishes are heard meanwhile, so that an end is seen.
        if timeout(pause, follower.listen()).await.is_ok() {
            return;
        }
        pause = LAST_PAUSE.min(pause * 2);
    }
}

struct Follower {
    relay: Relay,
    id: u64,
    desired: BTreeSet<Topic>,
    /// Told as subscribed since the last loss.
    confirmed: BTreeSet<Topic>,
    /// Whom we follow, and the number of its last message.
    publisher: Option<(u64, u64)>,
    heard_at: Instant,
    is_connected: bool,
    has_been_connected: bool,
}

impl Follower {
    fn new(relay: Relay) -> Self {
        Self {
            relay,
            id: RandomState::new().hash_one(()),
            desired: BTreeSet::new(),
            confirmed: BTreeSet::new(),
            publisher: None,
            heard_at: Instant::now(),
            is_connected: false,
            has_been_connected: false,
        }
    }

    /// Until the connection is lost, with the reason, or nobody needs it any more.
    async fn converse(
        &mut self,
        line: &Line,
        mouth: &mut Mouth,
        heard: &mut (impl futures_util::Stream<Item = redis::Msg> + Unpin),
    ) -> Option<String> {
        let mut repeat = interval(REPEAT);
        let mut look = interval(SILENCE / 4);
        self.heard_at = Instant::now();
        loop {
            let tells = tokio::select! {
                message = heard.next() => match message {
                    Some(message) => {
                        self.hear(message.get_payload_bytes());
                        false
                    }
                    None => return Some("the connection was lost".into()),
                },
                ask = self.relay.asked() => {
                    if ask == RelayAsk::Close {
                        return None;
                    }
                    self.note(ask)
                }
                _ = repeat.tick() => true,
                _ = look.tick() => {
                    if self.heard_at.elapsed() > SILENCE {
                        self.lose("no publisher is heard");
                        self.publisher = None;
                    }
                    false
                }
            };
            if tells && !self.desired.is_empty() {
                let (id, topics) = (self.id, message::pairs(&self.desired));
                if let Err(why) = self.say(line, mouth, &Wants { id, topics }).await {
                    return Some(why);
                }
            }
        }
    }

    async fn say(&self, line: &Line, mouth: &mut Mouth, wants: &Wants) -> Result<(), String> {
        let wants = serde_json::to_vec(wants).map_err(|error| error.to_string())?;
        mouth.say(&line.wants(), &wants).await
    }

    async fn say_goodbye(self, line: &Line, mouth: &mut Mouth) {
        let (id, topics) = (self.id, Vec::new());
        // A publisher that does not hear it forgets us by itself.
        let _ = self.say(line, mouth, &Wants { id, topics }).await;
    }

    /// Hears wishes while there is nobody to tell; returns when nobody has any more.
    async fn listen(&mut self) {
        loop {
            match self.relay.asked().await {
                RelayAsk::Close => return,
                ask => drop(self.note(ask)),
            }
        }
    }

    /// True when the publisher is to be told.
    fn note(&mut self, ask: RelayAsk) -> bool {
        match ask {
            RelayAsk::Want(topics) => self.desired.extend(topics),
            RelayAsk::Unwant(topics) => {
                for topic in topics {
                    self.desired.remove(&topic);
                    self.confirmed.remove(&topic);
                }
            }
            RelayAsk::Reconnect | RelayAsk::Close => return false,
        }
        self.show(None);
        true
    }

    fn hear(&mut self, message: &[u8]) {
        let Some(Told { boot, number, body }) = message::read(message) else {
            return;
        };
        match self.publisher {
            Some((other, _)) if other != boot && self.heard_at.elapsed() < SILENCE && self.is_connected => {
                return debug!("another publisher of this feed is ignored while the first is there");
            }
            Some((known, last)) if known == boot && number <= last => return,
            Some((known, last)) if known != boot || number != last + 1 => {
                self.lose("messages of the publisher were missed");
            }
            Some(_) | None => {}
        }
        self.publisher = Some((boot, number));
        self.heard_at = Instant::now();
        match body {
            Body::Data(frame) => self.data(frame),
            Body::Lost(reason) => self.lose(&reason),
            Body::State(present) => self.state(&present),
            Body::Silent(symbols) => {
                let symbols = symbols
                    .into_iter()
                    .map(|(symbol, silence)| (symbol, Duration::from_millis(silence)));
                self.relay.tell(Event::Paused {
                    symbols: symbols.collect(),
                });
            }
            Body::Refused(refusal) => {
                let mut topics = message::topics(&refusal.topics);
                topics.retain(|topic| self.desired.remove(topic));
                if !topics.is_empty() {
                    let (code, message) = (refusal.code, refusal.message);
                    self.relay.tell(Event::Refused {
                        topics,
                        code,
                        message,
                    });
                }
            }
        }
    }

    fn data(&mut self, frame: alpaca::wire::Frame) {
        // Before the first state it is not known what is whole.
        if !self.is_connected {
            return;
        }
        self.relay.show(|status| {
            status.last_data = Some(SystemTime::now());
            false
        });
        if !frame.trades.is_empty() {
            let (received, trades) = (Instant::now(), frame.trades);
            self.relay.tell(Event::Trades(Batch { received, trades }));
        }
        if !frame.data.is_empty() {
            self.relay.tell(Event::Data(frame.data));
        }
    }

    fn state(&mut self, present: &Present) {
        if !present.connected {
            let why = present
                .detail
                .as_deref()
                .unwrap_or("the publisher is not connected");
            return self.lose(why);
        }
        if !self.is_connected {
            self.is_connected = true;
            self.show(None);
            self.relay.tell(Event::Connected);
            self.has_been_connected = true;
        }
        let there: BTreeSet<Topic> = message::topics(&present.confirmed).into_iter().collect();
        let new: Vec<Topic> = there
            .intersection(&self.desired)
            .filter(|topic| !self.confirmed.contains(*topic))
            .cloned()
            .collect();
        if !new.is_empty() {
            self.confirmed.extend(new.iter().cloned());
            self.show(None);
            self.relay.tell(Event::Subscribed { topics: new });
        }
    }

    /// Something was missed, or may be from now on.
    fn lose(&mut self, why: &str) {
        self.show((!self.is_connected).then_some(why));
        if self.is_connected {
            warn!("trades may be missed: {why}");
            self.is_connected = false;
            self.confirmed.clear();
            self.show(Some(why));
            self.relay.tell(Event::Disconnected { reason: why.into() });
        }
    }

    fn show(&self, detail: Option<&str>) {
        let state = match (self.is_connected, self.desired.is_empty()) {
            (true, _) if self.desired.is_subset(&self.confirmed) => State::Live,
            (true, _) => State::Subscribing,
            (false, true) => State::Idle,
            (false, false) => State::Connecting,
        };
        let reconnects = u64::from(self.has_been_connected);
        self.relay.show(|status| {
            if status.state != state {
                status.since = SystemTime::now();
                if state.is_connected() && !status.state.is_connected() {
                    status.reconnects += reconnects;
                    status.connected_at = Some(SystemTime::now());
                }
            }
            status.state = state;
            status.desired = self.desired.iter().cloned().collect();
            status.confirmed = self.confirmed.iter().cloned().collect();
            status.detail = detail.map(str::to_owned).filter(|_| !state.is_connected());
            true
        });
    }
}
