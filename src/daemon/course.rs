//! What the answers of a run's health probe lead to, beside the machine's own decision: what people are told.

use super::driver::Driver;
use super::report;
use crate::api::{Cause, Event, Fact, What};
use crate::probe::Checked;
use crate::service::{OnUnhealthy, Run};

impl Driver {
    /// Keeps the answer of a health probe, and tells who watches if the verdict is another.
    pub(super) fn hear_health(&mut self, run: &Run, checked: Box<Checked>, failed_in_a_row: u32) {
        self.ledger.counts.probed(&run.service, checked.is_good());
        self.hear_silence(run, checked.detail());
        self.hear_flapping(run, checked.detail());
        let Some(state) = self.runs.get_mut(run) else {
            return;
        };
        let (good, error) = (checked.is_good(), checked.error.clone());
        state.answer = Some(checked);
        let (earlier, _) = std::mem::replace(&mut state.course, (Some(good), failed_in_a_row));
        if earlier != Some(good) {
            let status = report::verdict(good);
            tracing::info!(service = %run.service, error, "health: {}", status.as_str());
            self.record_health(run, error.as_deref());
            if !good {
                self.look_for_strangers(&run.service);
            }
            self.audience.mention(&Event::Health {
                name: run.service.to_string(),
                status,
                error,
            });
        }
        if failed_in_a_row > 0 {
            self.left_unhealthy(run, failed_in_a_row);
        }
    }

    /// Says it once in the log when a service is unhealthy and not restarted for it.
    fn left_unhealthy(&mut self, run: &Run, failed_in_a_row: u32) {
        let checked = self.runs.get(run).and_then(|state| state.answer.as_ref());
        let spec = self.machine.entry(&run.service).map(|entry| entry.spec);
        let health = spec.as_ref().and_then(|spec| spec.health.as_ref());
        let (Some(checked), Some(health)) = (checked, health) else {
            return;
        };
        let left = checked.excused || health.on_unhealthy != OnUnhealthy::Restart;
        if left && failed_in_a_row == health.failures {
            let error = checked.error.as_deref();
            tracing::warn!(service = %run.service, error, "unhealthy {failed_in_a_row} times in a row, not restarted for it");
            let words = error.unwrap_or_default().to_owned();
            let left = Fact::of_run(run, What::Unhealthy).because(Cause::Health { words });
            self.record(left.detail(format!("{failed_in_a_row} times in a row, not restarted for it")));
        }
    }
}
