//! One backend publishes through a real Redis, another serves from it without a connection of its own.

mod common;

use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use common::alpaca::{Alpaca, trade};
use common::{Client, Stream, free_port, soon};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use trade_stream::Line;

/// A redis-server that asks for a password; dropping it kills it.
struct Redis {
    port: u16,
    child: Child,
}

impl Redis {
    /// `None` when there is no redis-server here.
    fn start(port: u16) -> Option<Self> {
        let child = Command::new("redis-server")
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", ""])
            .args(["--requirepass", "hush", "--appendonly", "no"])
            .current_dir(std::env::temp_dir())
            .stdout(Stdio::null())
            .spawn();
        match child {
            Ok(child) => Some(Self { port, child }),
            Err(error) => {
                eprintln!("skipped: no redis-server ({error}); scripts/test_tools installs it");
                None
            }
        }
    }

    fn line(&self) -> Line {
        Line::new(&format!("redis://:hush@127.0.0.1:{}", self.port), "iex").expect("an address")
    }

    async fn is_up(&self) {
        let up = async {
            while TcpStream::connect(("127.0.0.1", self.port)).await.is_err() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        soon("redis-server", up).await;
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Both backends; the second knows no upstream but Redis.
async fn two(alpaca: SocketAddr, redis: &Redis) -> (Stream, Stream) {
    redis.is_up().await;
    let publisher = Stream::with(alpaca, |settings| settings.publish = Some(redis.line())).await;
    (publisher, Stream::following(redis.line()).await)
}

/// What comes next besides `connecting`.
async fn hear(client: &mut Client) -> Value {
    loop {
        let heard = client.hear().await;
        if heard["type"] != "connecting" {
            return heard;
        }
    }
}

#[tokio::test]
async fn a_backend_without_a_connection_serves_what_another_publishes() {
    let Some(redis) = Redis::start(free_port()) else {
        return;
    };
    let alpaca = Alpaca::start().await;
    let (publisher, follower) = two(alpaca.address, &redis).await;
    let mut there = follower.client().await;
    there.say(r#"{"action":"subscribe","symbol":"AAPL"}"#).await;
    assert_eq!(hear(&mut there).await["type"], "subscribed");
    alpaca.subscribed(&["AAPL"]).await;
    let mut here = publisher.client().await;
    here.subscribe(&alpaca, "AAPL").await;
    is_live(&follower).await;
    alpaca.send(json!([trade("AAPL", 1), trade("AAPL", 2)]));
    for client in [&mut there, &mut here] {
        for seq in [1, 2] {
            let heard = hear(client).await;
            assert_eq!((&heard["type"], &heard["seq"]), (&json!("trade"), &json!(seq)));
            assert_eq!(heard["data"]["price"], json!(150.25));
        }
    }
    // What only the other machine wants stays wanted when a client here leaves, and the reverse.
    there.say(r#"{"action":"subscribe","symbol":"TSLA"}"#).await;
    assert_eq!(hear(&mut there).await["symbol"], "TSLA");
    alpaca.subscribed(&["AAPL", "TSLA"]).await;
    drop(here);
    alpaca.send(json!([trade("AAPL", 3)]));
    assert_eq!(hear(&mut there).await["seq"], 3);
    assert_eq!(alpaca.seen().connections, 1, "one connection for both");
}

#[tokio::test]
async fn what_is_lost_while_redis_is_away_is_told_as_a_gap() {
    let Some(redis) = Redis::start(free_port()) else {
        return;
    };
    let alpaca = Alpaca::start().await;
    let (_publisher, follower) = two(alpaca.address, &redis).await;
    let mut client = follower.client().await;
    client.say(r#"{"action":"subscribe","symbol":"AAPL"}"#).await;
    assert_eq!(hear(&mut client).await["type"], "subscribed");
    is_live(&follower).await;
    alpaca.send(json!([trade("AAPL", 1)]));
    assert_eq!(hear(&mut client).await["seq"], 1);
    let port = redis.port;
    drop(redis);
    alpaca.send(json!([trade("AAPL", 2)]));
    let redis = Redis::start(port).expect("it was there before");
    redis.is_up().await;
    let gap = hear(&mut client).await;
    assert_eq!(
        (&gap["type"], &gap["reason"]),
        (&json!("gap"), &json!("upstream")),
        "{gap}"
    );
    is_live(&follower).await;
    alpaca.send(json!([trade("AAPL", 3)]));
    assert_eq!(hear(&mut client).await["type"], "trade");
}

/// Waits until the publisher has told the follower that all it wants comes.
async fn is_live(follower: &Stream) {
    let mut asking = follower.client().await;
    let live = async {
        loop {
            let health = asking.ask(r#"{"action":"health"}"#).await;
            if health["state"] == "LIVE" {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    soon("the follower to be live", live).await;
}
