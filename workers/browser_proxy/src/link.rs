//! One connection to the backend, and the passing on of frames between it and a browser.

use std::sync::Mutex;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::net::tcp::OwnedReadHalf;
use tokio::time::timeout;
use ws_listener::frame::{self, Kind, Sender, Whole};
use ws_listener::{Outlet, drain};

use crate::backend::Dialled;
use crate::browser::{Browser, lock};
use crate::counts::Counts;
use crate::relay::{After, Inlet, SourceGone};
use crate::wishes::{Heard, Wishes};

/// How long the other side has to take our Close and close too.
const CLOSE_DEADLINE: Duration = Duration::from_secs(2);

/// A goodbye (RFC 6455 §7.4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Close {
    pub(crate) code: u16,
    pub(crate) reason: String,
}

/// Who ended a relay.
#[derive(Debug)]
pub(crate) enum Left {
    /// The browser closed or failed, or took nothing for a minute.
    Browser,
    /// The backend did, with these words if it said any.
    Backend(Option<Close>),
    /// The proxy is to stop.
    Stopped,
}

/// A backend connection.
pub(crate) struct Link {
    read: OwnedReadHalf,
    to: Outlet,
    inlet: Inlet,
}

impl Close {
    pub(crate) fn new(code: u16, reason: impl Into<String>) -> Self {
        let reason = reason.into();
        Self { code, reason }
    }

    pub(crate) fn frame(&self, sender: Sender) -> Bytes {
        frame::close(sender, self.code, &self.reason)
    }
}

impl Link {
    /// A link that sends `first` first.
    pub(crate) fn new(dialled: Dialled, first: &BytesMut) -> Self {
        let (read, write) = dialled.stream.into_split();
        let mut to = Outlet::new(write);
        to.push(first);
        Self {
            read,
            to,
            inlet: Inlet::with(dialled.rest),
        }
    }

    /// Passes frames on until one side ends. A side is only read while the other keeps up, so that
    /// what is stuck stays within one read.
    pub(crate) async fn relay(&mut self, browser: &mut Browser, counts: &Counts) -> Left {
        let (from_browser, inlet, to_browser, wishes) = browser.sides();
        tokio::select! {
            left = down(&self.read, &mut self.inlet, to_browser, wishes, counts) => left,
            left = up(from_browser, inlet, &mut self.to, wishes, counts) => left,
        }
    }

    /// Whether the browser waits for the rest of a frame that only this backend has.
    pub(crate) fn is_within_long(&self) -> bool {
        self.inlet.is_within_long()
    }

    /// Says goodbye, if there is something to say, and waits until the backend has closed too.
    pub(crate) async fn end(self, close: Option<Close>) {
        say_goodbye(self.to, self.read, close.map(|close| close.frame(Sender::Client))).await;
    }
}

/// What is stuck, the Close frame, the end of the stream; then waits for the same from the peer.
/// One that does not answer, or is gone already, is not waited for long.
pub(crate) async fn say_goodbye(mut to: Outlet, mut read: OwnedReadHalf, close: Option<Bytes>) {
    let goodbye = async {
        to.push(&close.unwrap_or_default());
        to.finish().await?;
        drain(&mut read).await
    };
    let _ = timeout(CLOSE_DEADLINE, goodbye).await;
}

async fn down(
    from: &OwnedReadHalf,
    inlet: &mut Inlet,
    to: &mut Outlet,
    wishes: &Mutex<Wishes>,
    counts: &Counts,
) -> Left {
    let mut waiting = counts.waiting();
    loop {
        if to.waiting() > 0 {
            waiting.are(to.waiting());
            // Boxed, since most are never stuck.
            if Box::pin(to.unstick()).await.is_err() {
                return Left::Browser;
            }
            waiting.are(0);
        }
        if inlet.readable(from).await.is_err() {
            return Left::Backend(None);
        }
        let (mut close, mut bytes) = (None, 0);
        let mut wishes = lock(wishes);
        let step = inlet.step(
            from,
            &mut |frame| match frame.kind {
                Kind::Close => {
                    close = Some(goodbye(&frame));
                    After::Hold
                }
                Kind::Text | Kind::Binary | Kind::Ping | Kind::Pong | Kind::Other => {
                    match wishes.heard(&frame) {
                        Heard::Other => After::Pass,
                        Heard::Health => After::Instead(with_own_health(&frame.payload(), counts)),
                    }
                }
            },
            &mut |passed| {
                bytes += passed.len();
                to.offer(passed)
            },
        );
        counts.down(bytes, wishes.take_passed());
        match step {
            Err(SourceGone) => return Left::Backend(None),
            Ok(Err(_)) => return Left::Browser,
            Ok(Ok(())) if close.is_some() => return Left::Backend(close),
            Ok(Ok(())) => {}
        }
    }
}

/// What a Close frame says.
fn goodbye(frame: &Whole<'_>) -> Close {
    let payload = frame.payload();
    let reason = payload.get(2..).map(String::from_utf8_lossy).unwrap_or_default();
    Close::new(frame.close_code(), reason)
}

/// The backend's answer to `health`, with the figures of this hop in it.
fn with_own_health(told: &[u8], counts: &Counts) -> Bytes {
    let told = told.trim_ascii_end();
    let Some(open) = told.strip_suffix(b"}") else {
        return frame::text(told);
    };
    let own = format!(",\"proxy\":{}}}", counts.health());
    frame::text(&[open, own.as_bytes()].concat())
}

async fn up(
    from: &OwnedReadHalf,
    inlet: &mut Inlet,
    to: &mut Outlet,
    wishes: &Mutex<Wishes>,
    counts: &Counts,
) -> Left {
    loop {
        if to.waiting() > 0 && Box::pin(to.unstick()).await.is_err() {
            return Left::Backend(None);
        }
        if inlet.readable(from).await.is_err() {
            return Left::Browser;
        }
        let mut wishes = lock(wishes);
        let step = inlet.step(from, &mut |frame| wishes.note(&frame), &mut |bytes| {
            counts.up(bytes.len());
            to.offer(bytes)
        });
        match step {
            Err(SourceGone) => return Left::Browser,
            Ok(Err(_)) => return Left::Backend(None),
            Ok(Ok(())) => {}
        }
    }
}
