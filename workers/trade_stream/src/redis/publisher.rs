//! Publishes what comes from Alpaca, and asks Alpaca for what followers want.

use std::collections::{BTreeSet, HashMap};
use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, Instant};

use alpaca::{Event, MarketData, Topic};
use futures_util::StreamExt;
use tokio::sync::mpsc;
use tokio::time::{interval, sleep};
use tracing::{info, warn};

use super::line::{FIRST_PAUSE, LAST_PAUSE, Line};
use super::message::{self, Present, Refusal, Wants};
use crate::client::Format;
use crate::hub::Request;

/// Messages that may wait for Redis; what does not fit is dropped, and followers see it by the numbers.
const QUEUE: usize = 1024;
/// How often followers hear how things are.
const PULSE: Duration = Duration::from_secs(1);
/// A follower that has told nothing for so long wants nothing.
const FORGET: Duration = Duration::from_secs(20);
/// Events that go into one message when they are there anyway.
const AT_ONCE: usize = 64;

/// Publishes until the upstream has ended, or the hub.
pub async fn publish(line: Line, upstream: MarketData, hub: mpsc::Sender<Request>) {
    let (queue, messages) = mpsc::channel(QUEUE);
    let writer = Writer {
        queue,
        boot: RandomState::new().hash_one(()),
        number: 0,
        dropped: 0,
    };
    tokio::select! {
        () = tell(writer, upstream) => {}
        () = carry(line, messages, hub) => {}
    }
}

/// Numbers messages, and hands them on without waiting.
struct Writer {
    queue: mpsc::Sender<Vec<u8>>,
    boot: u64,
    number: u64,
    dropped: u64,
}

impl Writer {
    fn write(&mut self, kind: &str, body: &[u8]) {
        self.number += 1;
        let message = message::write(self.boot, self.number, kind, body);
        match self.queue.try_send(message) {
            Ok(()) if self.dropped > 0 => {
                warn!(
                    "{} messages for Redis were dropped: it was away or too slow",
                    self.dropped
                );
                self.dropped = 0;
            }
            Ok(()) => {}
            Err(_) => self.dropped += 1,
        }
    }

    fn write_json(&mut self, kind: &str, body: &impl serde::Serialize) {
        self.write(
            kind,
            &serde_json::to_vec(body).expect("texts and numbers, into memory"),
        );
    }

    fn data(&mut self, items: &mut Vec<Vec<u8>>) {
        if !items.is_empty() {
            let array = [&b"["[..], &items.join(&b','), b"]"].concat();
            items.clear();
            self.write(message::DATA, &array);
        }
    }
}

/// Turns events into messages, in their order.
async fn tell(mut writer: Writer, upstream: MarketData) {
    let mut events = upstream.events();
    let mut status = upstream.status();
    // Only this function's caller keeps the upstream open.
    drop(upstream);
    let mut pulse = interval(PULSE);
    let mut batch = Vec::new();
    loop {
        let mut tells_state = true;
        tokio::select! {
            count = events.recv_many(&mut batch, AT_ONCE) => {
                if count == 0 {
                    return;
                }
                let mut items = Vec::new();
                tells_state = batch.iter().any(|event| !matches!(event, Event::Trades(_) | Event::Data(_)));
                for event in batch.drain(..) {
                    write_event(&mut writer, &mut items, event);
                }
                writer.data(&mut items);
            }
            changed = status.changed() => if changed.is_err() { return },
            _ = pulse.tick() => {}
        }
        // While Redis is away the queue is better used for data.
        if tells_state && writer.queue.capacity() > QUEUE / 2 {
            let present = present(&status.borrow_and_update());
            writer.write_json(message::STATE, &present);
        }
    }
}

fn present(status: &alpaca::Status) -> Present {
    Present {
        connected: status.state.is_connected(),
        detail: status.detail.clone(),
        confirmed: message::pairs(&status.confirmed),
    }
}

