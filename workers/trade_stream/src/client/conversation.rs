//! The one task of a client: it reads, waits for room, keeps the deadlines, and ends cleanly.
//!
//! While a client is idle this future is nearly all there is of it.

use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use stream_protocol::{BadRequest, ClientMessage};
use tokio::io::Interest;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use ws_listener::{Stop, end_writing, with_scratch};

use super::inbound::Inbound;
use super::pace::Pace;
use super::{Ask, Client, Dialect};
use crate::hub::{Request, at};

/// How long a client has to take our last bytes, which for a slow one are stuck, and to close too.
const CLOSE_DEADLINE: Duration = Duration::from_secs(10);
/// How long a client of Alpaca's protocol has to tell who it is, as at Alpaca.
const AUTH_DEADLINE: Duration = Duration::from_secs(10);
/// A client that takes nothing at all for this long is given up.
const STALL: Duration = Duration::from_secs(60);
/// The most that is read at once, so that one client's requests do not hold up the others.
const READ_LEN: usize = 16 * 1024;
/// RFC 6455 §7.4.1.
const GOING_AWAY: u16 = 1001;

/// A conversation under way.
pub(super) struct Conversation {
    client: Client,
    socket: Arc<TcpStream>,
    inbound: Inbound,
    dialect: Dialect,
    pace: Pace,
    /// By when a stranger must have told who it is.
    auth_by: Instant,
    /// No request is taken before then.
    pause_until: Option<Instant>,
    stuck_since: Option<Instant>,
    ended_at: Option<Instant>,
    /// It says nothing more that matters: it has closed, or broken the protocol.
    has_left: bool,
    /// Its side of the connection has ended.
    is_deaf: bool,
    has_shut: bool,
}

impl Conversation {
    pub(super) fn new(client: Client, socket: Arc<TcpStream>, dialect: Dialect) -> Self {
        let now = Instant::now();
        Self {
            inbound: Inbound::new(Arc::clone(&client.outbox)),
            pace: Pace::new(client.requests_per_s, now),
            client,
            socket,
            dialect,
            auth_by: now + AUTH_DEADLINE,
            pause_until: None,
            stuck_since: None,
            ended_at: None,
            has_left: false,
            is_deaf: false,
            has_shut: false,
        }
    }

    /// Goes on until both sides have closed, or the client is given up.
    pub(super) async fn run(mut self: Box<Self>, mut stop: Stop) {
        self.go_on(&mut stop).await;
        let _ = self.client.hub.send(Request::Left { id: self.client.id }).await;
    }

    async fn go_on(&mut self, stop: &mut Stop) {
        let outbox = Arc::clone(&self.client.outbox);
        let mut is_stopping = false;
        loop {
            outbox.flush();
            outbox.shrink();
            if outbox.has_failed() || self.is_over() {
                return;
            }
            if let Some(request) = self.next_request() {
                if self.client.hub.send(request).await.is_err() {
                    self.leave();
                }
                continue;
            }
            let interest = self.interest();
            tokio::select! {
                () = outbox.changed() => {}
                ready = ready(&self.socket, interest) => if !self.turn(ready.ok()) { return },
                () = at(self.deadline()) => if !self.overdue() { return },
                () = stop.requested(), if !is_stopping => {
                    is_stopping = true;
                    outbox.close(GOING_AWAY, "trade-stream is stopping");
                }
            }
        }
    }

    /// Ends our side once all is written; true when both sides have ended.
    fn is_over(&mut self) -> bool {
        let outbox = &self.client.outbox;
        if outbox.has_ended() {
            self.ended_at.get_or_insert_with(Instant::now);
        }
        if outbox.is_done() && !self.has_shut {
            self.has_shut = true;
            end_writing(&self.socket);
        }
        self.has_shut && self.is_deaf
    }

    /// What to wait for: room if something is stuck, words unless some wait already.
    fn interest(&mut self) -> Option<Interest> {
        let is_stuck = self.client.outbox.is_stuck();
        self.stuck_since = is_stuck.then(|| self.stuck_since.unwrap_or_else(Instant::now));
        let reads = !self.is_deaf && (self.has_left || self.inbound.is_empty());
        match (reads, is_stuck) {
            (true, true) => Some(Interest::READABLE | Interest::WRITABLE),
            (true, false) => Some(Interest::READABLE),
            (false, true) => Some(Interest::WRITABLE),
            (false, false) => None,
        }
    }

