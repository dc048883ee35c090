//! The opening handshake (RFC 6455 §4.2): one request head in, `101` or a helpful refusal out.

use std::io;
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::handshake::machine::TryParse;
use tokio_tungstenite::tungstenite::handshake::server::{Request, create_response, write_response};
use tokio_tungstenite::tungstenite::http::HeaderMap;

use crate::serve::drain;
use crate::{Origins, Stop, Tokens, deflate};

/// The longest request head that is read. Browsers send about 600 bytes, more with cookies.
const MAX_HEAD: usize = 16 * 1024;
/// A client that has not finished its request by then is let go.
const HEAD_DEADLINE: Duration = Duration::from_secs(10);
/// How long a refused client has to read why.
const REFUSAL_DEADLINE: Duration = Duration::from_secs(1);
const TOKEN_NEEDED: &str =
    "a token is needed: send \"Authorization: Bearer TOKEN\", or connect to /?token=TOKEN";

/// What a listener tells its visitors, and whom it lets in.
#[derive(Clone, Debug)]
pub struct Door {
    /// The worker's name, as its refusals introduce it.
    pub service: &'static str,
    /// The web pages that may connect.
    pub origins: Origins,
    /// The bearer tokens that let a visitor in.
    pub tokens: Tokens,
    /// Paths that begin so have a way of their own to tell who may: no token is asked for here.
    pub self_authenticating: &'static [&'static str],
}

/// An accepted client: from here on the socket carries frames.
#[derive(Debug)]
pub struct Opening {
    /// Path and query that were asked for, such as `/` or `/v2/iex`.
    pub path: String,
    /// The request's headers, for whoever reads more out of them or passes them on.
    pub headers: HeaderMap,
    /// Bytes of frames that came together with the request.
    pub rest: BytesMut,
    /// Messages of either side may be compressed (RFC 7692), each by itself.
    pub compressed: bool,
}

impl Opening {
    /// Whether a probe of sentinel's asks, which is no client: it comes and goes every few seconds.
    pub fn is_probe(&self) -> bool {
        let agent = self.headers.get("user-agent");
        agent.is_some_and(|agent| agent.as_bytes().starts_with(b"sentinel/"))
    }
}

/// Why a visitor did not become a client.
#[derive(Debug)]
pub enum Refused {
    /// It left, or failed, before its request was whole; a port check does just that.
    Left,
    /// It asks for `GET /metrics`, and waits for [`answer_metrics`].
    Metrics,
    /// It was answered with this HTTP status and sentence.
    Answered {
        /// The HTTP status.
        status: u16,
        /// The body of the answer, one line.
        reason: String,
    },
}

impl Door {
    /// Reads the request and answers it. A refused client has been answered and may be dropped, and
    /// so may one that had not asked for anything when `stop` came.
    pub async fn accept(&self, stream: &mut TcpStream, stop: &mut Stop) -> Result<Opening, Refused> {
        self.accept_compressing(stream, stop, false).await
    }

    /// The same; with `may_compress`, a client that offers to compress messages is taken at its word.
    pub async fn accept_compressing(
        &self,
        stream: &mut TcpStream,
        stop: &mut Stop,
        may_compress: bool,
    ) -> Result<Opening, Refused> {
        let read = tokio::select! {
            read = timeout(HEAD_DEADLINE, self.read_head(stream, may_compress)) => read,
            () = stop.requested() => return Err(Refused::Left),
        };
        let (judged, rest) = match read {
            Ok(Ok(read)) => read,
            Ok(Err(_)) | Err(_) => return Err(Refused::Left),
        };
        match judged {
            Ok(Permit {
                path,
                headers,
                answer,
                compressed,
            }) => {
                stream.write_all(&answer).await.map_err(|_| Refused::Left)?;
                Ok(Opening {
                    path,
                    headers,
                    rest,
                    compressed,
                })
            }
            Err(Refusal::Metrics) => Err(Refused::Metrics),
            Err(Refusal::Status(status, reason)) => {
                answer(stream, status, &reason).await;
                let status = status.split(' ').next().and_then(|code| code.parse().ok());
                Err(Refused::Answered {
                    status: status.unwrap_or_default(),
                    reason,
                })
            }
        }
    }

