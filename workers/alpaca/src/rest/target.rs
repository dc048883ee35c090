//! Which host may be asked, and so gets the keys, for a stream's URL.

use hyper::Uri;

/// What a stream's feed is called in REST, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) origin: String,
    /// The path up to the name of the endpoint, such as `/v2/stocks`.
    pub(super) path: String,
    /// `feed=iex`, or nothing.
    pub(super) feed: String,
}

impl Target {
    /// At Alpaca its REST host, on this host the simulator itself. `None` for any other.
    pub(super) fn beside(url: &str) -> Option<Self> {
        let uri: Uri = url.parse().ok()?;
        let origin = data_origin(&uri)?;
        let (path, feed) = match uri.path() {
            path @ ("/v2/iex" | "/v2/sip" | "/v2/delayed_sip") => {
                ("/v2/stocks".to_owned(), path.replacen("/v2/", "feed=", 1))
            }
            path => {
                let place = path.strip_prefix("/v1beta3/crypto/")?;
                let is_word = place.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
                is_word.then(|| (format!("/v1beta3/crypto/{place}"), String::new()))?
            }
        };
        Some(Self { origin, path, feed })
    }

    /// An endpoint with these fields, some of them empty.
    pub(super) fn endpoint(&self, name: &str, fields: &[String]) -> String {
        let all = std::iter::once(&self.feed).chain(fields);
        let query: Vec<&str> = all
            .map(String::as_str)
            .filter(|field| !field.is_empty())
            .collect();
        format!("{}/{name}?{}", self.path, query.join("&"))
    }
}

fn data_origin(uri: &Uri) -> Option<String> {
    let host = uri.host()?;
    match (uri.scheme_str()?, host) {
        ("wss", "stream.data.alpaca.markets" | "stream.data.sandbox.alpaca.markets") => {
            Some(format!("https://{}", host.strip_prefix("stream.")?))
        }
        ("ws", "127.0.0.1" | "localhost" | "[::1]") => Some(format!("http://{}", uri.authority()?)),
        _ => None,
    }
}

/// The host of the trading API: keys of paper accounts begin with `PK`.
pub(super) fn trading_origin(url: &str, key: &str) -> Option<String> {
    let uri: Uri = url.parse().ok()?;
    let origin = data_origin(&uri)?;
    Some(match origin.as_str() {
        "https://data.alpaca.markets" if key.starts_with("PK") => "https://paper-api.alpaca.markets".into(),
        "https://data.alpaca.markets" => "https://api.alpaca.markets".into(),
        "https://data.sandbox.alpaca.markets" => return None,
        _ => origin,
    })
}

/// The symbols as a field; what would end it is escaped.
pub(super) fn symbols(symbols: &[String]) -> String {
    let escaped: Vec<String> = symbols.iter().map(|symbol| symbol.replace('/', "%2F")).collect();
    format!("symbols={}", escaped.join("%2C"))
}

#[cfg(test)]
mod tests {
    use super::{Target, symbols, trading_origin};

    #[test]
    fn keys_go_to_alpaca_and_to_this_host_only() {
        for (url, expected) in [
            (
                "wss://stream.data.alpaca.markets/v2/sip",
                Some("https://data.alpaca.markets/v2/stocks/trades?feed=sip"),
            ),
            (
                "wss://stream.data.sandbox.alpaca.markets/v2/iex",
                Some("https://data.sandbox.alpaca.markets/v2/stocks/trades?feed=iex"),
            ),
            (
                "wss://stream.data.alpaca.markets/v1beta3/crypto/us",
                Some("https://data.alpaca.markets/v1beta3/crypto/us/trades?"),
            ),
            (
                "ws://127.0.0.1:8764/v2/iex",
                Some("http://127.0.0.1:8764/v2/stocks/trades?feed=iex"),
            ),
            ("wss://stream.data.alpaca.markets/v2/test", None),
            ("wss://stream.data.alpaca.markets/v1beta3/crypto/../x", None),
            ("wss://example.org/v2/iex", None),
            ("ws://stream.data.alpaca.markets/v2/iex", None),
        ] {
            let found =
                Target::beside(url).map(|target| target.origin.clone() + &target.endpoint("trades", &[]));
            assert_eq!(found.as_deref(), expected, "{url}");
        }
    }

    #[test]
    fn the_trading_api_is_that_of_the_key() {
        let url = "wss://stream.data.alpaca.markets/v2/iex";
        let origin = |url, key| trading_origin(url, key).unwrap_or_default();
        assert_eq!(origin(url, "PKX"), "https://paper-api.alpaca.markets");
        assert_eq!(origin(url, "AKX"), "https://api.alpaca.markets");
        assert_eq!(origin("ws://127.0.0.1:8764/v2/iex", "K"), "http://127.0.0.1:8764");
        assert_eq!(trading_origin("wss://example.org/v2/iex", "K"), None);
    }

    #[test]
    fn symbols_are_escaped() {
        assert_eq!(symbols(&["BTC/USD".into(), "A".into()]), "symbols=BTC%2FUSD%2CA");
    }
}
