//! A webhook: one POST of JSON over http or https; taken is any 2xx.

use std::path::Path;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::{Request, Uri};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use super::tls;
use crate::alerts::Message;

/// The most of a refusal's body that is repeated, in bytes.
const REPEATED: usize = 200;

/// Posts it. What goes wrong names the host at most: the path of a webhook is its secret.
pub(super) async fn post(
    url: &str,
    (slack, headers): (bool, &[(String, String)]),
    ca_file: Option<&Path>,
    message: &Message,
) -> Result<(), String> {
    let uri: Uri = url.parse().map_err(|_| "the webhook is not a url".to_owned())?;
    let host = uri.host().ok_or("the webhook's url names no host")?;
    let secure = uri.scheme_str() == Some("https");
    let port = uri.port_u16().unwrap_or(if secure { 443 } else { 80 });
    let place = format!("{host}:{port}");
    let stream = TcpStream::connect(&place)
        .await
        .map_err(|error| format!("{place}: {error}"))?;
    let request = request(&uri, &place, slack, headers, message)?;
    let answered = match secure {
        true => {
            exchange(
                tls::wrap(stream, host, ca_file)
                    .await
                    .map_err(|error| format!("{place}: {error}"))?,
                request,
            )
            .await
        }
        false => exchange(stream, request).await,
    };
    answered.map_err(|error| format!("{place}: {error}"))
}

fn request(
    uri: &Uri,
    place: &str,
    slack: bool,
    headers: &[(String, String)],
    message: &Message,
) -> Result<Request<Full<Bytes>>, String> {
    let body = match slack {
        true => serde_json::to_vec(&serde_json::json!({"text": message.text})),
        false => serde_json::to_vec(message),
    };
    let body = body.map_err(|error| error.to_string())?;
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let mut request = Request::post(path)
        .header(
            "host",
            uri.authority().map_or(place, |authority| authority.as_str()),
        )
        .header("content-type", "application/json")
        .header("user-agent", concat!("sentinel/", env!("CARGO_PKG_VERSION")))
        .header("idempotency-key", &message.id)
        .header("connection", "close");
    for (name, value) in headers {
        request = request.header(name, value);
    }
    request
        .body(Full::new(body.into()))
        .map_err(|_| "a header of the webhook is none that HTTP knows".into())
}

async fn exchange(
    stream: impl AsyncRead + AsyncWrite + Unpin + 'static,
    request: Request<Full<Bytes>>,
) -> Result<(), String> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|error| error.to_string())?;
    let talk = async {
        let response = sender
            .send_request(request)
            .await
            .map_err(|error| error.to_string())?;
        let status = response.status();
        if status.is_success() {
            return Ok(());
        }
        let body = Limited::new(response.into_body(), REPEATED).collect().await;
        let said = body
            .map(|body| String::from_utf8_lossy(&body.to_bytes()).trim().to_owned())
            .unwrap_or_default();
        Err(format!(
            "answered {status}{}",
            if said.is_empty() {
                String::new()
            } else {
                format!(": {said}")
            }
        ))
    };
    tokio::pin!(connection, talk);
    tokio::select! {
        answered = &mut talk => answered,
        // What came before the end of the connection is still there to be read.
        _ = &mut connection => talk.await,
    }
}
