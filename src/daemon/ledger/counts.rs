//! PURE: how often what happened since this supervisor began, for metrics and flapping.

use std::collections::{BTreeMap, BTreeSet};

use crate::api::{Fact, What};
use crate::service::ServiceName;

/// Counters that only rise.
#[derive(Clone, Debug, Default)]
pub struct Counts {
    /// Facts by kind.
    pub facts: BTreeMap<&'static str, u64>,
    /// Starts of runs after the first, by service and the word of their cause.
    pub restarts: BTreeMap<(String, &'static str), u64>,
    /// Answers of health probes, good and bad, by service.
    pub probes: BTreeMap<String, (u64, u64)>,
    /// OOM kills by service.
    pub oom: BTreeMap<String, u64>,
    /// The services whose last run ended so.
    pub oom_last: BTreeSet<String>,
}

impl Counts {
    /// Counts an answer of a health probe.
    pub fn probed(&mut self, service: &ServiceName, good: bool) {
        let (well, ill) = self.probes.entry(service.to_string()).or_default();
        *(if good { well } else { ill }) += 1;
    }

    /// Counts a fact.
    pub fn count(&mut self, fact: &Fact) {
        *self.facts.entry(fact.what.as_str()).or_default() += 1;
        let Some(service) = &fact.service else { return };
        if let Some(exit) = &fact.exit {
            match exit.oom {
                Some(_) => {
                    *self.oom.entry(service.clone()).or_default() += 1;
                    self.oom_last.insert(service.clone());
                }
                None => drop(self.oom_last.remove(service)),
            }
        }
        if fact.what == What::Started && fact.run.is_some_and(|run| run > 1) {
            let word = fact.cause.as_ref().map_or("other", crate::api::Cause::word);
            *self.restarts.entry((service.clone(), word)).or_default() += 1;
        }
    }
}
