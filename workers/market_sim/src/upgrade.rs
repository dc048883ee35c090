//! The opening request: a WebSocket at a feed's path, or a plain request.

use std::io;
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::machine::TryParse;
use tokio_tungstenite::tungstenite::handshake::server::{Request, create_response, write_response};
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};

use crate::client::House;
use crate::codec::Codec;
use crate::feed::Feed;
use crate::plain::Plain;

/// The path of the stream of orders.
const ORDERS: &str = "/stream";
/// The longest request that is read.
const LONGEST: usize = 16 * 1024;
/// A visitor that has not finished its request by then is let go.
const DEADLINE: Duration = Duration::from_secs(10);

/// A client, and what its request said.
pub(crate) struct Visitor {
    pub(crate) socket: WebSocketStream<TcpStream>,
    pub(crate) feed: Feed,
    pub(crate) codec: Codec,
    /// From the headers, if they carried any.
    pub(crate) credentials: Option<(String, String)>,
}

/// What a connection is for.
pub(crate) enum Accepted {
    Data(Box<Visitor>),
    Orders(Box<WebSocketStream<TcpStream>>),
}

/// What was read of a request.
struct Opening {
    /// `None` when it is no GET, and so can be no upgrade.
    upgrade: Option<Request>,
    method: String,
    target: String,
    has_origin: bool,
    has_key: bool,
    /// What came after the head.
    rest: BytesMut,
}

/// Reads and answers the request; `None` when it did not become a WebSocket.
pub(crate) async fn accept(mut stream: TcpStream, house: &House) -> Option<Accepted> {
    let opening = match timeout(DEADLINE, Opening::read(&mut stream)).await {
        Ok(Ok(opening)) => opening,
        Ok(Err(error)) if error.kind() == io::ErrorKind::InvalidData => {
            turn_away(&mut stream, house, 400).await;
            return None;
        }
        Ok(Err(_)) => return None,
        Err(_) => {
            turn_away(&mut stream, house, 408).await;
            return None;
        }
    };
    let upgrade = opening.upgrade.as_ref().and_then(|request| {
        let path = request.uri().path();
        let feed = Feed::at(path);
        (feed.is_some() || path == ORDERS).then_some(())?;
        Some((request, feed, create_response(request).ok()?))
    });
    let refused = house.trouble.standing().borrow().refuse_upgrade;
    if let (Some(_), Some(status)) = (&upgrade, refused) {
        turn_away(&mut stream, house, status).await;
        return None;
    }
    let Some((request, feed, response)) = upgrade else {
        opening.as_plain().answer(&mut stream, house).await;
        return None;
    };
    let mut head = Vec::with_capacity(160);
    write_response(&mut head, &response).ok()?;
    stream.write_all(&head).await.ok()?;
    let config = WebSocketConfig::default().read_buffer_size(8 * 1024);
    let (codec, credentials) = (codec(request), credentials(request));
    let rest = opening.rest.to_vec();
    let socket = WebSocketStream::from_partially_read(stream, rest, Role::Server, Some(config));
    let socket = socket.await;
    let Some(feed) = feed else {
        return Some(Accepted::Orders(Box::new(socket)));
    };
    Some(Accepted::Data(Box::new(Visitor {
        socket,
        feed,
        codec,
        credentials,
    })))
}

/// Refuses with this HTTP status.
async fn turn_away(stream: &mut TcpStream, house: &House, status: u16) {
    house.counts.refused(status);
    let (words, retry) = match status {
        400 => ("Bad Request", ""),
        408 => ("Request Timeout", ""),
        429 => ("Too Many Requests", "Retry-After: 1\r\n"),
        _ => ("Refused", "Retry-After: 1\r\n"),
    };
    let text = format!("HTTP/1.1 {status} {words}\r\n{retry}Connection: close\r\nContent-Length: 0\r\n\r\n");
    // Who is refused may be gone.
    let _ = stream.write_all(text.as_bytes()).await;
    let _ = stream.shutdown().await;
}

