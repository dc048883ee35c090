//! Requests that do not become a WebSocket: health, control, and Alpaca's REST trades.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::client::House;
use crate::clock;
use crate::faults::Order;
use crate::feed::Feed;
use crate::ledger::{Past, Query, Refusal};

/// A request and the answer to it.
pub(crate) struct Plain<'a> {
    pub(crate) method: &'a str,
    /// Path and query.
    pub(crate) target: &'a str,
    pub(crate) body: &'a [u8],
    /// Sent by a page in a browser.
    pub(crate) has_origin: bool,
    /// Carries a key and a secret.
    pub(crate) has_key: bool,
}

/// Status line and body.
type Answer = (&'static str, String);

impl Plain<'_> {
    /// Answers, and closes the connection.
    pub(crate) async fn answer(&self, stream: &mut TcpStream, house: &House) {
        let near = stream.peer_addr().is_ok_and(|peer| peer.ip().is_loopback());
        let (status, body) = self.decide(house, near && !self.has_origin).await;
        let is_metrics = self.target.split('?').next() == Some("/metrics");
        let kind = if is_metrics {
            "text/plain; version=0.0.4"
        } else {
            "application/json"
        };
        write(stream, status, kind, &body).await;
    }

    /// Takes an order, at the price of the latest trade.
    async fn place(&self, house: &House) -> Answer {
        let asked: Value = match serde_json::from_slice(self.body) {
            Ok(asked) => asked,
            Err(error) => return refusal("422 Unprocessable Entity", &error.to_string()),
        };
        let symbol = asked["symbol"].as_str().unwrap_or_default();
        let fields = BTreeMap::from([
            ("symbols".to_owned(), symbol.to_owned()),
            ("feed".to_owned(), "iex".to_owned()),
        ]);
        let mut price = 100.0;
        if let Ok(query) = Query::read(&fields, true)
            && let Some(page) = house.market.ask(query).await
            && let Some(latest) = page.trades.get(symbol).and_then(|trades| trades.last())
        {
            price = latest.0.price;
        }
        let now = house.market.time().await.unwrap_or_default();
        match house.orders.place(&asked, price, now) {
            Ok(order) => ok(&order),
            Err(why) => refusal("422 Unprocessable Entity", &why),
        }
    }

    /// Whether it is for those who have a key.
    fn is_rest(&self, path: &str) -> bool {
        path == "/v2/clock" || path.starts_with("/v2/stocks/") || path.starts_with("/v1beta3/crypto/us/")
    }

    /// `trusted`: from this host, and no page of a browser.
    async fn decide(&self, house: &House, trusted: bool) -> Answer {
        let (path, query) = self.target.split_once('?').unwrap_or((self.target, ""));
        match (self.method, path) {
            ("GET", "/metrics") => ("200 OK", house.counts.text(house.market.made())),
            ("GET", "/health") => ok(&json!({"status": "ok"})),
            (_, "/control") if !trusted => {
                refusal("403 Forbidden", "only from this host, and from no web page")
            }
            ("GET", "/control") => ok(&house.trouble.obey(Order::default())),
            ("POST", "/control") => match serde_json::from_slice(self.body) {
                Ok(order) => control(house, order),
                Err(error) => refusal("400 Bad Request", &error.to_string()),
            },
            ("GET", path) if self.is_rest(path) && !self.has_key => {
                refusal("401 Unauthorized", "unauthorized.")
            }
            ("GET", path) if self.is_rest(path) && refused_rest(house).is_some() => {
                refused_rest(house).unwrap_or_default()
            }
            ("GET", "/v2/clock") => clock(house).await,
            (_, path) if path.starts_with("/v2/orders") && !self.has_key => {
                refusal("401 Unauthorized", "unauthorized.")
            }
            ("GET", "/v2/orders") => ok(&house.orders.list()),
            ("POST", "/v2/orders") => self.place(house).await,
            ("DELETE", path) if path.starts_with("/v2/orders/") => {
                let id = path.trim_start_matches("/v2/orders/");
                match house
                    .orders
                    .cancel(id, house.market.time().await.unwrap_or_default())
                {
                    true => ("204 No Content", String::new()),
                    false => refusal("404 Not Found", "order not found"),
                }
            }
            ("GET", "/v1beta3/crypto/us/trades") => {
                trades(house, &format!("{query}&feed=crypto"), false).await
            }
            ("GET", "/v1beta3/crypto/us/latest/trades") => {
                trades(house, &format!("{query}&feed=crypto"), true).await
            }
            ("GET", "/v2/stocks/trades") => trades(house, query, false).await,
            ("GET", "/v2/stocks/trades/latest") => trades(house, query, true).await,
            ("GET", path) if Feed::at(path).is_some() => {
                refusal("426 Upgrade Required", "connect with a WebSocket client")
            }
            _ => refusal(
                "404 Not Found",
                "there are /v2/iex, /v2/sip, /v2/test, /v1beta3/crypto/us, /stream, /v2/stocks/trades, /v2/clock, /v2/orders, /health, /metrics, /control",
            ),
        }
    }
}

