//! The socket under a session: TCP, TLS, WebSocket; at most one at a time.

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime};

use futures_util::{Sink, Stream};
use hyper::body::Bytes;
use rustix::net::sockopt::set_tcp_user_timeout;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::header::{
    CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER, USER_AGENT,
};
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async_with_config};
use tracing::debug;

use crate::session::{News, OpenFailure};
use crate::wire::{self, Frame, Spelling};

/// How we introduce ourselves.
const AGENT: &str = concat!("sentinel-alpaca/", env!("CARGO_PKG_VERSION"));

/// The room for one read, all of which is cleared before each: enough for hundreds of trades, and a lone
/// one does not wait long for it.
const READ_BUFFER: usize = 32 * 1024;

/// TCP_USER_TIMEOUT, in milliseconds.
const UNACKNOWLEDGED_MS: u32 = 20_000;

type WebSocket = WebSocketStream<MaybeTlsStream<TcpStream>>;
type Opening = Pin<Box<dyn Future<Output = Result<WebSocket, OpenFailure>> + Send>>;

/// No socket, one that is being opened, or an open one.
#[derive(Default)]
pub(crate) struct Socket {
    stage: Option<Stage>,
    /// Messages are reported as they are.
    is_raw: bool,
}

enum Stage {
    Opening(Opening),
    Open(Box<Open>),
}

struct Open {
    stream: WebSocket,
    /// Not yet taken by the stream; the session sends little, and waits for most answers.
    unsent: VecDeque<Message>,
}

/// What a socket reports.
#[derive(Debug)]
pub(crate) enum Report {
    /// News for the session.
    News(News),
    /// A message of the server.
    Frame(Frame),
    /// The same, unread.
    Message(Bytes),
}

impl Socket {
    /// A socket whose messages are not those of market data.
    pub(crate) fn raw() -> Self {
        Self {
            stage: None,
            is_raw: true,
        }
    }

    /// Begins to open a socket; whatever was there is let go.
    pub(crate) fn open(&mut self, url: String, spelling: Spelling) {
        self.stage = Some(Stage::Opening(Box::pin(connect(url, spelling))));
    }

    /// Reports that no socket can be opened.
    pub(crate) fn fail(&mut self, failure: OpenFailure) {
        self.stage = Some(Stage::Opening(Box::pin(async { Err(failure) })));
    }

    /// Queues a message.
    pub(crate) fn send(&mut self, message: Message) {
        self.queue(message);
    }

    /// Queues a ping.
    pub(crate) fn ping(&mut self, payload: u64) {
        self.queue(Message::Ping(payload.to_be_bytes().to_vec().into()));
    }

    /// Queues a Close frame. The end of the socket is reported as usual.
    pub(crate) fn close(&mut self) {
        self.queue(Message::Close(Some(CloseFrame {
            code: CloseCode::Normal,
            reason: "".into(),
        })));
    }

    /// Lets the socket go as it is.
    pub(crate) fn let_go(&mut self) {
        self.stage = None;
    }

    /// The next report; waits for ever when there is no socket. Cancel-safe.
    pub(crate) async fn next(&mut self) -> Report {
        poll_fn(|cx| self.poll(cx)).await
    }

    fn queue(&mut self, message: Message) {
        if let Some(Stage::Open(open)) = &mut self.stage {
            open.unsent.push_back(message);
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Report> {
        let news = match &mut self.stage {
            None => return Poll::Pending,
            Some(Stage::Opening(opening)) => match opening.as_mut().poll(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(stream)) => {
                    self.stage = Some(Stage::Open(Box::new(Open {
                        stream,
                        unsent: VecDeque::new(),
                    })));
                    return Poll::Ready(Report::News(News::Opened));
                }
                Poll::Ready(Err(failure)) => News::OpenFailed(failure),
            },
            Some(Stage::Open(open)) => match open.poll(cx, self.is_raw) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(report)) => return Poll::Ready(report),
                Poll::Ready(Err(reason)) => News::Ended { reason },
            },
        };
        self.stage = None;
        Poll::Ready(Report::News(news))
    }
}

impl Open {
    /// The error is why the socket has ended.
    fn poll(&mut self, cx: &mut Context<'_>, is_raw: bool) -> Poll<Result<Report, String>> {
        self.write(cx).map_err(|error| ending(&error))?;
        match Pin::new(&mut self.stream).poll_next(cx) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(None) => Poll::Ready(Err("the server closed the connection".into())),
            Poll::Ready(Some(Err(error))) => Poll::Ready(Err(ending(&error))),
            Poll::Ready(Some(Ok(Message::Close(frame)))) => {
                // The answer is queued by now; it is four bytes, and written unless the peer is gone.
                let _ = self.write(cx);
                Poll::Ready(Err(closed_by_server(frame.as_ref())))
            }
            Poll::Ready(Some(Ok(message @ (Message::Text(_) | Message::Binary(_))))) if is_raw => {
                Poll::Ready(Ok(Report::Message(message.into_data())))
            }
            Poll::Ready(Some(Ok(Message::Text(text)))) => {
                Poll::Ready(Ok(Report::Frame(wire::decode(text.as_bytes()))))
            }
            Poll::Ready(Some(Ok(Message::Binary(bytes)))) => {
                Poll::Ready(Ok(Report::Frame(wire::decode(&bytes))))
            }
            Poll::Ready(Some(Ok(Message::Pong(payload)))) => {
                let ours = <[u8; 8]>::try_from(&payload[..]).ok().map(u64::from_be_bytes);
                Poll::Ready(Ok(Report::News(ours.map_or(News::Heard, News::Pong))))
            }
            Poll::Ready(Some(Ok(Message::Ping(_) | Message::Frame(_)))) => {
                Poll::Ready(Ok(Report::News(News::Heard)))
            }
        }
    }

    fn write(&mut self, cx: &mut Context<'_>) -> Result<(), Error> {
        let mut stream = Pin::new(&mut self.stream);
        while !self.unsent.is_empty() {
            match stream.as_mut().poll_ready(cx) {
                Poll::Pending => return Ok(()),
                Poll::Ready(ready) => ready?,
            }
            if let Some(message) = self.unsent.pop_front() {
                stream.as_mut().start_send(message)?;
            }
        }
        match stream.poll_flush(cx) {
            // A Close of either side is reported by reading.
            Poll::Pending | Poll::Ready(Ok(()) | Err(Error::ConnectionClosed)) => Ok(()),
            Poll::Ready(Err(error)) => Err(error),
        }
    }
}

