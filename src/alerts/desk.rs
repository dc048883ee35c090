//! PURE: which alerts are due, which belong together, which are over: (now, fact) to messages. No clock, no I/O.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::message::{State, Told};
use super::rules::{Sign, signs};
use super::{Kind, Settings, Target};
use crate::api::Fact;

/// A point in time: how long after one that the caller chose. Never goes back.
pub type At = Duration;

/// The most messages of an hour are counted in this.
const HOUR: Duration = Duration::from_secs(3600);

/// What is wrong with whom.
type Key = (Kind, Option<String>);

/// One alert that is not over, as it is kept for the next supervisor too.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Open {
    /// What it is about.
    pub kind: Kind,
    /// Whom it is about; none: the house.
    pub service: Option<String>,
    /// What is wrong.
    pub words: String,
    /// Since when.
    pub since: At,
    /// When it was last told; none: not yet.
    pub told: Option<At>,
    /// Not worth telling before this.
    pub not_before: At,
}

/// All alerts of a house.
#[derive(Clone, Debug, Default)]
pub struct Desk {
    settings: Settings,
    open: BTreeMap<Key, Open>,
    /// To be told, by target: what waits for the others of its group, or for the rate limit.
    outbox: BTreeMap<String, Outbox>,
    restarts: HashMap<String, VecDeque<At>>,
}

/// What one target has still to be told.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Outbox {
    told: Vec<Told>,
    /// When the group is complete.
    due: Option<At>,
    /// When the last messages left, within the last hour.
    sent: VecDeque<At>,
}

/// All that the next supervisor must know to tell nothing twice and forget nothing.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Memory {
    /// The alerts that are not over.
    pub open: Vec<Open>,
    outbox: BTreeMap<String, Outbox>,
}

impl Desk {
    /// Goes on with what an earlier one knew.
    #[must_use]
    pub fn new(settings: Settings, memory: Memory) -> Self {
        let open = memory
            .open
            .into_iter()
            .map(|open| ((open.kind, open.service.clone()), open));
        Self {
            settings,
            open: open.collect(),
            outbox: memory.outbox,
            restarts: HashMap::new(),
        }
    }

    /// What the next supervisor must know.
    #[must_use]
    pub fn memory(&self) -> Memory {
        Memory {
            open: self.open.values().cloned().collect(),
            outbox: self.outbox.clone(),
        }
    }

    /// The declaration changed. What waits for a target that is gone is dropped with it.
    pub fn revise(&mut self, settings: Settings) {
        self.settings = settings;
        let names: Vec<&String> = self.settings.targets.iter().map(|target| &target.name).collect();
        self.outbox.retain(|name, _| names.contains(&name));
    }

    /// What is wrong now.
    pub fn open(&self) -> impl Iterator<Item = &Open> {
        self.open.values()
    }

    /// These services are declared no more: what was wrong with them is nobody's concern.
    pub fn forget(&mut self, service: &str) {
        self.open.retain(|(_, of), _| of.as_deref() != Some(service));
        self.restarts.remove(service);
    }

    /// Something happened.
    pub fn hear(&mut self, now: At, fact: &Fact) {
        for sign in signs(fact) {
            let service = fact.service.clone();
            match sign {
                Sign::Raise(kind, words) => self.raise(now, (kind, service), words, Duration::ZERO),
                Sign::Suspect(kind, words) => {
                    let patience = self.settings.unhealthy_for;
                    self.raise(now, (kind, service), words, patience);
                }
                Sign::Clear(kind) => self.clear(now, &(kind, service)),
                Sign::Once(kind, words) => {
                    self.tell(now, &told(kind, service, State::Happened, words, Duration::ZERO));
                }
                Sign::Restarted => self.restarted(now, service),
            }
        }
    }

    fn raise(&mut self, now: At, key: Key, words: String, patience: Duration) {
        let open = self.open.entry(key.clone()).or_insert_with(|| Open {
            kind: key.0,
            service: key.1,
            words: String::new(),
            since: now,
            told: None,
            not_before: now + patience,
        });
        open.not_before = open.not_before.min(now + patience);
        open.words = words;
        self.tick(now);
    }

    /// It is over. Who was told that it began is told that it ended.
    fn clear(&mut self, now: At, key: &Key) {
        let Some(open) = self.open.remove(key) else { return };
        if open.told.is_some() {
            self.tell(
                now,
                &told(
                    open.kind,
                    open.service,
                    State::Resolved,
                    open.words,
                    now.saturating_sub(open.since),
                ),
            );
        }
    }

