//! A simulator in this process, orders to it, and what its trades' ids tell.

use std::net::SocketAddr;
use std::time::Duration;

use market_sim::Settings;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use ws_listener::{Stop, StopTrigger};

use super::{Client, Stream, soon};

/// A simulator that makes so many trades a second of each symbol, also while nobody looks.
pub async fn simulator(market_time: Option<&str>, rate: f64) -> (SocketAddr, StopTrigger) {
    start(Settings {
        rate,
        goes_on: Duration::from_secs(30),
        market_time: market_time.map(|time| time.parse().expect("a time")),
        ..Settings::default()
    })
    .await
}

/// A simulator with these settings.
pub async fn start(settings: Settings) -> (SocketAddr, StopTrigger) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("bound");
    let (trigger, stop) = Stop::new();
    tokio::spawn(market_sim::run(listener, settings, stop));
    (address, trigger)
}

/// Gives an order to `/control`.
pub async fn order(address: SocketAddr, order: &str) {
    post(address, "/control", order).await;
}

/// Posts this, by whatever key, which is accepted.
pub async fn post(address: SocketAddr, path: &str, body: &str) {
    let request = format!(
        "POST {path} HTTP/1.1\r\nHost: x\r\nAPCA-API-KEY-ID: K\r\nAPCA-API-SECRET-KEY: S\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut stream = soon("connect", TcpStream::connect(address))
        .await
        .expect("connected");
    stream.write_all(request.as_bytes()).await.expect("sent");
    let mut answer = String::new();
    soon("an answer", stream.read_to_string(&mut answer))
        .await
        .expect("read");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

/// A client of Alpaca's protocol, subscribed to these.
pub async fn subscribed_bot(stream: &Stream, symbols: &[&str]) -> Client {
    let mut bot = stream.bot("iex").await;
    bot.hear().await;
    bot.ask(r#"{"action":"auth","key":"K","secret":"S"}"#).await;
    let request = serde_json::json!({"action":"subscribe","trades":symbols});
    bot.ask(&request.to_string()).await;
    bot
}

/// How things are.
pub async fn health(client: &mut Client) -> Value {
    client.ask(r#"{"action":"health"}"#).await
}

/// Takes so many trades of a symbol, in whatever order.
pub async fn collect(bot: &mut Client, symbol: &str, ids: &mut Vec<u64>, how_many: usize) {
    let wanted = ids.len() + how_many;
    while ids.len() < wanted {
        let message = bot.hear().await;
        let trades = message.as_array().into_iter().flatten();
        let trades = trades.filter(|one| one["T"] == "t" && one["S"] == symbol);
        ids.extend(trades.filter_map(|trade| trade["i"].as_u64()));
    }
}

/// Takes trades until each has come, and once; what is fetched may come long after what is newer. The
/// newest may still be on their way.
pub async fn collect_whole(bot: &mut Client, symbol: &str, ids: &mut Vec<u64>, name: &str) {
    let whole = async {
        collect(bot, symbol, ids, 100).await;
        while !holes(ids).is_empty() {
            collect(bot, symbol, ids, 1).await;
        }
    };
    let whole = tokio::time::timeout(Duration::from_secs(90), whole).await;
    assert!(
        whole.is_ok(),
        "{name}: {:?} are missing or came twice",
        holes(ids)
    );
}

/// Where the ids do not follow each other.
fn holes(ids: &[u64]) -> Vec<(u64, u64)> {
    let mut sorted = ids.to_vec();
    sorted.sort_unstable();
    let whole = &sorted[..sorted.len() - 50];
    let steps = whole.windows(2).filter(|two| two[1] != two[0] + 1);
    steps.map(|two| (two[0], two[1])).collect()
}
