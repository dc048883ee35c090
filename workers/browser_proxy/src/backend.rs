//! The far side: its address, and a connection to it that is opened with patience.

use std::fmt;
use std::io;
use std::str::FromStr;
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};
use tokio_tungstenite::tungstenite::handshake::client::{Response, generate_key, generate_request};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::handshake::machine::TryParse;
use tokio_tungstenite::tungstenite::http::{HeaderMap, HeaderName, HeaderValue, Request, Uri};

/// One attempt to connect and shake hands takes no longer.
const ATTEMPT_DEADLINE: Duration = Duration::from_secs(5);
/// Pauses between attempts double from the first to the last of these.
const FIRST_PAUSE: Duration = Duration::from_millis(25);
const LAST_PAUSE: Duration = Duration::from_millis(250);
/// The headers that are passed on: bearer tokens, and what Alpaca's clients say (msgpack, their keys).
const PASSED: [&str; 4] = [
    "authorization",
    "content-type",
    "apca-api-key-id",
    "apca-api-secret-key",
];
/// The longest answer head that is read.
const MAX_HEAD: usize = 16 * 1024;

/// The backend's address, `ws://host[:port][/path]`.
#[derive(Clone, Debug)]
pub struct Backend {
    authority: String,
    path: String,
}

/// An address that is not one of a backend.
#[derive(Debug)]
pub struct BadAddress(String);

impl fmt::Display for BadAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}: a backend's address looks like ws://127.0.0.1:8765",
            self.0
        )
    }
}

impl std::error::Error for BadAddress {}

impl FromStr for Backend {
    type Err = BadAddress;

    fn from_str(url: &str) -> Result<Self, BadAddress> {
        let uri: Uri = url
            .parse()
            .map_err(|error| BadAddress(format!("{url}: {error}")))?;
        if uri.scheme_str() != Some("ws") {
            return Err(BadAddress(format!("{url}: not a ws:// address")));
        }
        let host = uri.host().filter(|host| !host.is_empty());
        let host = host.ok_or_else(|| BadAddress(format!("{url}: no host")))?;
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        Ok(Self {
            authority: format!("{host}:{}", uri.port_u16().unwrap_or(80)),
            path: path.to_owned(),
        })
    }
}

impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ws://{}{}", self.authority, self.path.trim_end_matches('/'))
    }
}

/// An open connection: frames follow, the first of them perhaps already in `rest`.
pub(crate) struct Dialled {
    pub(crate) stream: TcpStream,
    pub(crate) rest: BytesMut,
}

/// What of a browser's request concerns the backend; not for a log, since keys are in it.
pub(crate) struct Visitor {
    /// Path and query.
    pub(crate) path: String,
    /// Who it is and how it wants to be spoken to, as far as it says.
    pub(crate) headers: Box<[(HeaderName, HeaderValue)]>,
    /// It is sentinel, which the backend does not count.
    pub(crate) is_probe: bool,
}

impl Visitor {
    /// Someone who asks for this path, with these headers.
    pub(crate) fn new(path: String, headers: &HeaderMap, is_probe: bool) -> Self {
        let passed = PASSED.into_iter().filter_map(|name| {
            let value = headers.get(name)?.clone();
            Some((HeaderName::from_static(name), value))
        });
        Self {
            path,
            headers: passed.collect(),
            is_probe,
        }
    }
}

impl Backend {
    /// Connects, trying again for as long as `patience` lasts; then the last failure is returned.
    /// A browser that asked for a path of its own gets that path of the backend. One that the
    /// backend refuses is refused at once: the error is `PermissionDenied`.
    pub(crate) async fn dial(&self, visitor: &Visitor, patience: Duration) -> io::Result<Dialled> {
        let give_up = Instant::now() + patience;
        let mut pause = FIRST_PAUSE;
        loop {
            let attempt = timeout(ATTEMPT_DEADLINE, self.attempt(visitor)).await;
            let failure = match attempt.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())) {
                Ok(dialled) => return Ok(dialled),
                Err(failure) => failure,
            };
            let is_refused = failure.kind() == io::ErrorKind::PermissionDenied;
            if is_refused || Instant::now() + pause >= give_up {
                return Err(failure);
            }
            sleep(pause).await;
            pause = LAST_PAUSE.min(pause * 2);
        }
    }

    async fn attempt(&self, visitor: &Visitor) -> io::Result<Dialled> {
        let mut stream = TcpStream::connect(&self.authority).await?;
        stream.set_nodelay(true)?;
        let (request, key) = self.request(visitor)?;
        stream.write_all(&request).await?;
        let mut head = BytesMut::with_capacity(512);
        loop {
            if stream.read_buf(&mut head).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            if let Some((length, response)) = Response::try_parse(&head).map_err(io::Error::other)? {
                verify(&response, &key)?;
                return Ok(Dialled {
                    stream,
                    // A copy, since the original holds the whole answer.
                    rest: BytesMut::from(&head[length..]),
                });
            }
            if head.len() >= MAX_HEAD {
                return Err(io::Error::other("its answer is too long"));
            }
        }
    }

    fn request(&self, visitor: &Visitor) -> io::Result<(Vec<u8>, String)> {
        let path = match visitor.path.as_str() {
            "/" => &self.path,
            path => path,
        };
        let mut request = Request::builder()
            .uri(format!("ws://{}{path}", self.authority))
            .header("Host", &self.authority)
            .header("Connection", "Upgrade")
            .header("Upgrade", "websocket")
            .header("Sec-WebSocket-Version", "13")
            .header("Sec-WebSocket-Key", generate_key());
        for (name, value) in &visitor.headers {
            request = request.header(name, value);
        }
        if visitor.is_probe {
            request = request.header("User-Agent", "sentinel/proxied");
        }
        let request = request.body(()).map_err(io::Error::other)?;
        generate_request(request).map_err(io::Error::other)
    }
}

fn verify(response: &Response, key: &str) -> io::Result<()> {
    let accept = response.headers().get("Sec-WebSocket-Accept");
    if matches!(response.status().as_u16(), 401 | 403) {
        let what = format!("it answered {}", response.status());
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, what));
    }
    if response.status() != 101 {
        return Err(io::Error::other(format!("it answered {}", response.status())));
    }
    if accept.is_none_or(|accept| *accept != derive_accept_key(key.as_bytes())) {
        return Err(io::Error::other("it does not speak WebSocket"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::Backend;

    #[test]
    fn addresses_are_read_and_shown() {
        for (given, shown) in [
            ("ws://127.0.0.1:8765", "ws://127.0.0.1:8765"),
            ("ws://localhost", "ws://localhost:80"),
            ("ws://[::1]:8765/v2/iex", "ws://[::1]:8765/v2/iex"),
        ] {
            let backend: Backend = given.parse().expect(given);
            assert_eq!(backend.to_string(), shown);
        }
    }

    #[test]
    fn other_addresses_are_refused_with_an_example() {
        for given in ["", "8765", "http://127.0.0.1:8765", "wss://127.0.0.1", "ws://"] {
            let error = given.parse::<Backend>().expect_err(given).to_string();
            assert!(error.contains("ws://127.0.0.1:8765"), "{given}: {error}");
        }
    }
}
