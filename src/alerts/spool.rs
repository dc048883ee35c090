//! PURE: messages that wait to be taken, in order, one at a time to each target, with back-off between tries.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::desk::{At, Memory};
use super::{Message, Settings};

/// The most messages that wait; the oldest go first, and that is told.
pub const MOST: usize = 1000;

/// All that is kept on disk about alerts.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Spool {
    /// The present format; of another one, nothing is used.
    pub version: u32,
    /// What the desk must remember.
    pub memory: Memory,
    /// The messages, oldest first.
    pub waiting: VecDeque<Waiting>,
    /// Targets with a delivery under way.
    #[serde(skip)]
    flying: BTreeSet<String>,
}

/// One message on its way to one target.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Waiting {
    /// Whom it is for.
    pub target: String,
    /// What it says.
    pub message: Message,
    /// How often it was tried.
    pub tries: u32,
    /// Why the last try failed.
    pub trouble: Option<String>,
    /// Not before this; a new supervisor tries at once.
    #[serde(skip)]
    next: At,
}

impl Spool {
    /// The present format.
    pub const VERSION: u32 = 1;

    /// What an earlier supervisor left; nothing, if that cannot be understood.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Self {
        let kept: Option<Self> = serde_json::from_slice(bytes).ok();
        kept.filter(|kept| kept.version == Self::VERSION).unwrap_or(Self {
            version: Self::VERSION,
            ..Self::default()
        })
    }

    /// Puts a message last. Returns how many old ones had to go.
    pub fn push(&mut self, now: At, target: String, message: Message) -> usize {
        self.waiting.push_back(Waiting {
            target,
            message,
            tries: 0,
            trouble: None,
            next: now,
        });
        let surplus = self.waiting.len().saturating_sub(MOST);
        self.waiting.drain(..surplus);
        surplus
    }

    /// Drops what waits for targets that are declared no more.
    pub fn keep_only(&mut self, settings: &Settings) {
        let declared = |name: &str| settings.targets.iter().any(|target| target.name == name);
        self.waiting.retain(|waiting| declared(&waiting.target));
    }

    /// The messages to deliver now: of each target the first, once its time has come.
    pub fn start(&mut self, now: At) -> Vec<(String, Message)> {
        let mut starting = Vec::new();
        for waiting in self.firsts().filter(|waiting| waiting.next <= now) {
            starting.push((waiting.target.clone(), waiting.message.clone()));
        }
        self.flying
            .extend(starting.iter().map(|(target, _)| target.clone()));
        starting
    }

    /// The first message of each target that has no delivery under way.
    fn firsts(&self) -> impl Iterator<Item = &Waiting> {
        let mut seen: BTreeSet<&str> = self.flying.iter().map(String::as_str).collect();
        self.waiting
            .iter()
            .filter(move |waiting| seen.insert(&waiting.target))
    }

    /// The delivery of this message to this target ended.
    pub fn done(
        &mut self,
        now: At,
        (target, id): (&str, &str),
        result: Result<(), String>,
        settings: &Settings,
    ) {
        self.flying.remove(target);
        let this = |waiting: &Waiting| waiting.target == target && waiting.message.id == id;
        let Some(index) = self.waiting.iter().position(this) else {
            return;
        };
        match result {
            Ok(()) => drop(self.waiting.remove(index)),
            Err(why) => {
                let waiting = &mut self.waiting[index];
                waiting.next = now + pause(waiting.tries, settings);
                waiting.tries += 1;
                waiting.trouble = Some(why);
            }
        }
    }

    /// When something is to be tried.
    #[must_use]
    pub fn next_deadline(&self) -> Option<At> {
        self.firsts().map(|waiting| waiting.next).min()
    }

    /// Why the oldest message that was tried was not taken.
    #[must_use]
    pub fn trouble(&self) -> Option<(&str, &str)> {
        let tried = |waiting: &'_ Waiting| waiting.trouble.is_some();
        let waiting = self.waiting.iter().find(|waiting| tried(waiting))?;
        Some((&waiting.target, waiting.trouble.as_deref()?))
    }
}

/// Doubles from `retry` to `retry_max`.
fn pause(tries: u32, settings: &Settings) -> Duration {
    let factor = 2_u32.saturating_pow(tries.min(30));
    settings.retry.saturating_mul(factor).min(settings.retry_max)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(id: &str) -> Message {
        Message::of(id.into(), "h", "/", String::new(), Vec::new())
    }

    fn s(seconds: u64) -> At {
        Duration::from_secs(seconds)
    }

    fn started(spool: &mut Spool, now: At) -> Vec<(String, String)> {
        spool
            .start(now)
            .into_iter()
            .map(|(target, message)| (target, message.id))
            .collect()
    }

    #[test]
    fn each_target_gets_its_messages_in_order_and_one_that_is_down_holds_up_nobody_else() {
        let (mut spool, settings) = (Spool::parse(b""), Settings::default());
        for (target, id) in [("a", "1"), ("b", "1"), ("a", "2"), ("b", "2")] {
            assert_eq!(spool.push(s(0), target.into(), message(id)), 0);
        }
        assert_eq!(
            started(&mut spool, s(0)),
            [("a".into(), "1".into()), ("b".into(), "1".into())]
        );
        assert_eq!(started(&mut spool, s(0)), [], "one at a time");
        spool.done(s(1), ("a", "1"), Err("refused".into()), &settings);
        spool.done(s(1), ("b", "1"), Ok(()), &settings);
        assert_eq!(started(&mut spool, s(1)), [("b".into(), "2".into())]);
        assert_eq!(
            (spool.next_deadline(), spool.trouble()),
            (Some(s(2)), Some(("a", "refused")))
        );
        assert_eq!(started(&mut spool, s(2)), [("a".into(), "1".into())]);
        spool.done(s(2), ("a", "1"), Ok(()), &settings);
        assert_eq!(started(&mut spool, s(2)), [("a".into(), "2".into())]);
    }

    #[test]
    fn the_pause_doubles_up_to_its_limit() {
        let settings = Settings::default();
        let pauses: Vec<u64> = (0..12).map(|tries| pause(tries, &settings).as_secs()).collect();
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300]);
        assert_eq!(pause(u32::MAX, &settings).as_secs(), 300);
    }

    #[test]
    fn it_is_bounded_and_survives_its_supervisor() {
        let mut spool = Spool::parse(b"garbage");
        let dropped: usize = (0..MOST + 5)
            .map(|id| spool.push(s(0), "a".into(), message(&id.to_string())))
            .sum();
        assert_eq!((dropped, spool.waiting.len()), (5, MOST));
        started(&mut spool, s(0));
        let kept = serde_json::to_vec(&spool).expect("JSON");
        let mut next = Spool::parse(&kept);
        assert_eq!(
            started(&mut next, s(0)),
            [("a".into(), "5".into())],
            "tried again at once"
        );
        next.keep_only(&Settings::default());
        assert_eq!(next.waiting.len(), 0);
    }
}
