//! One caller on the control socket: who may command, and how long anything of it may take.
//!
//! Owner and root are heard; others are told whom to be. A caller who sends its request byte by byte, sits
//! on an open connection, or does not read its answer is let go, so that none can keep others out.

use std::convert::Infallible;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::UnixStream;
use tokio::sync::watch;

use super::ledger::Peer;
use super::mailbox::Mailbox;
use super::server::{answer, is_stream, refuse};
use crate::api::{Failure, FailureKind};

/// How long a request's head may take, and a connection may wait for its next request.
const HEAD: Duration = Duration::from_secs(5);
/// How long a caller may take to read an answer that has an end.
const READING: Duration = Duration::from_secs(10);
/// How long anybody who is refused may stay.
const REFUSED: Duration = Duration::from_secs(2);
/// How long a caller may take to ask when the server is about to rest.
const FIRST_WORDS: Duration = Duration::from_millis(100);
/// The largest head of a request, in bytes.
const LARGEST_HEAD: usize = 16 << 10;

/// What a connection is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// It has just come.
    Come,
    /// Asking, or its question is being worked on.
    Asking,
    /// It has its answer.
    Answered,
    /// It hears events for as long as it likes.
    Listening,
}

/// Hears one caller to the end; `crowded`: there are too many already.
pub(super) async fn hear(
    stream: UnixStream,
    mailbox: Mailbox,
    leaving: watch::Receiver<bool>,
    crowded: bool,
) {
    let peer = match stream.peer_cred() {
        Ok(peer) => peer,
        Err(error) => return tracing::warn!(%error, "a caller without credentials"),
    };
    let own = nix::unistd::geteuid().as_raw();
    let refusal = match may_command(peer.uid(), own) {
        false => Some(stranger(own)),
        true if crowded => Some(too_many()),
        true => None,
    };
    if let Some(refusal) = refusal {
        tracing::debug!(uid = peer.uid(), pid = peer.pid(), "refused: {}", refusal.message);
        let _ = tokio::time::timeout(REFUSED, send_away(stream, &refusal)).await;
        return;
    }
    let who = Peer {
        uid: peer.uid(),
        pid: peer.pid().unwrap_or(0),
    };
    converse(stream, mailbox, leaving, who).await;
}

/// The owner of the supervisor and root.
fn may_command(peer: u32, own: u32) -> bool {
    peer == own || peer == 0
}

fn builder() -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .max_buf_size(LARGEST_HEAD);
    builder
}

/// Answers whatever is asked with the refusal, and closes.
async fn send_away(stream: UnixStream, refusal: &Failure) {
    let service = service_fn(|_| async { Ok::<_, Infallible>(refuse(refusal)) });
    let mut builder = builder();
    let _ = builder
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

async fn converse(stream: UnixStream, mailbox: Mailbox, mut leaving: watch::Receiver<bool>, who: Peer) {
    let (stage, mut stages) = watch::channel(Stage::Come);
    let service = service_fn(|request| {
        let (mailbox, stage) = (mailbox.clone(), stage.clone());
        async move {
            stage.send_replace(Stage::Asking);
            let answer = answer(request, &mailbox, who)
                .await
                .unwrap_or_else(|failure| refuse(&failure));
            stage.send_replace(match is_stream(&answer) {
                true => Stage::Listening,
                false => Stage::Answered,
            });
            Ok::<_, Infallible>(answer)
        }
    });
    let connection = builder().serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    loop {
        let now = *stages.borrow_and_update();
        // A caller who leaves early is no error: the work goes on.
        tokio::select! {
            _ = &mut connection => return,
            _ = leaving.changed() => break,
            _ = stages.changed() => {}
            () = tokio::time::sleep(READING), if now == Stage::Answered => return,
        }
    }
    if *stages.borrow() == Stage::Come {
        // Who has just come has a moment to say what they want.
        tokio::select! {
            _ = &mut connection => return,
            _ = stages.changed() => {}
            () = tokio::time::sleep(FIRST_WORDS) => {}
        }
    }
    connection.as_mut().graceful_shutdown();
    let _ = connection.await;
}

/// What a stranger is told.
fn stranger(owner: u32) -> Failure {
    let name = nix::unistd::User::from_uid(owner.into())
        .ok()
        .flatten()
        .map_or(owner.to_string(), |user| user.name);
    Failure {
        kind: FailureKind::Failed,
        message: format!("only {name} and root may command this supervisor"),
        help: Some(format!("sudo -u {name} sentinel …")),
    }
}

fn too_many() -> Failure {
    Failure {
        kind: FailureKind::Busy,
        message: "too many are connected to this supervisor already".into(),
        help: Some("try again when some have left".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::may_command;

    #[test]
    fn the_owner_and_root_may_command_and_nobody_else() {
        assert!(may_command(1000, 1000) && may_command(0, 1000));
        assert!(!may_command(1001, 1000) && !may_command(1000, 0));
    }
}
