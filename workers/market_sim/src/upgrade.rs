//! The opening request: a WebSocket at a feed's path, or a plain look at whether we are well.

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

use crate::codec::Codec;
use crate::feed::Feed;

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

/// Reads and answers the request; `None` when it did not become a WebSocket.
pub(crate) async fn accept(mut stream: TcpStream) -> Option<Visitor> {
    let read = timeout(DEADLINE, read_request(&mut stream)).await;
    let (request, rest) = read.ok()?.ok()?;
    let Some(feed) = Feed::at(request.uri().path()) else {
        refuse(&mut stream, request.uri().path()).await;
        return None;
    };
    let Ok(response) = create_response(&request) else {
        answer(
            &mut stream,
            "426 Upgrade Required",
            "connect with a WebSocket client",
        )
        .await;
        return None;
    };
    let mut head = Vec::with_capacity(160);
    write_response(&mut head, &response).ok()?;
    stream.write_all(&head).await.ok()?;
    let config = WebSocketConfig::default().read_buffer_size(8 * 1024);
    let socket = WebSocketStream::from_partially_read(stream, rest.to_vec(), Role::Server, Some(config));
    Some(Visitor {
        socket: socket.await,
        feed,
        codec: codec(&request),
        credentials: credentials(&request),
    })
}

async fn read_request(stream: &mut TcpStream) -> io::Result<(Request, BytesMut)> {
    let mut head = BytesMut::with_capacity(1024);
    while head.len() < LONGEST {
        if stream.read_buf(&mut head).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if let Some((length, request)) = Request::try_parse(&head).map_err(io::Error::other)? {
            return Ok((request, head.split_off(length)));
        }
    }
    Err(io::ErrorKind::InvalidData.into())
}

async fn refuse(stream: &mut TcpStream, path: &str) {
    let (status, body) = match path {
        "/health" => ("200 OK", r#"{"status":"ok"}"#),
        _ => ("404 Not Found", "there are /v2/iex, /v2/sip, /v2/test"),
    };
    answer(stream, status, body).await;
}

async fn answer(stream: &mut TcpStream, status: &str, body: &str) {
    let kind = if body.starts_with('{') {
        "application/json"
    } else {
        "text/plain"
    };
    let text = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}\n",
        body.len() + 1
    );
    // The visitor may have gone; there is nobody else to tell.
    let _ = stream.write_all(text.as_bytes()).await;
    let _ = stream.shutdown().await;
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
