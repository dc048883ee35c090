//! What goes into the machine.

use std::time::Duration;

use crate::wire::{Control, Halt};
use crate::{MarketPhase, Topic};

/// One input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// Somebody asks for something.
    Asked(Ask),
    /// Something happened on a socket. News of an earlier socket than the present one is ignored.
    Socket {
        /// The number that `Action::Open` gave it.
        connection: u64,
        /// What happened.
        news: News,
    },
    /// What the market of the feed is doing from now on.
    Market(MarketPhase),
    /// The answer to `Action::Look`: newer trades were made than came, so the feed is mute.
    Looked {
        /// The connection that it was asked for.
        connection: u64,
        /// Whether there are newer ones.
        newer: bool,
    },
    /// The lease that another process had is ours.
    Leased,
    /// Time has passed. May come early, late, or twice.
    Tick,
}

/// What the users of a connection may ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ask {
    /// Want these.
    Want(Vec<Topic>),
    /// No longer want these.
    Unwant(Vec<Topic>),
    /// Connect anew.
    Reconnect,
    /// Connect anew, if connected: nothing is wrong, but the socket is old and trading begins soon.
    Freshen,
    /// Close, for good.
    Close,
}

/// What can happen on a socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// It is open: the WebSocket upgrade was accepted.
    Opened,
    /// It could not be opened.
    OpenFailed(OpenFailure),
    /// A frame came that says nothing but that the peer is there, such as a pong.
    Heard,
    /// A pong came, with its payload.
    Pong(u64),
    /// Data came; `Session::count` was told of each trade.
    Data,
    /// Trading of a symbol is halted, or goes on.
    Halt(Halt),
    /// A message about the session came.
    Control(Control),
    /// It has ended, by whatever side and cause.
    Ended {
        /// One sentence for a person.
        reason: String,
    },
}

/// Why a socket could not be opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OpenFailure {
    /// The server answered the upgrade with this status instead of 101.
    Http {
        /// The status.
        status: u16,
        /// How long it asks to wait, if it does.
        retry_after: Option<Duration>,
    },
    /// Another process of this host has the connection of this key, and it is being waited for.
    Leased {
        /// What that process says of itself.
        holder: String,
    },
    /// Anything else: name resolution, TCP, TLS.
    Transport(String),
}
