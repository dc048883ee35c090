//! The last output of a run: written before anybody is told that the run is over.

use std::time::Duration;

use super::driver::Driver;
use super::mailbox::Message;
use crate::service::Run;
use crate::supervisor::Input;

/// How long the last output of a run may take to be written.
const DRAINED_WITHIN: Duration = Duration::from_secs(2);

impl Driver {
    /// A run's processes are gone: the last of its output is written before anybody is told.
    pub(super) fn write_last(&mut self, run: Run) {
        let finished = self.outputs.finish(&run.service);
        self.draining.insert(run.clone());
        let Some(finished) = finished else {
            return self.drained(run);
        };
        let mailbox = self.mailbox.clone();
        tokio::task::spawn_local(async move {
            // A disk that hangs must not hold up a restart.
            let _ = tokio::time::timeout(DRAINED_WITHIN, finished).await;
            mailbox.post(Message::Drained { run });
        });
    }

    /// Waits for nobody's last output any longer.
    pub(super) fn hurry(&mut self) {
        for run in self.draining.clone() {
            self.drained(run);
        }
    }

    pub(super) fn drained(&mut self, run: Run) {
        if self.draining.remove(&run) {
            self.runs.remove(&run);
            self.tell(Input::Swept { run });
        }
    }
}