/// Whether this is a URL a WebSocket can be opened at; the error says what is wrong.
pub(crate) fn check_url(url: &str) -> Result<(), String> {
    let request = url.into_client_request().map_err(|error| error.to_string())?;
    match request.uri().scheme_str() {
        Some("ws" | "wss") => Ok(()),
        Some(other) => Err(format!("its scheme is {other}, not ws or wss")),
        None => Err("it has no scheme: it must begin with ws:// or wss://".into()),
    }
}

async fn connect(url: String, spelling: Spelling) -> Result<WebSocket, OpenFailure> {
    let mut request = url
        .into_client_request()
        .map_err(|error| failure(&error, SystemTime::now()))?;
    let headers = request.headers_mut();
    headers.insert(USER_AGENT, HeaderValue::from_static(AGENT));
    if spelling == Spelling::Msgpack {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/msgpack"));
    }
    let config = WebSocketConfig::default().read_buffer_size(READ_BUFFER);
    match connect_async_with_config(request, Some(config), true).await {
        Ok((stream, _)) => {
            limit_retransmission(&stream);
            Ok(stream)
        }
        Err(error) => Err(failure(&error, SystemTime::now())),
    }
}

/// The kernel gives up a peer that acknowledges nothing for so long; by itself it tries for a quarter
/// of an hour.
fn limit_retransmission(stream: &WebSocket) {
    let tcp = match stream.get_ref() {
        MaybeTlsStream::Plain(tcp) => tcp,
        MaybeTlsStream::Rustls(tls) => tls.get_ref().0,
        // The type may grow other kinds of TLS; none is compiled in.
        _ => return,
    };
    if let Err(error) = set_tcp_user_timeout(tcp, UNACKNOWLEDGED_MS) {
        debug!("cannot set TCP_USER_TIMEOUT: {error}");
    }
}

fn failure(error: &Error, now: SystemTime) -> OpenFailure {
    match error {
        Error::Http(response) => OpenFailure::Http {
            status: response.status().as_u16(),
            retry_after: retry_after(response.headers(), now),
        },
        other => OpenFailure::Transport(format!("cannot connect: {other}")),
    }
}

/// `Retry-After` in seconds, or Alpaca's `X-RateLimit-Reset`, a UNIX time.
fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let seconds = |name: &str| -> Option<u64> { headers.get(name)?.to_str().ok()?.parse().ok() };
    if let Some(wait) = seconds(RETRY_AFTER.as_str()) {
        return Some(Duration::from_secs(wait));
    }
    let reset = Duration::from_secs(seconds("x-ratelimit-reset")?);
    let now = now.duration_since(SystemTime::UNIX_EPOCH).ok()?;
    Some(reset.saturating_sub(now))
}

fn ending(error: &Error) -> String {
    match error {
        Error::ConnectionClosed | Error::AlreadyClosed => "the connection is closed".into(),
        Error::Protocol(_) | Error::Io(_) => format!("the connection was lost: {error}"),
        other => format!("the connection failed: {other}"),
    }
}

fn closed_by_server(frame: Option<&CloseFrame>) -> String {
    match frame {
        Some(CloseFrame { code, reason }) if reason.is_empty() => {
            format!("the server closed the connection (code {code})")
        }
        Some(CloseFrame { code, reason }) => {
            format!("the server closed the connection (code {code}: {reason})")
        }
        None => "the server closed the connection".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::{HeaderMap, HeaderValue, check_url, retry_after};
    use std::time::{Duration, SystemTime};

    #[test]
    fn urls_are_checked_before_anything_is_tried() {
        for good in [
            "ws://127.0.0.1:8764/v2/iex",
            "wss://stream.data.alpaca.markets/v2/iex",
        ] {
            assert_eq!(check_url(good), Ok(()));
        }
        for bad in ["", "127.0.0.1:8764", "https://x/", "/v2/iex", "ws://"] {
            assert!(check_url(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn servers_say_in_two_ways_how_long_to_wait() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1000);
        let wait = |name, value| {
            let mut headers = HeaderMap::new();
            headers.insert(name, HeaderValue::from_static(value));
            retry_after(&headers, now)
        };
        assert_eq!(wait("retry-after", "7"), Some(Duration::from_secs(7)));
        assert_eq!(wait("x-ratelimit-reset", "1030"), Some(Duration::from_secs(30)));
        assert_eq!(wait("x-ratelimit-reset", "10"), Some(Duration::ZERO));
        assert_eq!(wait("retry-after", "soon"), None);
    }
}