    /// Reads, and lets what was stuck be written; false when the socket has failed.
    fn turn(&mut self, ready: Option<tokio::io::Ready>) -> bool {
        let Some(ready) = ready else { return false };
        if ready.is_writable() && self.client.outbox.is_stuck() {
            self.stuck_since = None;
            self.client.outbox.unstick();
        }
        !ready.is_readable() || self.read()
    }

    fn read(&mut self) -> bool {
        let socket = Arc::clone(&self.socket);
        let read = with_scratch(|scratch| {
            let count = socket.try_read(&mut scratch[..READ_LEN])?;
            io::Result::Ok(Box::<[u8]>::from(&scratch[..count]))
        });
        match read {
            Ok(bytes) if bytes.is_empty() => {
                self.is_deaf = true;
                self.leave();
                true
            }
            Ok(bytes) => {
                self.heard(&bytes);
                true
            }
            Err(error) => error.kind() == ErrorKind::WouldBlock,
        }
    }

    /// Takes what the client said.
    pub(super) fn heard(&mut self, bytes: &[u8]) {
        // A client that has left is read on only to see its end.
        if self.has_left || bytes.is_empty() {
            return;
        }
        self.client.outbox.heard();
        if !self.inbound.take(bytes) {
            self.leave();
        }
    }

    /// Nothing more is heard from it; what it is still owed is written.
    fn leave(&mut self) {
        self.has_left = true;
        self.client.outbox.finish();
    }

    /// The next thing to ask of the hub, unless the client must wait.
    fn next_request(&mut self) -> Option<Request> {
        loop {
            let may_ask = self.pause_until.is_none() && self.client.outbox.has_room();
            if !may_ask {
                return None;
            }
            let message = self.inbound.next()?;
            let request = self.request(&message);
            let now = Instant::now();
            let pause = self.pace.take(now);
            self.pause_until = (pause > Duration::ZERO).then(|| now + pause);
            if request.is_some() {
                return request;
            }
        }
    }

    /// What a message asks of the hub.
    fn request(&mut self, message: &Message) -> Option<Request> {
        let id = self.client.id;
        let bytes = match message {
            Message::Text(text) => text.as_bytes(),
            Message::Binary(bytes) => bytes,
            Message::Ping(_) | Message::Pong(_) | Message::Close(_) | Message::Frame(_) => return None,
        };
        let asked = match &mut self.dialect {
            Dialect::Stream => None,
            Dialect::Bot(bot) => Some(bot.hear(bytes)),
            Dialect::Trader(trader) => Some(trader.hear(bytes)),
        };
        if let Some(asked) = asked {
            return asked.map(|ask| match ask {
                Ask::Join => self.client.joined(),
                Ask::Subscribe(_) | Ask::Unsubscribe(_) | Ask::Orders(_) => Request::Bot { id, ask },
            });
        }
        let asked = match message {
            Message::Text(text) => ClientMessage::parse(text),
            _ => Err(BadRequest("send text frames, not binary ones".into())),
        };
        Some(Request::Asked { id, asked })
    }

    fn deadline(&self) -> Option<Instant> {
        let auth_by = (self.dialect.is_stranger() && !self.has_left).then_some(self.auth_by);
        [
            auth_by,
            self.pause_until,
            self.stuck_since.map(|since| since + STALL),
            self.ended_at.map(|ended| ended + CLOSE_DEADLINE),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// Does what a deadline asks for; false when the client is given up.
    fn overdue(&mut self) -> bool {
        let now = Instant::now();
        if self.pause_until.is_some_and(|until| until <= now) {
            self.pause_until = None;
        }
        if self.dialect.is_stranger() && self.auth_by <= now && !self.has_left {
            self.dialect.time_out();
            self.leave();
        }
        let is_stalled = self.stuck_since.is_some_and(|since| since + STALL <= now);
        let is_late = self.ended_at.is_some_and(|ended| ended + CLOSE_DEADLINE <= now);
        !is_stalled && !is_late
    }
}

async fn ready(socket: &TcpStream, interest: Option<Interest>) -> io::Result<tokio::io::Ready> {
    match interest {
        Some(interest) => socket.ready(interest).await,
        None => std::future::pending().await,
    }
}