/// Does as ordered; what concerns the market goes there.
fn control(house: &House, mut order: Order) -> Answer {
    if let Some(text) = &order.market_time {
        match text.parse() {
            Ok(time) => house.market.set_clock(time),
            Err(error) => return refusal("400 Bad Request", &format!("market_time: {error}")),
        }
    }
    house.market.halt(std::mem::take(&mut order.halt), true);
    house.market.halt(std::mem::take(&mut order.resume), false);
    ok(&house.trouble.obey(order))
}

/// The refusal that stands, if one does.
fn refused_rest(house: &House) -> Option<Answer> {
    let status = house.trouble.standing().borrow().refuse_rest?;
    Some(match status {
        429 => refusal("429 Too Many Requests\r\nRetry-After: 1", "too many requests."),
        403 => refusal(
            "403 Forbidden",
            "subscription does not permit querying recent SIP data",
        ),
        _ => refusal("500 Internal Server Error", "internal server error occurred"),
    })
}

async fn clock(house: &House) -> Answer {
    let closed = house.trouble.standing().borrow().closed;
    match house.market.time().await {
        Some(now) => ok(&clock::told(now, closed)),
        None => refusal("503 Service Unavailable", "the market is closing down"),
    }
}

/// <https://docs.alpaca.markets/reference/stocktrades-1>: `{"trades":{SYMBOL:[…]},"next_page_token":…}`.
async fn trades(house: &House, query: &str, latest: bool) -> Answer {
    let fields = parse(query);
    let query = match Query::read(&fields, latest) {
        Ok(query) => query,
        Err(Refusal(why)) => return refusal("400 Bad Request", &why),
    };
    match house.market.ask(query).await {
        Some(page) if latest => {
            let newest: BTreeMap<&str, &Past> = page
                .trades
                .iter()
                .filter_map(|(symbol, trades)| Some((symbol.as_str(), trades.last()?)))
                .collect();
            ok(&json!({"trades": newest}))
        }
        Some(page) => ok(&page),
        None => refusal("503 Service Unavailable", "the market is closing down"),
    }
}

/// The fields of a query, percent-decoded.
fn parse(query: &str) -> BTreeMap<String, String> {
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    pairs
        .map(|(name, value)| (name.to_owned(), decode(value)))
        .collect()
}

fn decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        let mut two = rest.clone();
        let hex = |digit: Option<u8>| char::from(digit?).to_digit(16);
        match (byte, hex(two.next()), hex(two.next())) {
            (b'%', Some(high), Some(low)) => {
                // Two hexadecimal digits fit a byte.
                bytes.push((high * 16 + low) as u8);
                rest = two;
            }
            (b'+', ..) => bytes.push(b' '),
            (other, ..) => bytes.push(other),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn ok(body: &impl Serialize) -> Answer {
    let text = serde_json::to_string(body).expect("keys are texts and numbers are finite");
    ("200 OK", text)
}

fn refusal(status: &'static str, message: &str) -> Answer {
    (status, json!({"message": message}).to_string())
}

async fn write(stream: &mut TcpStream, status: &str, kind: &str, body: &str) {
    let text = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    // The visitor may have gone; there is nobody else to tell.
    let _ = stream.write_all(text.as_bytes()).await;
    let _ = stream.shutdown().await;
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn queries_are_decoded() {
        let fields = parse("symbols=AAPL%2CTSLA&start=2025-10-08T10%3A29%3A00-04:00&x=a+b&bad=%zz&none");
        assert_eq!(fields["symbols"], "AAPL,TSLA");
        assert_eq!(fields["start"], "2025-10-08T10:29:00-04:00");
        assert_eq!((fields["x"].as_str(), fields["bad"].as_str()), ("a b", "%zz"));
        assert_eq!(fields.len(), 4);
    }
}
