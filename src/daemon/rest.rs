//! When nothing has happened for a while, what only a start or a burst of work needed is given back, once.

use std::time::{Duration, Instant};

use tokio::task::spawn_local;

use super::driver::Driver;
use super::mailbox::Message;
use crate::process;

/// How long nothing must have happened.
const QUIET: Duration = Duration::from_secs(2);

/// Whether it is time for it.
#[derive(Debug, Default)]
pub struct Rest {
    /// When something last happened.
    stirred: Option<Instant>,
    /// Somebody is to look.
    awaited: bool,
}

impl Driver {
    /// Something happened.
    pub(super) fn rest_later(&mut self) {
        self.ledger.rest.stirred = Some(Instant::now());
        if !std::mem::replace(&mut self.ledger.rest.awaited, true) {
            self.look_for_rest(QUIET);
        }
    }

    fn look_for_rest(&self, after: Duration) {
        let mailbox = self.mailbox.clone();
        spawn_local(async move {
            tokio::time::sleep(after).await;
            mailbox.post(Message::Rest);
        });
    }

    /// Gives back what is not needed, unless something happened meanwhile.
    pub(super) fn rest(&mut self) {
        let quiet = self.ledger.rest.stirred.map(|stirred| stirred.elapsed());
        match quiet.filter(|quiet| *quiet < QUIET) {
            Some(quiet) => self.look_for_rest(QUIET - quiet),
            None => {
                self.ledger.rest.awaited = false;
                self.lives.cgroups.tidy();
                process::trim();
            }
        }
    }
}
