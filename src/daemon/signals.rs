//! What a signal to the supervisor means. As PID 1 it gets only those that it hears: the kernel drops others.

use std::io;

use tokio::signal::unix::{SignalKind, signal};
use tokio::task::spawn_local;

use super::mailbox::{Mailbox, Message};

/// What is to be done when one comes.
#[derive(Clone, Copy)]
enum Meaning {
    /// A child has ended; maybe one of a stranger, whose orphans the kernel gives to us.
    Child,
    /// Leave, for this signal.
    Leave(&'static str),
    /// Read services.toml again.
    Reload,
    /// Open the logs anew: logrotate has moved them.
    Reopen,
    /// Nothing, which is said: others take them for orders, and by default they would end us.
    Nothing(&'static str),
}

fn meanings() -> [(SignalKind, Meaning); 7] {
    [
        (SignalKind::child(), Meaning::Child),
        (SignalKind::terminate(), Meaning::Leave("SIGTERM")),
        (SignalKind::interrupt(), Meaning::Leave("SIGINT")),
        (SignalKind::quit(), Meaning::Leave("SIGQUIT")),
        (SignalKind::hangup(), Meaning::Reload),
        (SignalKind::user_defined1(), Meaning::Nothing("SIGUSR1")),
        (SignalKind::user_defined2(), Meaning::Reopen),
    ]
}

/// From now on, signals come in as messages.
///
/// # Errors
/// The kernel refuses a handler.
pub fn hear(mailbox: &Mailbox) -> io::Result<()> {
    for (kind, meaning) in meanings() {
        let mut stream = signal(kind)?;
        let mailbox = mailbox.clone();
        spawn_local(async move {
            while stream.recv().await.is_some() {
                match meaning {
                    Meaning::Child => mailbox.post(Message::ChildEnded),
                    Meaning::Leave(name) => mailbox.post(Message::Leave(name)),
                    Meaning::Reload => mailbox.post(Message::Hangup),
                    Meaning::Reopen => mailbox.post(Message::Reopen),
                    Meaning::Nothing(name) => {
                        tracing::warn!(
                            "{name} has no meaning here: ignored (SIGHUP reloads, SIGUSR2 opens logs anew, SIGTERM ends)"
                        );
                    }
                }
            }
        });
    }
    Ok(())
}