/// Whether this may yet become a request: it begins with a method, a space, and printable text.
fn may_be_http(head: &[u8]) -> bool {
    const LONGEST_METHOD: usize = 10;
    let line = head.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let method = line.iter().take_while(|byte| byte.is_ascii_uppercase()).count();
    let after = line.get(method);
    let is_named = (1..=LONGEST_METHOD).contains(&method) && after.is_none_or(|byte| *byte == b' ');
    let is_text = |byte: &u8| (b' '..=b'~').contains(byte) || *byte == b'\r';
    let is_whole = line.len() < head.len();
    let names_http = !is_whole || line.windows(7).any(|seven| seven == b"HTTP/1.");
    is_named && line.iter().all(is_text) && names_http
}

impl Opening {
    async fn read(stream: &mut TcpStream) -> io::Result<Self> {
        let mut head = BytesMut::with_capacity(1024);
        let end = loop {
            more(stream, &mut head).await?;
            if !may_be_http(&head) {
                return Err(io::ErrorKind::InvalidData.into());
            }
            if let Some(at) = head.windows(4).position(|four| four == b"\r\n\r\n") {
                break at + 4;
            }
        };
        let mut rest = head.split_off(end);
        let text = String::from_utf8_lossy(&head).into_owned();
        let mut words = text.split(' ').map(str::to_owned);
        let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let header = |name: &str| {
            let lines = text.lines().filter_map(|line| line.split_once(':'));
            let mut found = lines.filter(|(header, _)| header.eq_ignore_ascii_case(name));
            found.next().map(|(_, value)| value.trim().to_owned())
        };
        let body: usize = header("content-length")
            .and_then(|length| length.parse().ok())
            .unwrap_or(0);
        while rest.len() < body {
            more(stream, &mut rest).await?;
        }
        let upgrade = match method.as_str() {
            "GET" => Request::try_parse(&head)
                .map_err(|_| io::Error::from(io::ErrorKind::InvalidData))?
                .map(|(_, request)| request),
            _ => None,
        };
        Ok(Self {
            upgrade,
            method,
            target,
            has_origin: header("origin").is_some(),
            has_key: header("apca-api-key-id").is_some() && header("apca-api-secret-key").is_some(),
            rest,
        })
    }

    fn as_plain(&self) -> Plain<'_> {
        Plain {
            method: &self.method,
            target: &self.target,
            body: &self.rest,
            has_origin: self.has_origin,
            has_key: self.has_key,
        }
    }
}

async fn more(stream: &mut TcpStream, bytes: &mut BytesMut) -> io::Result<()> {
    if bytes.len() >= LONGEST {
        return Err(io::ErrorKind::InvalidData.into());
    }
    match stream.read_buf(bytes).await? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        _ => Ok(()),
    }
}

fn header<'a>(request: &'a Request, name: &str) -> Option<&'a str> {
    request.headers().get(name)?.to_str().ok()
}

fn codec(request: &Request) -> Codec {
    match header(request, "content-type") {
        Some("application/msgpack") => Codec::Msgpack,
        Some(_) | None => Codec::Json,
    }
}

fn credentials(request: &Request) -> Option<(String, String)> {
    let key = header(request, "apca-api-key-id")?;
    let secret = header(request, "apca-api-secret-key")?;
    Some((key.to_owned(), secret.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::may_be_http;

    #[test]
    fn what_cannot_become_a_request_is_known_early() {
        for good in [&b"G"[..], b"GET /v2/iex HTT", b"POST / HTTP/1.1\r\nHost: \xff"] {
            assert!(may_be_http(good), "{good:?}");
        }
        for bad in [
            &b"\x16\x03\x01"[..],
            b"get / HTTP/1.1",
            b"GET\x00",
            b"HELLO\r\n",
            b"GET / HTTP/2\r\n",
            b"ABCDEFGHIJKL",
        ] {
            assert!(!may_be_http(bad), "{bad:?}");
        }
    }
}