fn write_event(writer: &mut Writer, items: &mut Vec<Vec<u8>>, event: Event) {
    let element = |write: &dyn Fn(&mut Vec<u8>)| {
        let mut text = Vec::with_capacity(160);
        write(&mut text);
        // Written as an array of one; the brackets are put around all of them.
        text[1..text.len() - 1].to_vec()
    };
    match event {
        Event::Trades(batch) => {
            items.extend(
                batch
                    .iter()
                    .map(|trade| element(&|out| Format::AlpacaJson.write_trade(out, trade))),
            );
        }
        Event::Data(data) => {
            items.extend(
                data.iter()
                    .map(|datum| element(&|out| Format::AlpacaJson.write_datum(out, datum, 0))),
            );
        }
        Event::Disconnected { reason } => {
            writer.data(items);
            writer.write(message::LOST, reason.as_bytes());
        }
        Event::Doubted { .. } => {
            writer.data(items);
            writer.write(
                message::LOST,
                b"a part of what was made did not come, or could not be read",
            );
        }
        Event::Refused {
            topics,
            code,
            message,
        } => {
            writer.data(items);
            let topics = message::pairs(&topics);
            writer.write_json(
                message::REFUSED,
                &Refusal {
                    topics,
                    code,
                    message,
                },
            );
        }
        Event::Muted { symbols } | Event::Paused { symbols } => {
            writer.data(items);
            let silence = |(symbol, silence): (String, Duration)| {
                (symbol, u64::try_from(silence.as_millis()).unwrap_or(u64::MAX))
            };
            let symbols: Vec<_> = symbols.into_iter().map(silence).collect();
            writer.write_json(message::SILENT, &symbols);
        }
        // The state that follows tells these.
        Event::Connected | Event::Subscribed { .. } | Event::Fatal { .. } => writer.data(items),
    }
}

/// Carries messages to Redis, and followers' wants from there, through however many connections.
async fn carry(line: Line, mut messages: mpsc::Receiver<Vec<u8>>, hub: mpsc::Sender<Request>) {
    let mut pause = FIRST_PAUSE;
    let mut followers = Followers::default();
    loop {
        let why = match line.open(&line.wants()).await {
            Ok((mut mouth, mut ear)) => {
                info!("publishing at {line}");
                pause = FIRST_PAUSE;
                let mut heard = ear.on_message();
                let mut forget = interval(FORGET / 4);
                loop {
                    tokio::select! {
                        message = messages.recv() => {
                            let Some(message) = message else { return };
                            if let Err(why) = mouth.say(&line.told(), &message).await {
                                break why;
                            }
                        }
                        wants = heard.next() => match wants {
                            Some(wants) => followers.note(wants.get_payload_bytes()),
                            None => break "the connection was lost".into(),
                        },
                        _ = forget.tick() => followers.forget(Instant::now()),
                    }
                    if let Some(topics) = followers.change()
                        && hub.send(Request::Elsewhere { topics }).await.is_err()
                    {
                        return;
                    }
                }
            }
            Err(why) => why,
        };
        warn!("cannot publish at {line}, trying again: {why}");
        sleep(pause).await;
        pause = LAST_PAUSE.min(pause * 2);
    }
}

/// What followers want, as far as they have told of late.
#[derive(Default)]
struct Followers {
    wants: HashMap<u64, (Instant, BTreeSet<Topic>)>,
    told: BTreeSet<Topic>,
}

impl Followers {
    fn note(&mut self, message: &[u8]) {
        let Ok(Wants { id, topics }) = serde_json::from_slice(message) else {
            return;
        };
        if topics.is_empty() {
            self.wants.remove(&id);
        } else {
            let topics = message::topics(&topics).into_iter().collect();
            self.wants.insert(id, (Instant::now(), topics));
        }
    }

    fn forget(&mut self, now: Instant) {
        self.wants
            .retain(|_, (heard, _)| now.saturating_duration_since(*heard) < FORGET);
    }

    /// All that is wanted, if that has changed.
    fn change(&mut self) -> Option<BTreeSet<Topic>> {
        let all: BTreeSet<Topic> = self
            .wants
            .values()
            .flat_map(|(_, topics)| topics)
            .cloned()
            .collect();
        (all != self.told).then(|| {
            self.told.clone_from(&all);
            all
        })
    }
}
