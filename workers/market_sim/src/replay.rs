//! A recording in place of made-up trades: what it is in a file, and what of it is due when.
//!
//! The file is text. Each line is one message as Alpaca sends it, an object or an array of them:
//! ```text
//! [{"T":"t","S":"AAPL","i":1,"x":"V","p":230.1,"s":100,"c":["@"],"z":"C","t":"2025-10-08T14:29:00.1Z"}]
//! {"T":"q","S":"AAPL","bx":"V","bp":230.0,"bs":1,"ax":"V","ap":230.2,"as":2,"z":"C","t":"2025-10-08T14:29:00.2Z"}
//! ```
//! Trades (`t`), quotes (`q`), bars (`b` `u` `d`), statuses (`s`), corrections (`c`) and cancels (`x`) are
//! played; control messages (`success`, `error`, `subscription`) are left out, so that the log of any
//! client will do, and empty lines too. Lines are in the order of their times; what goes back in time
//! is played at once, as it came.
//!
//! It begins with the first subscription. Times are moved to the market's clock: `--market-time` at the
//! recording's first time keeps them as they were.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use crate::recorded;
use crate::trade::Item;

/// A recording, and how it is played.
#[derive(Clone, Debug)]
pub struct Recording {
    /// Ascending offsets from the first, and what happened then.
    items: Arc<[(Duration, Item)]>,
    /// So many times as fast as it was.
    speed: f64,
    /// Again from the beginning, when it is over.
    again: bool,
}

impl Recording {
    /// Reads a file; the error is a sentence that names the line.
    pub fn read(path: &Path, speed: f64, again: bool) -> Result<Self, String> {
        let text = fs::read_to_string(path)
            .map_err(|error| format!("cannot read the recording {}: {error}", path.display()))?;
        Self::parse(&text, speed, again).map_err(|error| format!("{}: {error}", path.display()))
    }

    fn parse(text: &str, speed: f64, again: bool) -> Result<Self, String> {
        let mut items: Vec<(Duration, Item)> = Vec::new();
        let mut first = None;
        for (number, line) in text
            .lines()
            .enumerate()
            .filter(|(_, line)| !line.trim().is_empty())
        {
            let wrong = |why: String| format!("line {}: {why}", number + 1);
            let value: Value = serde_json::from_str(line).map_err(|error| wrong(error.to_string()))?;
            let one = std::slice::from_ref(&value);
            for message in value.as_array().map_or(one, Vec::as_slice) {
                let Some(item) = recorded::item(message).map_err(wrong)? else {
                    continue;
                };
                let at = item.at();
                let since = at.duration_since(*first.get_or_insert(at));
                let since = Duration::try_from(since).unwrap_or_default();
                let last = items.last().map_or(Duration::ZERO, |(at, _)| *at);
                items.push((since.max(last), item));
            }
        }
        if items.is_empty() {
            return Err("there is nothing to play in it".into());
        }
        let items = items.into();
        Ok(Self { items, speed, again })
    }

    /// The time from the beginning of one round to that of the next.
    fn round(&self) -> Duration {
        let last = self.items.last().map_or(Duration::ZERO, |(at, _)| *at);
        last + Duration::from_secs(1)
    }
}

/// Plays a recording. Pure: time is an argument.
#[derive(Debug)]
pub(crate) struct Player {
    recording: Recording,
    begun: Option<(Instant, Timestamp)>,
    /// How often it has been played whole.
    rounds: u32,
    next: usize,
    /// Above all ids of the recording, so that a later round has ids of its own.
    id_step: u64,
}

impl Player {
    pub(crate) fn new(recording: Recording) -> Self {
        let ids = recording.items.iter().filter_map(|(_, item)| item.id());
        let id_step = ids.max().unwrap_or_default().saturating_add(1);
        Self {
            recording,
            begun: None,
            rounds: 0,
            next: 0,
            id_step,
        }
    }

    /// Begins, unless it has begun.
    pub(crate) fn begin(&mut self, now: Instant, clock: Timestamp) {
        self.begun.get_or_insert((now, clock));
    }