    fn restarted(&mut self, now: At, service: Option<String>) {
        let Some(service) = service else { return };
        let within = self.settings.flapping_within;
        let restarts = self.restarts.entry(service.clone()).or_default();
        restarts.push_back(now);
        forget_before(restarts, now.saturating_sub(within));
        let count = restarts.len();
        if count > self.settings.flapping as usize {
            let words = format!("{count} restarts within {} min", (within.as_secs() / 60).max(1));
            self.raise(now, (Kind::Flapping, Some(service)), words, Duration::ZERO);
        }
    }

    /// Does all whose time has come. May come early, late or twice.
    pub fn tick(&mut self, now: At) {
        self.calm_down(now);
        let repeat = self.settings.repeat;
        let mut due = Vec::new();
        for open in self.open.values_mut() {
            let state = match open.told {
                None if open.not_before <= now => State::Firing,
                Some(last) if repeat.is_some_and(|repeat| last + repeat <= now) => State::Still,
                None | Some(_) => continue,
            };
            open.told = Some(now);
            due.push(told(
                open.kind,
                open.service.clone(),
                state,
                open.words.clone(),
                now.saturating_sub(open.since),
            ));
        }
        due.iter().for_each(|told| self.tell(now, told));
    }

    /// Who was not restarted for as long as flapping is counted flaps no more.
    fn calm_down(&mut self, now: At) {
        let edge = now.saturating_sub(self.settings.flapping_within);
        let mut calm = Vec::new();
        self.restarts.retain(|service, restarts| {
            forget_before(restarts, edge);
            if restarts.is_empty() {
                calm.push(service.clone());
            }
            !restarts.is_empty()
        });
        // Those that an earlier supervisor told of are not in `restarts`: they calm down as they age.
        for ((kind, service), open) in &self.open {
            let known = service
                .as_ref()
                .is_some_and(|name| self.restarts.contains_key(name));
            if *kind == Kind::Flapping && !known && open.told.is_some_and(|told| told <= edge) {
                calm.extend(service.clone());
            }
        }
        for service in calm {
            self.clear(now, &(Kind::Flapping, Some(service)));
        }
    }

    fn tell(&mut self, now: At, told: &Told) {
        let wants = |target: &&Target| target.kinds.is_empty() || target.kinds.contains(&told.kind);
        for target in self.settings.targets.iter().filter(wants) {
            let outbox = self.outbox.entry(target.name.clone()).or_default();
            outbox.told.push(told.clone());
            outbox.due.get_or_insert(now + self.settings.group);
        }
    }

    /// The groups that leave now, each with the name of its target.
    pub fn leave(&mut self, now: At) -> Vec<(String, Vec<Told>)> {
        self.tick(now);
        let limit = self.settings.per_hour.max(1) as usize;
        let mut leaving = Vec::new();
        for (target, outbox) in &mut self.outbox {
            forget_before(&mut outbox.sent, now.saturating_sub(HOUR));
            let complete = outbox.due.is_some_and(|due| due <= now);
            if complete && outbox.sent.len() < limit {
                outbox.due = None;
                outbox.sent.push_back(now);
                leaving.push((target.clone(), std::mem::take(&mut outbox.told)));
            }
        }
        leaving
    }

    /// When something would be due. Nothing else wakes it.
    #[must_use]
    pub fn next_deadline(&self) -> Option<At> {
        if self.settings.targets.is_empty() {
            return None;
        }
        let tells = self
            .open
            .values()
            .filter_map(|open| match (open.told, self.settings.repeat) {
                (None, _) => Some(open.not_before),
                (Some(told), Some(repeat)) => Some(told + repeat),
                (Some(_), None) => None,
            });
        let within = self.settings.flapping_within;
        let calms = self
            .open
            .values()
            .filter(|open| open.kind == Kind::Flapping)
            .filter_map(|open| {
                let last = open
                    .service
                    .as_ref()
                    .and_then(|name| self.restarts.get(name)?.back().copied());
                last.or(open.told).map(|last| last + within)
            });
        let leaves = self.outbox.values().filter_map(|outbox| self.leaves(outbox));
        tells.chain(calms).chain(leaves).min()
    }

    fn leaves(&self, outbox: &Outbox) -> Option<At> {
        let limit = self.settings.per_hour.max(1) as usize;
        let free = match outbox.sent.len().checked_sub(limit) {
            Some(surplus) => outbox
                .sent
                .get(surplus)
                .map_or(Duration::ZERO, |sent| *sent + HOUR),
            None => Duration::ZERO,
        };
        outbox.due.map(|due| due.max(free))
    }
}

fn told(kind: Kind, service: Option<String>, state: State, words: String, lasted: Duration) -> Told {
    Told {
        kind,
        service,
        state,
        words,
        for_s: lasted.as_secs(),
    }
}

/// Drops what is not after the edge; an edge of zero drops nothing.
fn forget_before(times: &mut VecDeque<At>, edge: At) {
    while !edge.is_zero() && times.front().is_some_and(|at| *at <= edge) {
        times.pop_front();
    }
}
