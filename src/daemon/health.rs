//! Asks a running service for its health, again and again, on its own clock.

use std::sync::Arc;

use tokio::task::AbortHandle;
use tokio::time::sleep;

use super::mailbox::{Mailbox, Message};
use super::place::DaemonPlace;
use crate::probe;
use crate::service::{Health, Run, Spec};
use crate::supervisor::Input;

/// Begins to ask; the handle ends it. Nothing happens for a service without a probe.
pub fn watch(run: Run, spec: &Arc<Spec>, mailbox: Mailbox, place: DaemonPlace) -> Option<AbortHandle> {
    let health = spec.health.clone()?;
    Some(tokio::task::spawn_local(ask_forever(run, health, mailbox, place)).abort_handle())
}

async fn ask_forever(run: Run, health: Health, mailbox: Mailbox, place: DaemonPlace) {
    let mut failed_in_a_row = 0;
    loop {
        let answer = probe::ask(&health.probe, &place, health.timeout).await;
        let failure = answer.outcome.as_ref().err().map(ToString::to_string);
        mailbox.post(Message::Health {
            run: run.clone(),
            answer: Box::new(answer),
        });
        failed_in_a_row = if failure.is_some() { failed_in_a_row + 1 } else { 0 };
        if let Some(why) = failure
            && failed_in_a_row >= health.failures
        {
            mailbox.post(Message::Input(Input::Unhealthy {
                run: run.clone(),
                why,
            }));
        }
        sleep(health.every).await;
    }
}