    /// When the next is due; `None` before the beginning and after the end.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        let (began, _) = self.begun?;
        let at = self.offset()?;
        Some(began + at.div_f64(self.recording.speed))
    }

    /// All that is due, with the times of this market; of what is long overdue only so much.
    pub(crate) fn take_due(&mut self, now: Instant, most: usize) -> Vec<Item> {
        let mut due = Vec::new();
        while due.len() < most
            && let Some((_, clock)) = self.begun
            && self.next_deadline().is_some_and(|at| at <= now)
        {
            let offset = self.offset().unwrap_or_default().div_f64(self.recording.speed);
            let mut item = self.recording.items[self.next].1.clone();
            let moved = SignedDuration::try_from(offset).unwrap_or_default();
            item.set_at(clock.saturating_add(moved).unwrap_or(clock));
            item.add_to_id(u64::from(self.rounds).saturating_mul(self.id_step));
            due.push(item);
            self.next += 1;
            if self.next == self.recording.items.len() && self.recording.again {
                self.next = 0;
                self.rounds += 1;
            }
        }
        due
    }

    fn offset(&self) -> Option<Duration> {
        let (at, _) = self.recording.items.get(self.next)?;
        Some(self.recording.round() * self.rounds + *at)
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::{Player, Recording};
    use crate::trade::Item;

    const FILE: &str = r#"
[{"T":"success","msg":"authenticated"}]
[{"T":"t","S":"AAPL","i":7,"x":"V","p":230.125,"s":100,"c":["@","F"],"z":"C","t":"2025-10-08T14:29:00Z"},{"T":"q","S":"AAPL","bx":"V","bp":230.0,"bs":1,"ax":"V","ap":230.2,"as":2,"c":["R"],"z":"C","t":"2025-10-08T14:29:00Z"}]
{"T":"t","S":"TSLA","i":8,"x":"Q","p":340,"s":5,"t":"2025-10-08T14:29:02.5Z"}
"#;

    #[test]
    fn a_recording_is_played_at_its_pace_with_the_markets_times() {
        let recording = Recording::parse(FILE, 2.0, true).expect("well formed");
        let mut player = Player::new(recording);
        assert_eq!(player.next_deadline(), None, "nobody watches");
        let (now, clock) = (Instant::now(), "2025-10-08T10:00:00Z".parse().expect("a time"));
        player.begin(now, clock);
        assert_eq!(player.take_due(now, 100).len(), 2);
        let due = player.next_deadline().expect("there is more");
        assert_eq!(due, now + Duration::from_millis(1250), "twice as fast");
        assert!(player.take_due(now, 100).is_empty());
        let items = player.take_due(due, 100);
        let [Item::Trade(trade)] = &items[..] else {
            panic!("{items:?}");
        };
        assert_eq!((&*trade.symbol, trade.id, trade.price), ("TSLA", 8, 340.0));
        assert_eq!(trade.at.to_string(), "2025-10-08T10:00:01.25Z");
        let again = player.take_due(due + Duration::from_secs(1), 100);
        assert_eq!(again[0].id(), Some(7 + 9), "ids of its own in the next round");
    }

    #[test]
    fn a_recording_ends_and_a_bad_line_is_named() {
        let mut player = Player::new(Recording::parse(FILE, 1.0, false).expect("well formed"));
        let now = Instant::now();
        player.begin(now, "2025-10-08T10:00:00Z".parse().expect("a time"));
        assert_eq!(player.take_due(now + Duration::from_secs(9), 100).len(), 3);
        assert_eq!(player.next_deadline(), None);
        for (text, why) in [
            ("{}", "line 1: no T"),
            ("\n[{\"T\":\"t\",\"S\":\"A\"}]", "line 2: t without"),
            ("x", "line 1: expected value"),
            ("", "nothing to play"),
        ] {
            let error = Recording::parse(text, 1.0, false).expect_err(text);
            assert!(error.contains(why), "{error}");
        }
    }
}