    async fn read_head(&self, stream: &mut TcpStream, may_compress: bool) -> io::Result<(Judged, BytesMut)> {
        let mut head = BytesMut::with_capacity(1024);
        loop {
            if stream.read_buf(&mut head).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            match Request::try_parse(&head) {
                Ok(Some((length, request))) => {
                    let rest = head.split_off(length);
                    return Ok((self.judge(&request, may_compress), rest));
                }
                Ok(None) if head.len() < MAX_HEAD => {}
                Ok(None) => {
                    return Ok((
                        Err(refusal(
                            "431 Request Header Fields Too Large",
                            "the request is too long",
                        )),
                        head,
                    ));
                }
                Err(error) => {
                    return Ok((Err(refusal("400 Bad Request", &error.to_string())), head));
                }
            }
        }
    }

    fn judge(&self, request: &Request, may_compress: bool) -> Judged {
        let header = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok());
        if request.uri().path() == "/metrics" && header("upgrade").is_none() {
            let authorization = header("authorization");
            return Err(if self.tokens.permit(authorization, request.uri().query()) {
                Refusal::Metrics
            } else {
                refusal("401 Unauthorized", TOKEN_NEEDED)
            });
        }
        let mut response = create_response(request).map_err(|error| {
            let what = format!(
                "this is the WebSocket port of {}: connect with a WebSocket client ({error})",
                self.service
            );
            refusal("426 Upgrade Required", &what)
        })?;
        // An Origin that is not text is one that no rule can name.
        let origin = request
            .headers()
            .get("origin")
            .map(|value| value.to_str().unwrap_or("?"));
        if !self.origins.permit(origin, header("host")) {
            let origin = origin.unwrap_or_default();
            let what = format!(
                "pages of {origin} may not connect to {service}: allow them with --allow-origin {origin}",
                service = self.service
            );
            return Err(refusal("403 Forbidden", &what));
        }
        let authorization = header("authorization");
        let path = request.uri().path();
        let mut starts = self.self_authenticating.iter();
        let asks_itself = starts.any(|start| path.starts_with(start));
        if !asks_itself && !self.tokens.permit(authorization, request.uri().query()) {
            return Err(refusal("401 Unauthorized", TOKEN_NEEDED));
        }
        let offers = header("sec-websocket-extensions").filter(|_| may_compress);
        let agreed = offers
            .and_then(deflate::agree)
            .and_then(|agreed| agreed.parse().ok());
        let compressed = agreed.is_some();
        if let Some(agreed) = agreed {
            response.headers_mut().insert("sec-websocket-extensions", agreed);
        }
        let mut answer = Vec::with_capacity(160);
        write_response(&mut answer, &response)
            .map_err(|error| refusal("400 Bad Request", &error.to_string()))?;
        let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
        Ok(Permit {
            path: path.to_owned(),
            headers: request.headers().clone(),
            answer,
            compressed,
        })
    }
}

/// The `101` to send, or why not.
type Judged = Result<Permit, Refusal>;

enum Refusal {
    Metrics,
    /// The status line and the sentence to send.
    Status(&'static str, String),
}

struct Permit {
    path: String,
    headers: HeaderMap,
    answer: Vec<u8>,
    compressed: bool,
}

fn refusal(status: &'static str, reason: &str) -> Refusal {
    Refusal::Status(status, reason.to_owned())
}

/// Answers a visitor that was [`Refused::Metrics`], in Prometheus' text format.
pub async fn answer_metrics(mut stream: TcpStream, metrics: &str) {
    let length = metrics.len();
    let answer = format!(
        "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\n\
         Content-Length: {length}\r\n\r\n{metrics}"
    );
    send(&mut stream, &answer).await;
}

/// Sends a last answer and waits, briefly, until it has been read.
async fn send(stream: &mut TcpStream, answer: &str) {
    // A visitor that left before its answer needs none.
    let _ = timeout(REFUSAL_DEADLINE, async {
        stream.write_all(answer.as_bytes()).await?;
        stream.shutdown().await?;
        drain(stream).await
    })
    .await;
}

/// Answers a visitor with a plain line of text and waits, briefly, until it has been read.
pub(crate) async fn answer(stream: &mut TcpStream, status: &str, reason: &str) {
    let length = reason.len() + 1;
    let answer = format!(
        "HTTP/1.1 {status}\r\nUpgrade: websocket\r\nConnection: Upgrade, close\r\n\
         Sec-WebSocket-Version: 13\r\nContent-Type: text/plain; charset=utf-8\r\n\
         Content-Length: {length}\r\n\r\n{reason}\n"
    );
    send(stream, &answer).await;
}
