//! What comes out of the machine.

use crate::Event;
use crate::wire::Request;

/// One order to the shell. All but `Open` and `Emit` concern the connection last opened.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Open a socket, and report on it by this number.
    Open {
        /// Counts from 1.
        connection: u64,
    },
    /// Send the credentials.
    Authenticate,
    /// Send a change of the subscription.
    Send(Request),
    /// From the next connection on, speak msgpack: the feed knows nothing else.
    SpeakMsgpack,
    /// Find out whether newer trades of these symbols were made than came, and tell by `Input::Looked`.
    Look(Vec<String>),
    /// Send a WebSocket ping with this payload.
    Ping(u64),
    /// Send a WebSocket Close and read on until the socket has ended.
    Close,
    /// Let the socket go as it is.
    Drop,
    /// Tell the users.
    Emit(Event),
}
