//! The one question that tells a quiet feed from a mute one: Alpaca's REST endpoint knows the latest
//! trade, whatever the stream sends.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::header::{ACCEPT, HOST};
use hyper::{Request, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use jiff::Timestamp;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use serde::Deserialize;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use crate::Credentials;

/// The longest that the answer may take.
const WITHIN: Duration = Duration::from_secs(5);
/// The largest answer that is read, in bytes.
const LARGEST: usize = 1024 * 1024;
/// The most symbols that are asked for: one that is newer suffices.
const SYMBOLS: usize = 100;

/// Where the latest trades of a stream's feed can be asked for, and as whom.
#[derive(Clone, Debug)]
pub(crate) struct LatestTrades {
    origin: String,
    feed: String,
    credentials: Credentials,
}

#[derive(Deserialize)]
struct Answer {
    trades: BTreeMap<String, Latest>,
}

#[derive(Deserialize)]
struct Latest {
    t: String,
}

impl LatestTrades {
    /// Beside a data URL: at Alpaca its REST host, on this host the simulator itself. `None` for any
    /// other, and for feeds other than those of stocks.
    pub(crate) fn beside(url: &str, credentials: &Credentials) -> Option<Self> {
        let uri: Uri = url.parse().ok()?;
        let feed = uri.path().strip_prefix("/v2/")?;
        let host = uri.host()?;
        let origin = match (uri.scheme_str()?, host) {
            ("wss", "stream.data.alpaca.markets" | "stream.data.sandbox.alpaca.markets") => {
                format!("https://{}", host.strip_prefix("stream.")?)
            }
            ("ws", "127.0.0.1" | "localhost" | "[::1]") => format!("http://{}", uri.authority()?),
            _ => return None,
        };
        matches!(feed, "iex" | "sip" | "delayed_sip").then(|| Self {
            origin,
            feed: feed.to_owned(),
            credentials: credentials.clone(),
        })
    }

    /// When the latest trade of any of these symbols was made. The error is for the log.
    pub(crate) async fn ask(self, symbols: Vec<String>) -> Result<Option<SystemTime>, String> {
        let answer = timeout(WITHIN, self.get(&symbols)).await;
        let answer = answer.map_err(|_| format!("no answer from {} within 5 s", self.origin))??;
        let times = answer.trades.into_values();
        let latest = times.filter_map(|trade| trade.t.parse::<Timestamp>().ok()).max();
        Ok(latest.map(SystemTime::from))
    }

    async fn get(&self, symbols: &[String]) -> Result<Answer, String> {
        let some = &symbols[..symbols.len().min(SYMBOLS)];
        let uri = format!(
            "{}/v2/stocks/trades/latest?feed={}&symbols={}",
            self.origin,
            self.feed,
            some.join("%2C")
        );
        let uri: Uri = uri.parse().map_err(in_words)?;
        let host = uri.host().unwrap_or_default().to_owned();
        let port = uri.port_u16();
        let request = self.request(&uri)?;
        if uri.scheme_str() == Some("http") {
            let tcp = TcpStream::connect((host.as_str(), port.unwrap_or(80))).await;
            return exchange(tcp.map_err(in_words)?, request).await;
        }
        let tcp = TcpStream::connect((host.as_str(), port.unwrap_or(443)))
            .await
            .map_err(in_words)?;
        let name = ServerName::try_from(host).map_err(in_words)?;
        let tls = connector()?.connect(name, tcp).await.map_err(in_words)?;
        exchange(tls, request).await
    }

    fn request(&self, uri: &Uri) -> Result<Request<Empty<Bytes>>, String> {
        let target = uri.path_and_query().map_or("/", |target| target.as_str());
        let authority = uri.authority().map_or("", |authority| authority.as_str());
        Request::get(target)
            .header(HOST, authority)
            .header(ACCEPT, "application/json")
            .header("apca-api-key-id", self.credentials.key())
            .header("apca-api-secret-key", self.credentials.secret())
            .body(Empty::new())
            .map_err(in_words)
    }
}

fn connector() -> Result<TlsConnector, String> {
    let mut roots = RootCertStore::empty();
    roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    let ring = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(ring)
        .with_safe_default_protocol_versions()
        .map_err(in_words)?;
    let config = config.with_root_certificates(roots).with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

async fn exchange<S>(stream: S, request: Request<Empty<Bytes>>) -> Result<Answer, String>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(in_words)?;
    let answered = async {
        let response = sender.send_request(request).await.map_err(in_words)?;
        match response.status() {
            StatusCode::OK => {}
            status => return Err(format!("HTTP {status}")),
        }
        let body = Limited::new(response.into_body(), LARGEST)
            .collect()
            .await
            .map_err(in_words)?;
        serde_json::from_slice(&body.to_bytes()).map_err(in_words)
    };
    tokio::pin!(answered, connection);
    // The connection makes the exchange go on; its own end is told by the exchange's.
    tokio::select! {
        answer = &mut answered => answer,
        _ = &mut connection => answered.await,
    }
}

fn in_words(error: impl std::fmt::Display) -> String {
    error.to_string()
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::LatestTrades;
    use crate::Credentials;

    fn beside(url: &str) -> Option<String> {
        let found = LatestTrades::beside(url, &Credentials::new("K", "S"))?;
        Some(format!("{} {}", found.origin, found.feed))
    }

    #[test]
    fn keys_go_to_alpaca_and_to_this_host_only() {
        for (url, expected) in [
            (
                "wss://stream.data.alpaca.markets/v2/sip",
                Some("https://data.alpaca.markets sip"),
            ),
            (
                "wss://stream.data.sandbox.alpaca.markets/v2/iex",
                Some("https://data.sandbox.alpaca.markets iex"),
            ),
            ("ws://127.0.0.1:8764/v2/iex", Some("http://127.0.0.1:8764 iex")),
            ("wss://stream.data.alpaca.markets/v2/test", None),
            ("wss://stream.data.alpaca.markets/v1beta3/crypto/us", None),
            ("wss://example.org/v2/iex", None),
            ("ws://stream.data.alpaca.markets/v2/iex", None),
        ] {
            assert_eq!(beside(url).as_deref(), expected, "{url}");
        }
    }

    #[tokio::test]
    async fn the_newest_of_the_answered_trades_counts() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("bound").port();
        let url = format!("ws://127.0.0.1:{port}/v2/iex");
        let latest = LatestTrades::beside(&url, &Credentials::new("K", "S")).expect("this host");
        let server = async {
            let (mut stream, _) = listener.accept().await.expect("a visitor");
            let mut head = vec![0; 4096];
            let read = stream.read(&mut head).await.expect("a request");
            let body =
                r#"{"trades":{"SPY":{"t":"2025-10-08T14:29:00.5Z","p":1},"X":{"t":"2025-10-08T14:28:00Z"}}}"#;
            let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len());
            stream.write_all(answer.as_bytes()).await.expect("written");
            String::from_utf8_lossy(&head[..read]).into_owned()
        };
        let (answer, request) = tokio::join!(latest.ask(vec!["SPY".into(), "X".into()]), server);
        let expected: Timestamp = "2025-10-08T14:29:00.5Z".parse().expect("a time");
        assert_eq!(answer, Ok(Some(expected.into())));
        assert!(request.starts_with("GET /v2/stocks/trades/latest?feed=iex&symbols=SPY%2CX HTTP/1.1\r\n"));
        assert!(request.contains("apca-api-key-id: K\r\n"), "{request}");
    }

    #[tokio::test]
    async fn an_unreachable_host_is_an_error_in_words() {
        let nowhere = LatestTrades::beside("ws://127.0.0.1:1/v2/iex", &Credentials::new("K", "S"));
        let answer = nowhere.expect("this host").ask(vec!["SPY".into()]).await;
        assert!(answer.is_err_and(|why| why.contains("refused")));
    }
}
