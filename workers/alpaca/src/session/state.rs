//! The states of a session, as people and health answers see them.

use std::fmt;

/// What a session is doing. `Display` writes the word that health answers and logs use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// Nothing is wanted, so there is no connection.
    Idle,
    /// Opening the socket, or waiting for the server's welcome.
    Connecting,
    /// The credentials are sent, the answer is awaited.
    AuthWait,
    /// Another connection of this key holds the one place there is; tried again patiently.
    SlotHeld,
    /// Authenticated; what is desired and what is confirmed still differ.
    Subscribing,
    /// Authenticated, and all that is desired is confirmed.
    Live,
    /// The connection was lost or could not be made; the next attempt is waited for.
    BackingOff,
    /// A Close frame is sent, the server's is awaited.
    Closing,
    /// Closed because it was told to; final.
    Closed,
    /// Given up; final. Only a person can help.
    Fatal,
}

impl State {
    /// True when authenticated: data can flow.
    pub fn is_connected(self) -> bool {
        match self {
            Self::Subscribing | Self::Live => true,
            Self::Idle
            | Self::Connecting
            | Self::AuthWait
            | Self::SlotHeld
            | Self::BackingOff
            | Self::Closing
            | Self::Closed
            | Self::Fatal => false,
        }
    }

    /// The word for it, such as `SLOT_HELD`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Idle => "IDLE",
            Self::Connecting => "CONNECTING",
            Self::AuthWait => "AUTH_WAIT",
            Self::SlotHeld => "SLOT_HELD",
            Self::Subscribing => "SUBSCRIBING",
            Self::Live => "LIVE",
            Self::BackingOff => "BACKING_OFF",
            Self::Closing => "CLOSING",
            Self::Closed => "CLOSED",
            Self::Fatal => "FATAL",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
