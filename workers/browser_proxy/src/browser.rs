//! The browser's side of a session: it outlives backends.

use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::BytesMut;
use stream_protocol::ServerMessage;
use tokio::net::TcpStream;
use tokio::net::tcp::OwnedReadHalf;
use ws_listener::Outlet;
use ws_listener::frame::{self, Kind, Sender};

use crate::link::{Close, say_goodbye};
use crate::relay::{After, Inlet};
use crate::wishes::Wishes;

/// What a browser may send while there is no backend; more waits in the kernel.
const MAX_WAITING: usize = 16 * 1024;

/// A browser, and what is known of its wishes.
pub(crate) struct Browser {
    pub(crate) read: OwnedReadHalf,
    pub(crate) to: Outlet,
    pub(crate) inlet: Inlet,
    /// Each direction takes note of what it passes on; both run in one task.
    wishes: Mutex<Wishes>,
    /// Frames for the next backend.
    waiting: BytesMut,
}

impl Browser {
    /// A browser that said `rest` together with its request, in the stream's own protocol or another.
    pub(crate) fn new(stream: TcpStream, rest: BytesMut, is_understood: bool) -> Self {
        let (read, write) = stream.into_split();
        Self {
            read,
            to: Outlet::new(write),
            inlet: Inlet::with(rest),
            wishes: Mutex::new(Wishes::new(is_understood)),
            waiting: BytesMut::new(),
        }
    }

    /// Both directions at once: where to read from and how, where to write to, and the notes.
    pub(crate) fn sides(&mut self) -> (&OwnedReadHalf, &mut Inlet, &mut Outlet, &Mutex<Wishes>) {
        (&self.read, &mut self.inlet, &mut self.to, &self.wishes)
    }

    /// Whether the browser has said goodbye.
    pub(crate) fn is_closing(&self) -> bool {
        lock(&self.wishes).is_closing()
    }

    /// What is to be sent to the next backend first.
    pub(crate) fn take_waiting(&mut self) -> BytesMut {
        std::mem::take(&mut self.waiting)
    }

    /// The backend is gone: tells the browser, and prepares what to ask of the next one. Returns how
    /// many of the browser's requests are asked again.
    pub(crate) fn lose_backend(&mut self) -> usize {
        self.inlet.skip_long();
        let mut wishes = lock(&self.wishes);
        for symbol in wishes.subscribed_symbols() {
            let connecting = ServerMessage::connecting(symbol).to_json();
            self.to.push(&frame::text(connecting.as_bytes()));
        }
        if let Some(pong) = wishes.take_pong() {
            self.to.push(&pong);
        }
        self.waiting = wishes.begin_anew();
        wishes.count_unanswered()
    }

    /// Keeps what the browser says while there is no backend, and answers its pings. Returns when
    /// the browser leaves.
    pub(crate) async fn wait(&mut self) {
        let Self {
            read,
            to,
            inlet,
            wishes,
            waiting,
        } = self;
        let most = waiting.len() + MAX_WAITING;
        while waiting.len() < most {
            if to.unstick().await.is_err() || inlet.readable(read).await.is_err() {
                return;
            }
            let mut pongs = BytesMut::new();
            let mut wishes = lock(wishes);
            let step = inlet.step(
                read,
                &mut |frame| match frame.kind {
                    Kind::Ping => {
                        pongs.extend_from_slice(&frame::pong(&frame.payload()));
                        After::Hold
                    }
                    Kind::Text | Kind::Binary | Kind::Close | Kind::Pong | Kind::Other => wishes.note(&frame),
                },
                &mut |bytes| {
                    waiting.extend_from_slice(bytes);
                    Ok(())
                },
            );
            to.push(&pongs);
            if step.is_err() || wishes.is_closing() {
                return;
            }
        }
        std::future::pending::<()>().await;
    }

    /// Says goodbye, unless a frame that cannot be finished stands in the way, and waits until the
    /// browser has closed too.
    pub(crate) async fn end(self, close: Option<Close>) {
        say_goodbye(self.to, self.read, close.map(|close| close.frame(Sender::Server))).await;
    }
}

/// A panic while holding it would leave a note missing at worst.
pub(crate) fn lock(wishes: &Mutex<Wishes>) -> MutexGuard<'_, Wishes> {
    wishes.lock().unwrap_or_else(PoisonError::into_inner)
}
