//! The brief answer to what runs, for the table of `status`.

use super::driver::Driver;
use super::report;
use crate::api::{Brief, Plain};
use crate::service::Run;
use crate::supervisor::{Entry, Shown};

impl Driver {
    pub(super) fn brief(&mut self) -> Brief {
        let (mut places, mut plain, mut others) = (Vec::new(), Vec::new(), Vec::new());
        for (place, entry) in self.machine.snapshot().iter().enumerate() {
            match self.plain(entry) {
                Some(service) => plain.push(service),
                None => {
                    places.push(place);
                    others.push(report::service(entry, self.seen(entry), &self.clock));
                }
            }
        }
        Brief {
            status: self.status_of(others),
            places,
            plain,
            files: self.config.stamps.clone(),
        }
    }

    /// A service that runs and of which there is nothing else to say.
    fn plain(&self, entry: &Entry) -> Option<Plain> {
        let Entry { spec, run, .. } = entry;
        let is_plain = entry.shown == Shown::Running
            && entry.wanted
            && entry.reason.is_none()
            && spec.health.is_none()
            && spec.ports.is_empty()
            && spec.group.is_none();
        let tally = self.outputs.tally(&spec.name).filter(|_| is_plain)?;
        let (service, number) = (spec.name.clone(), *run);
        let pid = self.lives.pid(&service, number);
        let state = self.runs.get(&Run { service, number })?;
        let is_quiet = tally.losing.is_none()
            && tally.errors.count == 0
            && state.heard.status.is_none()
            && !state.heard.reloading;
        let uptime_s = report::milliseconds(self.clock.seconds_since(state.spawned));
        is_quiet.then(|| Plain(spec.name.to_string(), pid, Some(uptime_s), entry.restarts, *run))
    }
}
