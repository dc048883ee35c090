//! One TCP connection: the address, the ways there, and what refusal means. The whole of a `tcp` probe.

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use hyper::Uri;
use tokio::net::{TcpStream, lookup_host};

use super::{Answer, Cause, Clock, Step};

/// Asks: does somebody accept a connection?
pub(super) async fn ask(address: &str, clock: &Clock) -> Answer {
    let outcome = match Address::parse(address) {
        Ok(address) => connect(&address, clock).await.map(|_closed_here| None),
        Err(cause) => Err(cause),
    };
    clock.answer(&address, outcome)
}

/// Where to connect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Address {
    host: String,
    port: u16,
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

impl Address {
    /// `host:port`; an IPv6 host stands in brackets.
    fn parse(text: &str) -> Result<Self, Cause> {
        let bad = || Cause::BadAddress(format!("`{text}` is not host:port"));
        let (host, port) = text.rsplit_once(':').ok_or_else(bad)?;
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        if host.is_empty() || (bare.is_none() && host.contains(':')) {
            return Err(bad());
        }
        let port = port.parse().map_err(|_not_a_port| bad())?;
        Ok(Self {
            host: bare.unwrap_or(host).into(),
            port,
        })
    }

    /// The host and port of a URL with this scheme; port 80 where it names none.
    pub(super) fn of_url(url: &str, scheme: &str) -> Result<(Self, Uri), Cause> {
        let bad = |why: String| Cause::BadAddress(format!("`{url}` {why}"));
        let uri: Uri = url
            .parse()
            .map_err(|error| bad(format!("is not a URL: {error}")))?;
        if uri.scheme_str() != Some(scheme) {
            return Err(bad(format!("does not begin with {scheme}://")));
        }
        let host = uri
            .host()
            .filter(|host| !host.is_empty())
            .ok_or_else(|| bad("names no host".into()))?;
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        Ok((
            Self {
                host,
                port: uri.port_u16().unwrap_or(80),
            },
            uri,
        ))
    }

    /// Every address the host stands for. `localhost` is both loopbacks (RFC 6761), without asking a resolver.
    async fn resolve(&self) -> io::Result<Vec<SocketAddr>> {
        if self.host.eq_ignore_ascii_case("localhost") {
            let loopbacks = [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
            return Ok(loopbacks.map(|ip| SocketAddr::new(ip, self.port)).into());
        }
        Ok(lookup_host((self.host.as_str(), self.port)).await?.collect())
    }
}

/// Connects to the first of the host's addresses that accepts.
pub(super) async fn connect(address: &Address, clock: &Clock) -> Result<TcpStream, Cause> {
    clock.step(Step::Connect, connect_any(address)).await?
}

async fn connect_any(address: &Address) -> Result<TcpStream, Cause> {
    let resolved = address
        .resolve()
        .await
        .map_err(|error| Cause::Unreachable(format!("`{}` is not known: {error}", address.host)))?;
    let mut first_failure = None;
    for place in resolved {
        match TcpStream::connect(place).await {
            Ok(stream) => return Ok(stream),
            // The first address is the one people mean: on a host without IPv6, "cannot assign
            // address" for ::1 must not hide that 127.0.0.1 refused.
            Err(error) => first_failure = first_failure.or(Some(error)),
        }
    }
    Err(match first_failure {
        Some(error) if error.kind() == io::ErrorKind::ConnectionRefused => Cause::Refused,
        Some(error) => Cause::Unreachable(error.to_string()),
        None => Cause::Unreachable(format!("`{}` has no address", address.host)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_survive_a_round_trip() {
        for text in ["127.0.0.1:8765", "localhost:1", "[::1]:65535"] {
            assert_eq!(Address::parse(text).expect("valid").to_string(), text);
        }
        for text in [
            "",
            "8765",
            ":8765",
            "host",
            "host:",
            "host:99999",
            "::1:80",
            "host:http",
        ] {
            assert!(Address::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn urls_name_host_and_port() {
        let of = |url, scheme| Address::of_url(url, scheme).map(|(address, _)| address.to_string());
        assert_eq!(of("ws://127.0.0.1:8765/x?y=1", "ws"), Ok("127.0.0.1:8765".into()));
        assert_eq!(of("http://[::1]:3000", "http"), Ok("[::1]:3000".into()));
        assert_eq!(of("http://host/health", "http"), Ok("host:80".into()));
        let sentence = |url, scheme| of(url, scheme).expect_err("invalid").to_string();
        assert_eq!(
            sentence("wss://host/", "ws"),
            "cannot be asked: `wss://host/` does not begin with ws://"
        );
        assert!(sentence("ws://", "ws").contains("`ws://`"));
        assert!(sentence("/path", "http").contains("does not begin with http://"));
    }
}
