//! Which of Alpaca's feeds is streamed, from which address, with which credentials.

use std::fmt;

use alpaca::Credentials;
use clap::ValueEnum;
use tokio_tungstenite::tungstenite::http::Uri;
use ws_listener::is_loopback;

/// Where the feeds are unless `ALPACA_DATA_URL` says otherwise.
pub const ALPACA: &str = "wss://stream.data.alpaca.markets";

/// A stock feed of Alpaca.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Feed {
    /// One exchange; free.
    Iex,
    /// All exchanges; paid.
    Sip,
    /// Always on, only the symbol FAKEPACA.
    Test,
    /// Pairs such as BTC/USD, day and night.
    Crypto,
}

/// What the upstream connection needs.
#[derive(Clone, Debug)]
pub struct Source {
    /// The feed's name, such as `iex`.
    pub feed: String,
    /// The whole address, such as `wss://stream.data.alpaca.markets/v2/iex`.
    pub url: String,
    /// The key and its secret.
    pub credentials: Credentials,
}

/// Why there is nothing to connect to, or nothing to connect with. Only a person can mend it.
#[derive(Debug, PartialEq, Eq)]
pub enum BadSource {
    /// The address cannot be used.
    Address(String),
    /// The address is a real one, and the keys for it are missing.
    NoKeys(String),
}

impl fmt::Display for BadSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(url) => write!(
                f,
                "ALPACA_DATA_URL is {url:?}: it must look like {ALPACA} or ws://127.0.0.1:8764/v2/iex"
            ),
            Self::NoKeys(url) => write!(
                f,
                "ALPACA_API_KEY and ALPACA_SECRET_KEY must both be set to stream from {url}; \
                 without keys, point ALPACA_DATA_URL at the market simulator"
            ),
        }
    }
}

impl std::error::Error for BadSource {}

impl Feed {
    /// Where it is, below Alpaca's address.
    fn path(self) -> &'static str {
        match self {
            Self::Iex => "/v2/iex",
            Self::Sip => "/v2/sip",
            Self::Test => "/v2/test",
            Self::Crypto => "/v1beta3/crypto/us",
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Iex => "iex",
            Self::Sip => "sip",
            Self::Test => "test",
            Self::Crypto => "crypto",
        }
    }
}

impl Source {
    /// The source for `feed` at `address`, which is a whole address or one without a path; `keys`
    /// may only be missing for a simulator on this host, which accepts any.
    pub fn new(feed: Feed, address: &str, keys: Option<(String, String)>) -> Result<Self, BadSource> {
        let bad = || BadSource::Address(address.to_owned());
        let uri: Uri = address.parse().map_err(|_| bad())?;
        let host = uri.host().filter(|host| !host.is_empty()).ok_or_else(bad)?;
        if !matches!(uri.scheme_str(), Some("ws" | "wss")) {
            return Err(bad());
        }
        let url = if matches!(uri.path(), "" | "/") {
            format!("{}{}", address.trim_end_matches('/'), feed.path())
        } else {
            address.to_owned()
        };
        let (key, secret) = match keys {
            Some(keys) => keys,
            None if is_loopback(host) => ("simulator".into(), "simulator".into()),
            None => return Err(BadSource::NoKeys(url)),
        };
        Ok(Self {
            feed: feed.name().into(),
            url,
            credentials: Credentials::new(key, secret),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{ALPACA, BadSource, Feed, Source};

    fn keys() -> Option<(String, String)> {
        Some(("key".into(), "very-secret".into()))
    }

    #[test]
    fn the_feed_completes_an_address_without_a_path() {
        for (feed, address, url) in [
            (Feed::Sip, ALPACA, "wss://stream.data.alpaca.markets/v2/sip"),
            (Feed::Iex, "ws://127.0.0.1:8764/", "ws://127.0.0.1:8764/v2/iex"),
            (
                Feed::Test,
                "ws://127.0.0.1:8764/v2/iex",
                "ws://127.0.0.1:8764/v2/iex",
            ),
        ] {
            assert_eq!(Source::new(feed, address, keys()).expect(address).url, url);
        }
    }

    #[test]
    fn keys_may_only_be_missing_on_this_host() {
        for address in ["ws://127.0.0.1:8764", "ws://localhost:8764", "ws://[::1]:8764"] {
            assert!(Source::new(Feed::Iex, address, None).is_ok(), "{address}");
        }
        let error = Source::new(Feed::Iex, ALPACA, None).expect_err("no keys");
        assert_eq!(
            error,
            BadSource::NoKeys("wss://stream.data.alpaca.markets/v2/iex".into())
        );
        assert!(
            error
                .to_string()
                .starts_with("ALPACA_API_KEY and ALPACA_SECRET_KEY must both be set")
        );
    }

    #[test]
    fn other_addresses_are_refused_with_examples() {
        for address in ["", "8764", "https://stream.data.alpaca.markets", "ws://"] {
            let error = Source::new(Feed::Iex, address, keys())
                .expect_err(address)
                .to_string();
            assert!(error.contains("ws://127.0.0.1:8764/v2/iex"), "{error}");
        }
    }

    #[test]
    fn secrets_are_not_shown() {
        let source = Source::new(Feed::Iex, ALPACA, keys()).expect("valid");
        assert!(!format!("{source:?}").contains("very-secret"));
    }
}
