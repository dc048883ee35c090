//! Alpaca's REST endpoints beside a stream: what was traded, and what the market's clock says.

mod clock;
mod latest;
mod pages;
mod target;

pub(crate) use clock::{MarketHours, TradingApi};
pub(crate) use latest::LatestTrades;
pub(crate) use pages::PastTrades;
pub use pages::{Backfill, Page};

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::header::{ACCEPT, HOST, HeaderMap};
use hyper::{Request, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use crate::Credentials;

/// The longest that an answer may take.
const WITHIN: Duration = Duration::from_secs(5);
/// The largest answer that is read, in bytes: a page of 10,000 trades takes 1.5 MB.
const LARGEST: usize = 16 * 1024 * 1024;
/// The longest that is waited because the server asks for it.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// A host that is asked, and as whom.
#[derive(Clone, Debug)]
pub(crate) struct Rest {
    origin: String,
    credentials: Credentials,
}

/// What came.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    /// How long to wait before the next question, if the server says so.
    pub(crate) wait: Option<Duration>,
    pub(crate) body: Bytes,
}

impl Rest {
    pub(crate) fn new(origin: String, credentials: &Credentials) -> Self {
        Self {
            origin,
            credentials: credentials.clone(),
        }
    }

    /// Asks for a path and query. The error is for the log.
    pub(crate) async fn get(&self, target: &str) -> Result<Answer, String> {
        let answered = timeout(WITHIN, self.exchange(target)).await;
        answered.map_err(|_| format!("no answer from {} within 5 s", self.origin))?
    }

    async fn exchange(&self, target: &str) -> Result<Answer, String> {
        let uri: Uri = format!("{}{target}", self.origin).parse().map_err(in_words)?;
        let host = uri.host().unwrap_or_default().to_owned();
        let request = self.request(&uri)?;
        let is_plain = uri.scheme_str() == Some("http");
        let port = uri.port_u16().unwrap_or(if is_plain { 80 } else { 443 });
        let tcp = TcpStream::connect((host.trim_matches(['[', ']']), port))
            .await
            .map_err(in_words)?;
        if is_plain {
            return exchange(tcp, request).await;
        }
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
        let status = response.status();
        let wait = wait(status, response.headers(), SystemTime::now());
        let body = Limited::new(response.into_body(), LARGEST)
            .collect()
            .await
            .map_err(in_words)?
            .to_bytes();
        Ok(Answer { status, wait, body })
    };
    tokio::pin!(answered, connection);
    // The connection makes the exchange go on; its own end is told by the exchange's.
    tokio::select! {
        answer = &mut answered => answer,
        _ = &mut connection => answered.await,
    }
}

/// How long the rate limit asks to wait: when this request was one too many, or the last one free.
fn wait(status: StatusCode, headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let number = |name: &str| -> Option<u64> { headers.get(name)?.to_str().ok()?.parse().ok() };
    let is_over = status == StatusCode::TOO_MANY_REQUESTS;
    if !is_over && number("x-ratelimit-remaining") != Some(0) {
        return None;
    }
    let asked = number("retry-after").map(Duration::from_secs).or_else(|| {
        let reset = Duration::from_secs(number("x-ratelimit-reset")?);
        Some(reset.saturating_sub(now.duration_since(SystemTime::UNIX_EPOCH).ok()?))
    });
    // A limit is one of calls per minute; without a word, a second is a fair guess.
    Some(asked.unwrap_or(Duration::from_secs(1)).min(LONGEST_WAIT))
}

pub(crate) fn in_words(error: impl std::fmt::Display) -> String {
    error.to_string()
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use hyper::StatusCode;
    use hyper::header::{HeaderMap, HeaderValue};

    use super::wait;

    #[test]
    fn the_rate_limit_is_kept_before_it_is_felt() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1000);
        let headers = |pairs: &[(&'static str, &'static str)]| {
            let pairs = pairs.iter();
            pairs
                .map(|(name, value)| {
                    (
                        hyper::header::HeaderName::from_static(name),
                        HeaderValue::from_static(value),
                    )
                })
                .collect::<HeaderMap>()
        };
        let (ok, over) = (StatusCode::OK, StatusCode::TOO_MANY_REQUESTS);
        let seconds = |s| Some(Duration::from_secs(s));
        let reset = ("x-ratelimit-reset", "1007");
        assert_eq!(
            wait(ok, &headers(&[("x-ratelimit-remaining", "5"), reset]), now),
            None
        );
        assert_eq!(
            wait(ok, &headers(&[("x-ratelimit-remaining", "0"), reset]), now),
            seconds(7)
        );
        assert_eq!(
            wait(over, &headers(&[("retry-after", "3"), reset]), now),
            seconds(3)
        );
        assert_eq!(wait(over, &headers(&[]), now), seconds(1));
        assert_eq!(wait(over, &headers(&[("retry-after", "9999")]), now), seconds(60));
    }
}
