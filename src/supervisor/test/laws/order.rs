//! Law 8, judged from outside: who may start, and who must stop first.

use std::collections::BTreeSet;

use super::super::lives::Life;
use super::Watched;
use crate::service::ServiceName;
use crate::supervisor::Shown;

impl Watched {
    pub(super) fn satisfied(&self, need: &ServiceName) -> bool {
        let Some(entry) = self.entry(need) else {
            return true;
        };
        match self.lives.now.get(need) {
            Some(life) => {
                entry.wanted
                    && life.ready.is_some()
                    && life.terminated.is_none()
                    && life.leaving.is_none()
                    && !life.condemned
            }
            None => {
                entry.shown == Shown::Exited
                    && entry
                        .last_exit
                        .is_some_and(|(exit, _)| entry.spec.is_success(exit))
            }
        }
    }

    /// One that is on its way down, and needs this one.
    pub(super) fn departing_dependent(&self, service: &ServiceName) -> Option<&ServiceName> {
        let departs = |(name, life): (&'_ ServiceName, &Life)| {
            let wanted = self.entry(name).is_some_and(|entry| entry.wanted);
            // Who outlives SIGKILL holds up nobody.
            let departs = life.kills < 2 && (life.terminated.is_some() || life.condemned || !wanted);
            departs.then(|| name.clone())
        };
        let departing: BTreeSet<ServiceName> = self.lives.now.iter().filter_map(departs).collect();
        let mut dependents = self.lives.now.keys().filter(|name| departing.contains(name));
        dependents.find(|name| {
            let entry = self.entry(name);
            entry.is_some_and(|entry| entry.spec.after.contains(service))
                && !self.reaches(service, name, &departing)
        })
    }

    /// Whether one needs the other, through these: a reload may have turned the order of old runs round.
    fn reaches(&self, from: &ServiceName, to: &ServiceName, through: &BTreeSet<ServiceName>) -> bool {
        let mut open = vec![from];
        let mut seen = BTreeSet::new();
        while let Some(next) = open.pop() {
            if seen.insert(next) {
                let needs = self.entry(next).into_iter().flat_map(|entry| &entry.spec.after);
                open.extend(needs.filter(|need| through.contains(need)));
            }
        }
        seen.contains(to)
    }
}
