//! What all open system pages see: one look at the supervisor for all of them, taken when an event says
//! that something changed. While no page is open, nothing is asked.
//!
//! CPU, memory and the stream's figures are readings, which no event announces: they are taken every
//! [`SAMPLE_EVERY`] while somebody looks.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hyper::body::Incoming;
use serde::Serialize;
use serde_json::Value;
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};

use crate::fact_view::{FactRow, Record};
use crate::live::{Lines, PAUSES, UNSUPPORTED_PAUSE, is_unsupported};
use crate::look::look;
use crate::supervisor::{NoAnswer, Supervisor};
use crate::view::{Tone, View};

/// Between two readings.
const SAMPLE_EVERY: Duration = Duration::from_secs(2);
/// Readings that are kept of each service.
const SAMPLES: usize = 60;
/// From an event to the look: those that come together are seen together.
const TOGETHER: Duration = Duration::from_millis(30);
/// Rows of the ledger that a page shows.
pub const FACTS: usize = 100;

/// What a page is sent; each replaces the one before.
#[derive(Clone, Debug, Default)]
pub struct Sight {
    /// The [`View`] and whether it is live, as JSON.
    pub picture: Arc<str>,
    /// The last rows of the ledger, newest first, as JSON.
    pub ledger: Arc<str>,
}

/// Whether the page hears of changes.
#[derive(Clone, Debug, Serialize)]
struct Link {
    tone: Tone,
    words: String,
}

/// The one who looks.
#[derive(Debug)]
pub struct Hub {
    supervisor: Supervisor,
    sight: watch::Sender<Sight>,
    looking: Mutex<bool>,
}

impl Hub {
    /// One of this supervisor; it does nothing yet.
    #[must_use]
    pub fn new(supervisor: Supervisor) -> Arc<Self> {
        Arc::new(Self {
            supervisor,
            sight: watch::channel(Sight::default()).0,
            looking: Mutex::new(false),
        })
    }

    /// One who looks from now on. The first sight may be one of earlier.
    pub fn follow(self: &Arc<Self>) -> watch::Receiver<Sight> {
        let receiver = self.sight.subscribe();
        let mut looking = self
            .looking
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        if !std::mem::replace(&mut *looking, true) {
            self.sight.send_replace(Sight::default());
            tokio::spawn(self.clone().look_on());
        }
        receiver
    }

    async fn look_on(self: Arc<Self>) {
        loop {
            tokio::select! {
                () = Watcher::new(&self).run() => {}
                () = self.sight.closed() => {}
            }
            let mut looking = self
                .looking
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner);
            // Somebody may have come since.
            if self.sight.receiver_count() == 0 {
                *looking = false;
                return;
            }
        }
    }
}

/// One time of looking, from the first page to the last.
struct Watcher<'h> {
    hub: &'h Hub,
    readings: HashMap<String, Readings>,
    ledger: VecDeque<FactRow>,
    link: Link,
}

/// The last readings of a service.
#[derive(Default)]
struct Readings {
    cpu: VecDeque<Option<f64>>,
    memory: VecDeque<Option<f64>>,
}

impl<'h> Watcher<'h> {
    fn new(hub: &'h Hub) -> Self {
        Self {
            hub,
            readings: HashMap::new(),
            ledger: VecDeque::new(),
            link: Link {
                tone: Tone::Busy,
                words: "Connecting to the supervisor".into(),
            },
        }
    }

    /// Follows the supervisor for as long as anybody looks.
    async fn run(mut self) {
        let mut pause = PAUSES.0;
        loop {
            let why = match self.hub.supervisor.events().await {
                Ok(body) => {
                    pause = PAUSES.0;
                    self.live(body).await
                }
                Err(why) => why,
            };
            let supported = !is_unsupported(&why);
            let words = match supported {
                true => format!("Not live: {}", why.message()),
                false => "Not live: this supervisor does not tell its changes".into(),
            };
            let tone = if supported { Tone::Bad } else { Tone::Warn };
            self.link = Link { tone, words };
            self.show(false).await;
            sleep(if supported { pause } else { UNSUPPORTED_PAUSE }).await;
            pause = (pause * 2).min(PAUSES.1);
        }
    }

