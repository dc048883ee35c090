//! The one question that tells a quiet feed from a mute one: Alpaca's REST endpoint knows the latest
//! trade, whatever the stream sends.

use std::collections::BTreeMap;
use std::time::SystemTime;

use hyper::StatusCode;
use jiff::Timestamp;
use serde::Deserialize;

use super::target::{Target, symbols};
use super::{Rest, in_words};
use crate::Credentials;

/// The most symbols that are asked for: one that is newer suffices.
const SYMBOLS: usize = 100;

/// Where the latest trades of a stream's feed can be asked for, and as whom.
#[derive(Clone, Debug)]
pub(crate) struct LatestTrades {
    target: Target,
    rest: Rest,
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
    /// Beside a data URL; `None` where there is no such endpoint.
    pub(crate) fn beside(url: &str, credentials: &Credentials) -> Option<Self> {
        let target = Target::beside(url)?;
        let rest = Rest::new(target.origin.clone(), credentials);
        Some(Self { target, rest })
    }

    /// When the latest trade of any of these symbols was made. The error is for the log.
    pub(crate) async fn ask(self, all: Vec<String>) -> Result<Option<SystemTime>, String> {
        let some = symbols(&all[..all.len().min(SYMBOLS)]);
        // Crypto's is in the plural.
        let name = if self.target.feed.is_empty() {
            "latest/trades"
        } else {
            "trades/latest"
        };
        let answer = self.rest.get(&self.target.endpoint(name, &[some])).await?;
        if answer.status != StatusCode::OK {
            return Err(format!("HTTP {}", answer.status));
        }
        let answer: Answer = serde_json::from_slice(&answer.body).map_err(in_words)?;
        let times = answer.trades.into_values();
        let latest = times.filter_map(|trade| trade.t.parse::<Timestamp>().ok()).max();
        Ok(latest.map(SystemTime::from))
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::LatestTrades;
    use crate::Credentials;

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
