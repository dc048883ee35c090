//! A WebSocket question: handshake, a message, and the one among the messages that come that answers it.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use hyper::header::{HeaderValue, USER_AGENT};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

use super::subset::{self, Difference};
use super::tcp::{self, Address};
use super::{Answer, Cause, Clock, MAX_ANSWER, Step};

/// How long the other side has to answer our Close, so that it sees a clean end.
const FAREWELL: Duration = Duration::from_millis(100);

/// How many characters of a stranger's message the failure quotes.
const QUOTED: usize = 80;

type Socket = WebSocketStream<TcpStream>;

/// What is said and awaited after the handshake.
pub(super) struct Talk<'a> {
    pub(super) send: Option<&'a Value>,
    pub(super) expect: Option<&'a Value>,
}

pub(super) async fn ask(url: &str, talk: &Talk<'_>, clock: &Clock) -> Answer {
    let address = match Address::of_url(url, "ws") {
        Ok((address, _)) => address,
        Err(cause) => return clock.answer(&url, Err(cause)),
    };
    let mut socket = match open(url, &address, clock).await {
        Ok(socket) => socket,
        Err(cause) => return clock.answer(&address, Err(cause)),
    };
    let outcome = talk.hold(&mut socket, clock).await;
    let answer = clock.answer(&address, outcome);
    // Past its time it changes nothing: the answer is there.
    let _ = tokio::time::timeout(FAREWELL, farewell(socket)).await;
    answer
}

/// Connects and shakes hands; tungstenite checks status, `Upgrade` and the `Sec-WebSocket-Accept` digest.
async fn open(url: &str, address: &Address, clock: &Clock) -> Result<Socket, Cause> {
    let mut request = url
        .into_client_request()
        .map_err(|error| Cause::BadAddress(error.to_string()))?;
    let agent = HeaderValue::from_static(concat!("sentinel/", env!("CARGO_PKG_VERSION")));
    request.headers_mut().insert(USER_AGENT, agent);
    let stream = tcp::connect(address, clock).await?;
    // tungstenite's default of 128 KiB for reading would be the largest part of a probe.
    let config = WebSocketConfig::default()
        .read_buffer_size(4 << 10)
        .write_buffer_size(0)
        .max_message_size(Some(MAX_ANSWER))
        .max_frame_size(Some(MAX_ANSWER));
    let handshake = client_async_with_config(request, stream, Some(config));
    match clock.step(Step::Handshake, handshake).await? {
        Ok((socket, _response)) => Ok(socket),
        Err(Error::Http(response)) => Err(Cause::NotWebSocket(format!(
            "answered HTTP {}, wanted 101",
            response.status().as_u16()
        ))),
        Err(error) => Err(Cause::NotWebSocket(error.to_string())),
    }
}

impl Talk<'_> {
    async fn hold(&self, socket: &mut Socket, clock: &Clock) -> Result<Option<Value>, Cause> {
        if let Some(message) = self.send {
            let sending = socket.send(Message::text(message.to_string()));
            clock
                .step(Step::Answer, sending)
                .await?
                .map_err(|error| broken(&error))?;
        }
        if self.send.is_none() && self.expect.is_none() {
            return Ok(None);
        }
        let mut heard = Heard::default();
        loop {
            match clock.step(Step::Answer, next_text(socket)).await {
                Ok(Ok(text)) => match self.judge(&text, &mut heard) {
                    Some(verdict) => return verdict,
                    None => continue,
                },
                Ok(Err(cause)) | Err(cause) => return Err(heard.explain(cause)),
            }
        }
    }

    /// The verdict, if this message is the answer; messages that happen to pass by are none.
    ///
    /// A message that differs is still the answer when it has the wanted `type`: a server that
    /// says it is unhealthy has answered, and waiting for better news would only cost the timeout.
    fn judge(&self, text: &str, heard: &mut Heard) -> Option<Result<Option<Value>, Cause>> {
        let message: Result<Value, _> = serde_json::from_str(text);
        let Some(wanted) = self.expect else {
            return Some(Ok(message.ok()));
        };
        heard.note(text);
        let answer = message.ok()?;
        let differences = subset::differences(wanted, &answer);
        if differences.is_empty() {
            return Some(Ok(Some(answer)));
        }
        if wanted
            .get("type")
            .is_some_and(|kind| answer.get("type").is_some_and(|came| subset::holds(kind, came)))
        {
            return Some(Err(Cause::NotWanted { differences, answer }));
        }
        heard.consider(subset::agreement(wanted, &answer), differences, answer);
        None
    }
}

/// What came while an answer was awaited: the best of it explains why none counted.
#[derive(Default)]
struct Heard {
    count: usize,
    last: String,
    nearest: Option<Near>,
}

struct Near {
    agreement: usize,
    differences: Vec<Difference>,
    answer: Value,
}

impl Heard {
    fn note(&mut self, text: &str) {
        self.count += 1;
        self.last = subset::excerpt(text, QUOTED);
    }

    fn consider(&mut self, agreement: usize, differences: Vec<Difference>, answer: Value) {
        let best = self.nearest.as_ref().map_or(0, |near| near.agreement);
        if agreement > best {
            self.nearest = Some(Near {
                agreement,
                differences,
                answer,
            });
        }
    }

    fn explain(self, end: Cause) -> Cause {
        match self.nearest {
            Some(Near {
                differences, answer, ..
            }) => Cause::NotWanted { differences, answer },
            None if self.count == 0 => end,
            None => Cause::OtherMessages {
                end: Box::new(end),
                count: self.count,
                last: self.last,
            },
        }
    }
}

/// The next text or binary message, as text; pings are answered underneath.
async fn next_text(socket: &mut Socket) -> Result<String, Cause> {
    loop {
        match socket.next().await {
            Some(Ok(Message::Text(text))) => return Ok(text.as_str().into()),
            Some(Ok(Message::Binary(bytes))) => return Ok(String::from_utf8_lossy(&bytes).into()),
            Some(Ok(Message::Close(frame))) => return Err(Cause::Closed(frame.map(|frame| reason(&frame)))),
            Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {}
            Some(Err(error)) => return Err(broken(&error)),
            None => return Err(Cause::Closed(None)),
        }
    }
}

fn reason(frame: &CloseFrame) -> String {
    let code = u16::from(frame.code);
    if frame.reason.is_empty() {
        format!("close code {code}")
    } else {
        format!("close code {code}, {}", subset::excerpt(&frame.reason, QUOTED))
    }
}

fn broken(error: &Error) -> Cause {
    match error {
        Error::Capacity(_) => Cause::TooLarge,
        Error::ConnectionClosed | Error::AlreadyClosed => Cause::Closed(None),
        other => Cause::Closed(Some(other.to_string())),
    }
}

/// Says Close and hears the rest out: closing a socket with unread messages would reset the connection.
async fn farewell(mut socket: Socket) {
    if socket.close(None).await.is_ok() {
        while let Some(Ok(_)) = socket.next().await {}
    }
}