    /// Shows what changes until the supervisor ends.
    async fn live(&mut self, body: Incoming) -> NoAnswer {
        self.link = Link {
            tone: Tone::Good,
            words: "Live".into(),
        };
        self.read_ledger().await;
        self.show(true).await;
        let mut lines = Lines::of(body);
        let mut samples = interval(SAMPLE_EVERY);
        samples.set_missed_tick_behavior(MissedTickBehavior::Delay);
        samples.reset();
        let mut due: Option<Instant> = None;
        loop {
            tokio::select! {
                line = lines.next() => match line {
                    Some(line) => {
                        self.hear(&line);
                        due.get_or_insert(Instant::now() + TOGETHER);
                    }
                    None => return NoAnswer::Ended,
                },
                _ = samples.tick() => self.show(true).await,
                () = async { tokio::time::sleep_until(due.unwrap_or_else(Instant::now)).await }, if due.is_some() => {
                    due = None;
                    self.show(false).await;
                }
            }
        }
    }

    async fn read_ledger(&mut self) {
        let Ok(body) = self
            .hub
            .supervisor
            .read(&format!("/v1/ledger?lines={FACTS}"))
            .await
        else {
            return;
        };
        self.ledger.clear();
        for line in body.split(|&byte| byte == b'\n') {
            if let Ok(record) = serde_json::from_slice::<Record>(line) {
                self.note(&record);
            }
        }
    }

    fn note(&mut self, record: &Record) {
        let row = FactRow::of(record);
        // What came while the ledger was read stands in it already.
        if self.ledger.front().is_some_and(|newest| newest.seq >= row.seq) {
            return;
        }
        self.ledger.push_front(row);
        self.ledger.truncate(FACTS);
    }

    fn hear(&mut self, line: &str) {
        let Ok(mut event) = serde_json::from_str::<Value>(line) else {
            return;
        };
        if event["event"] == "fact"
            && let Ok(record) = serde_json::from_value::<Record>(event["record"].take())
        {
            self.note(&record);
        }
    }

    /// Takes a look, and shows it. `sample`: its readings are kept.
    async fn show(&mut self, sample: bool) {
        let mut view = match look(&self.hub.supervisor).await {
            Ok(status) => View::of(&status, jiff::Timestamp::now()),
            Err(answer) => View::without(&answer),
        };
        if sample {
            self.keep(&view);
        }
        for row in &mut view.services {
            // What does not run has no line, whatever it had before.
            if let Some(readings) = self.readings.get(&row.name).filter(|_| row.cpu_percent.is_some()) {
                row.cpu_series = readings.cpu.iter().copied().collect();
                row.memory_series = readings.memory.iter().copied().collect();
            }
        }
        let picture = serde_json::json!({"view": view, "link": self.link}).to_string();
        let ledger = serde_json::to_string(&self.ledger).unwrap_or_default();
        self.hub.sight.send_replace(Sight {
            picture: picture.into(),
            ledger: ledger.into(),
        });
    }

    fn keep(&mut self, view: &View) {
        let there = |name: &String| view.services.iter().any(|row| row.name == *name);
        self.readings.retain(|name, _| there(name));
        for row in &view.services {
            let readings = self.readings.entry(row.name.clone()).or_default();
            push(&mut readings.cpu, row.cpu_percent);
            push(&mut readings.memory, row.memory_bytes.map(|bytes| bytes as f64));
        }
    }
}

fn push(series: &mut VecDeque<Option<f64>>, reading: Option<f64>) {
    series.push_back(reading);
    if series.len() > SAMPLES {
        series.pop_front();
    }
}
