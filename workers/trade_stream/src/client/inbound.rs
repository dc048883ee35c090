//! What a client sends: its frames read by a protocol engine, its requests handed to the hub.
//!
//! The engine (tungstenite) also speaks: pongs, the answer to a Close. Those bytes go through the
//! client's queue like all others, so that one writer owns the socket.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use stream_protocol::{BadRequest, ClientMessage};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::tcp::OwnedReadHalf;
use tokio::time::{sleep, timeout_at};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::error::{Error, ProtocolError};
use tokio_tungstenite::tungstenite::protocol::{Message, Role, WebSocketConfig};

use super::pace::Pace;
use super::{Ask, Client, Dialect, Outbox};
use crate::hub::Request;
use ws_listener::drain;

/// The longest message a client may send; a list of some thousand symbols fits.
const MAX_MESSAGE: usize = 64 * 1024;
/// Requests are small; tungstenite's default of 128 KiB is allocated for every client at once.
const READ_BUFFER: usize = 1024;

/// How long a client of Alpaca's protocol has to tell who it is, as at Alpaca.
const AUTH_DEADLINE: Duration = Duration::from_secs(10);

/// RFC 6455 §7.4.1.
const PROTOCOL_ERROR: u16 = 1002;
const INVALID_DATA: u16 = 1007;
const TOO_BIG: u16 = 1009;

impl Client {
    /// Reads requests until the client leaves, breaks the protocol, or the hub is gone.
    pub(super) async fn read_requests(&self, read: OwnedReadHalf, rest: BytesMut, mut dialect: Dialect) {
        let half = Half {
            read,
            outbox: Arc::clone(&self.outbox),
        };
        let mut socket =
            WebSocketStream::from_partially_read(half, rest.into(), Role::Server, Some(config())).await;
        let mut pace = Pace::new(self.requests_per_s, Instant::now());
        let auth_by = tokio::time::Instant::now() + AUTH_DEADLINE;
        loop {
            let message = if dialect.is_stranger() {
                match timeout_at(auth_by, socket.next()).await {
                    Ok(message) => message,
                    Err(_) => return dialect.time_out(),
                }
            } else {
                socket.next().await
            };
            let Some(message) = message else { return };
            self.outbox.heard();
            let request = match message {
                Ok(message) => self.request(&message, &mut dialect),
                Err(error) => {
                    say_why(&self.outbox, &error);
                    // The caller's deadline ends this if the client does not.
                    let _ = drain(&mut socket.get_mut().read).await;
                    return;
                }
            };
            if let Some(request) = request
                && self.hub.send(request).await.is_err()
            {
                return;
            }
            let pause = pace.take(Instant::now());
            if pause > Duration::ZERO {
                sleep(pause).await;
            }
            // A client that asks without reading the answers waits until it has.
            self.outbox.room().await;
        }
    }

    /// What a message asks of the hub.
    fn request(&self, message: &Message, dialect: &mut Dialect) -> Option<Request> {
        let id = self.id;
        let bytes = match message {
            Message::Text(text) => text.as_bytes(),
            Message::Binary(bytes) => bytes,
            Message::Ping(_) | Message::Pong(_) | Message::Close(_) | Message::Frame(_) => return None,
        };
        let asked = match dialect {
            Dialect::Stream => None,
            Dialect::Bot(bot) => Some(bot.hear(bytes)),
            Dialect::Trader(trader) => Some(trader.hear(bytes)),
        };
        if let Some(asked) = asked {
            return asked.map(|ask| match ask {
                Ask::Join => self.joined(),
                Ask::Subscribe(_) | Ask::Unsubscribe(_) | Ask::Orders(_) => Request::Bot { id, ask },
            });
        }
        let asked = match message {
            Message::Text(text) => ClientMessage::parse(text),
            _ => Err(BadRequest("send text frames, not binary ones".into())),
        };
        Some(Request::Asked { id, asked })
    }
}

fn config() -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(0)
        .max_message_size(Some(MAX_MESSAGE))
        .max_frame_size(Some(MAX_MESSAGE))
}

/// Closes with the code of what the client did wrong, if it did.
fn say_why(outbox: &Outbox, error: &Error) {
    match error {
        Error::Capacity(_) => outbox.close(TOO_BIG, &format!("messages are at most {MAX_MESSAGE} bytes")),
        Error::Utf8(_) => outbox.close(INVALID_DATA, "text must be UTF-8"),
        // Not the client's fault but its end: it left without a Close frame.
        Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => {}
        Error::Protocol(error) => outbox.close(PROTOCOL_ERROR, &error.to_string()),
        // Foreign variants: connection ends and failures of the socket, which leave nobody to tell.
        _ => {}
    }
}

/// The reading end of the socket; what is written goes into the client's queue.
struct Half {
    read: OwnedReadHalf,
    outbox: Arc<Outbox>,
}

impl AsyncRead for Half {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.read).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Half {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, frame: &[u8]) -> Poll<io::Result<usize>> {
        // The queue waits for nobody; `read_requests` waits for it between messages instead.
        self.outbox.push_frame(Bytes::copy_from_slice(frame));
        Poll::Ready(Ok(frame.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
