//! While the house is being opened: an order to leave is obeyed at once, and what else comes waits. PID 1
//! has no default for a signal: one that it does not hear yet would be lost, and `docker stop` wait in vain.

use tokio::sync::mpsc::UnboundedReceiver;

use super::mailbox::{Mailbox, Message};
use super::opening::{Opened, Plan};
use super::progress::Progress;
use super::signals;
use crate::api::{Failure, FailureKind};
use crate::exit::ExitCode;

/// Where everything that happens comes in.
pub type Mail = (Mailbox, UnboundedReceiver<Message>);

/// Opens the house, unless told to leave meanwhile.
///
/// # Errors
/// Why the house is not ours, and what to end with.
pub async fn open(plan: &Plan, progress: &mut Progress) -> Result<(Opened, Mail), (Failure, ExitCode)> {
    let (mailbox, mut inbox) = Mailbox::new();
    signals::hear(&mailbox).map_err(|error| ended(failed(format!("cannot hear signals: {error}"))))?;
    let mut waiting = Vec::new();
    let opened = tokio::select! {
        biased;
        signal = told_to_leave(&mut inbox, &mut waiting) => return Err(left(signal)),
        opened = plan.open(progress) => opened.map_err(ended)?,
    };
    for message in waiting {
        mailbox.post(message);
    }
    Ok((opened, (mailbox, inbox)))
}

/// With the exit code that its kind has.
pub fn ended(failure: Failure) -> (Failure, ExitCode) {
    let code = failure.kind.into();
    (failure, code)
}

async fn told_to_leave(inbox: &mut UnboundedReceiver<Message>, waiting: &mut Vec<Message>) -> &'static str {
    loop {
        match inbox.recv().await {
            Some(Message::Leave(signal)) => return signal,
            Some(other) => waiting.push(other),
            None => std::future::pending().await,
        }
    }
}

/// Who asked for the start did not get it; who asked to leave did.
fn left(signal: &str) -> (Failure, ExitCode) {
    let message = format!("told to leave by {signal} before anything was started");
    (failed(message), ExitCode::Ok)
}

fn failed(message: String) -> Failure {
    Failure {
        kind: FailureKind::Failed,
        message,
        help: None,
    }
}
