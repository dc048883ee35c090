//! The way to Redis: its address, never shown with its password, and connections opened with patience.

use std::fmt;
use std::time::Duration;

use redis::aio::{MultiplexedConnection, PubSub};
use redis::{AsyncCommands, Client};
use tokio::time::timeout;

/// Connecting, and every command, takes no longer.
const DEADLINE: Duration = Duration::from_secs(3);
/// Pauses between attempts double from the first to the last of these.
pub(super) const FIRST_PAUSE: Duration = Duration::from_millis(50);
pub(super) const LAST_PAUSE: Duration = Duration::from_secs(1);

/// A Redis server and the channels of one feed there.
#[derive(Clone)]
pub struct Line {
    client: Client,
    /// The address as it may be shown.
    shown: String,
    feed: String,
}

/// An address that is not one of Redis. Never shows more of it than its host.
#[derive(Debug)]
pub struct BadRedis(String);

impl fmt::Display for BadRedis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "STREAM_REDIS_URL: {}; it must look like redis://127.0.0.1:6379, redis://user:password@host:6379/0, \
             or rediss://host:6380 for TLS",
            self.0
        )
    }
}

impl std::error::Error for BadRedis {}

impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl Line {
    /// The server at `url`, for this feed. Nothing is connected yet. A server with TLS must show a
    /// certificate that this host trusts; `SSL_CERT_FILE` names that of a private authority.
    pub fn new(url: &str, feed: &str) -> Result<Self, BadRedis> {
        if !["redis://", "rediss://", "unix://"]
            .iter()
            .any(|scheme| url.starts_with(scheme))
        {
            return Err(BadRedis("it does not begin with redis:// or rediss://".into()));
        }
        if url.contains("#insecure") {
            return Err(BadRedis(
                "#insecure would trust any server; name the authority in SSL_CERT_FILE".into(),
            ));
        }
        // Its own error may quote the address.
        let client = Client::open(url).map_err(|_| BadRedis("it cannot be read".into()))?;
        Ok(Self {
            client,
            shown: redacted(url),
            feed: feed.to_owned(),
        })
    }

    /// Where the trades are told.
    pub(super) fn told(&self) -> String {
        format!("sentinel:{}", self.feed)
    }

    /// Where followers tell what they want.
    pub(super) fn wants(&self) -> String {
        format!("sentinel:{}:wants", self.feed)
    }

    /// Opens both ways: to speak, and to hear a channel.
    pub(super) async fn open(&self, channel: &str) -> Result<(Mouth, PubSub), String> {
        let opening = async {
            let speaks = self.client.get_multiplexed_async_connection().await?;
            let mut hears = self.client.get_async_pubsub().await?;
            hears.subscribe(channel).await?;
            redis::RedisResult::Ok((Mouth(speaks), hears))
        };
        match timeout(DEADLINE, opening).await {
            Ok(Ok(both)) => Ok(both),
            Ok(Err(error)) => Err(format!("Redis at {self}: {error}")),
            Err(_) => Err(format!("Redis at {self}: no answer within {DEADLINE:?}")),
        }
    }
}

/// A connection that publishes.
pub(super) struct Mouth(MultiplexedConnection);

impl Mouth {
    pub(super) async fn say(&mut self, channel: &str, message: &[u8]) -> Result<(), String> {
        match timeout(DEADLINE, self.0.publish::<_, _, ()>(channel, message)).await {
            Ok(said) => said.map_err(|error| error.to_string()),
            Err(_) => Err(format!("no answer within {DEADLINE:?}")),
        }
    }
}

/// `redis://user:password@host/0` without who and how.
fn redacted(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap_or(("redis", ""));
    let rest = rest.split(['?', '#']).next().unwrap_or_default();
    let place = rest.rsplit_once('@').map_or(rest, |(_, place)| place);
    format!("{scheme}://{place}")
}

#[cfg(test)]
mod tests {
    use super::Line;

    #[test]
    fn passwords_are_not_shown() {
        for url in [
            "redis://:hush@127.0.0.1:6379/0",
            "redis://me:hu@sh@127.0.0.1:6379/0",
            "redis://127.0.0.1:6379/0?password=hush",
        ] {
            let line = Line::new(url, "iex").expect(url);
            assert_eq!(
                format!("{line} {line:?}"),
                "redis://127.0.0.1:6379/0 redis://127.0.0.1:6379/0"
            );
        }
    }

    #[test]
    fn a_server_with_tls_is_an_address() {
        let line = Line::new("rediss://:hush@host:6380/0", "iex").expect("an address");
        assert_eq!(line.to_string(), "rediss://host:6380/0");
    }

    #[test]
    fn other_addresses_are_refused_with_an_example() {
        for url in [
            "",
            "127.0.0.1",
            "http://x:hush@y",
            "rediss://:hush@host/0#insecure",
            "redis://:hush@host:port",
        ] {
            let error = Line::new(url, "iex").expect_err(url).to_string();
            assert!(
                error.contains("redis://127.0.0.1:6379") && !error.contains("hush"),
                "{error}"
            );
        }
    }
}
