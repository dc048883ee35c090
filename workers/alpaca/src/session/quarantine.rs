//! What the server refused of late: not asked for again before there is a reason to.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::subscriptions::Refusal;
use crate::{Quarantined, Topic};

/// What is no symbol, or no channel of this feed, will hardly become one.
const REFUSED: Duration = Duration::from_secs(600);
/// A limit is felt until something is given up, or the plan is another.
const NO_ROOM: Duration = Duration::from_secs(60);
const SYMBOL_LIMIT: u16 = 405;
/// Who asks for ever new nonsense costs no more memory than this.
const MOST: usize = 1000;

/// Refused topics, each with why and until when.
#[derive(Clone, Debug, Default)]
pub(super) struct Quarantine(BTreeMap<Topic, (u16, String, Instant)>);

impl Quarantine {
    pub(super) fn add(&mut self, now: Instant, refusal: &Refusal) {
        let lasts = match refusal.code {
            SYMBOL_LIMIT => NO_ROOM,
            _ => REFUSED,
        };
        for topic in &refusal.topics {
            if self.0.len() >= MOST {
                self.0.pop_first();
            }
            let why = (refusal.code, refusal.message.clone(), now + lasts);
            self.0.insert(topic.clone(), why);
        }
    }

    /// Something was given up: there may be room again.
    pub(super) fn make_room(&mut self) {
        self.0.retain(|_, (code, ..)| *code != SYMBOL_LIMIT);
    }

    /// Splits what is wanted into what may be asked for and what is refused at once.
    pub(super) fn split(&mut self, now: Instant, wanted: Vec<Topic>) -> (Vec<Topic>, Vec<Refusal>) {
        self.0.retain(|_, (_, _, until)| *until > now);
        let (barred, free): (Vec<Topic>, Vec<Topic>) =
            wanted.into_iter().partition(|topic| self.0.contains_key(topic));
        let mut refusals: Vec<Refusal> = Vec::new();
        for topic in barred {
            let Some((code, message, _)) = self.0.get(&topic) else {
                continue;
            };
            match refusals.iter_mut().find(|refusal| refusal.code == *code) {
                Some(refusal) => refusal.topics.push(topic),
                None => refusals.push(Refusal {
                    topics: vec![topic],
                    code: *code,
                    message: message.clone(),
                }),
            }
        }
        (free, refusals)
    }

    pub(super) fn list(&self) -> Vec<Quarantined> {
        let entry = |(topic, (code, message, _)): (&Topic, &(u16, String, Instant))| Quarantined {
            topic: topic.clone(),
            code: *code,
            message: message.clone(),
        };
        self.0.iter().map(entry).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::{Quarantine, Refusal};
    use crate::Topic;

    fn refusal(symbol: &str, code: u16) -> Refusal {
        Refusal {
            topics: vec![Topic::trades(symbol)],
            code,
            message: "no".into(),
        }
    }

    #[test]
    fn what_was_refused_is_refused_at_once_until_its_time_is_over() {
        let now = Instant::now();
        let mut quarantine = Quarantine::default();
        quarantine.add(now, &refusal("BAD", 400));
        quarantine.add(now, &refusal("MANY", 405));
        let wanted = || ["BAD", "MANY", "GOOD"].map(Topic::trades).to_vec();
        let (free, refused) = quarantine.split(now, wanted());
        assert_eq!(free, [Topic::trades("GOOD")]);
        assert_eq!(refused, [refusal("BAD", 400), refusal("MANY", 405)]);
        quarantine.make_room();
        assert_eq!(quarantine.list().len(), 1, "a bad symbol stays one");
        let later = now + Duration::from_secs(600);
        assert_eq!(quarantine.split(later, wanted()).0.len(), 3);
        assert_eq!(quarantine.list(), []);
    }

    #[test]
    fn nonsense_without_end_is_bounded() {
        let mut quarantine = Quarantine::default();
        for n in 0..3000 {
            quarantine.add(Instant::now(), &refusal(&format!("S{n}"), 400));
        }
        assert_eq!(quarantine.list().len(), 1000);
    }
}
