//! The clients that take note, and plain HTTP.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::SYMBOLS;
use crate::account::Account;
use crate::raw::Socket;

#[derive(Deserialize)]
struct BotMessage<'a> {
    #[serde(rename = "T")]
    kind: &'a str,
    #[serde(rename = "S", default)]
    symbol: &'a str,
    #[serde(rename = "i", default)]
    id: u64,
    #[serde(rename = "t", default)]
    at: &'a str,
    #[serde(default)]
    code: u16,
}

#[derive(Deserialize)]
struct Told<'a> {
    r#type: &'a str,
    #[serde(default)]
    symbol: &'a str,
    seq: Option<u64>,
    #[serde(default)]
    backfill: bool,
    from: Option<u64>,
    to: Option<u64>,
    since: Option<&'a str>,
    until: Option<&'a str>,
}

/// A bot on `/v2/iex`; ends with the stream.
pub async fn bot(port: u16, account: Arc<Account>) {
    let mut socket = Socket::open(port, "/v2/iex").await;
    let list = serde_json::to_string(&SYMBOLS).expect("texts");
    socket
        .say(r#"{"action":"auth","key":"soak","secret":"soak"}"#)
        .await;
    socket
        .say(&format!(r#"{{"action":"subscribe","trades":{list}}}"#))
        .await;
    let note = |text: &[u8]| {
        let told: Vec<BotMessage<'_>> = serde_json::from_slice(text).unwrap_or_default();
        for one in told {
            match one.kind {
                "t" => account.id(one.symbol, one.id, one.at),
                "error" if one.code == 407 => account.too_slow(),
                _ => {}
            }
        }
    };
    while socket.read(note).await {}
    account.broken("the bot was cut".into());
}

/// A client of the stream's own protocol; ends with the stream.
pub async fn browser(port: u16, name: &'static str, account: Arc<Account>) {
    let mut socket = Socket::open(port, "/").await;
    let list = serde_json::to_string(&SYMBOLS).expect("texts");
    socket
        .say(&format!(r#"{{"action":"subscribe","symbols":{list}}}"#))
        .await;
    let mut next: HashMap<String, u64> = HashMap::new();
    while socket.read(|text| browse(text, name, &mut next, &account)).await {}
    account.broken(format!("the client of {name} was cut"));
}

fn browse(text: &[u8], name: &'static str, next: &mut HashMap<String, u64>, account: &Account) {
    let Ok(told) = serde_json::from_slice::<Told<'_>>(text) else {
        return;
    };
    if told.r#type == "gap" {
        account.gap(told.symbol, told.since, told.until);
        // Trades that had numbers and were dropped on the way to this client.
        if let (Some(from), Some(to)) = (told.from, told.to) {
            return follow(next, told.symbol, (from, to), name, account);
        }
    }
    if let Some(seq) = told.seq.filter(|_| matches!(told.r#type, "trade" | "gap")) {
        follow(next, told.symbol, (seq, seq), name, account);
    }
    if told.r#type == "trade" {
        account.trade(name, told.backfill);
    }
}

fn follow(
    next: &mut HashMap<String, u64>,
    symbol: &str,
    (from, to): (u64, u64),
    name: &str,
    account: &Account,
) {
    match next.get_mut(symbol) {
        None => {
            next.insert(symbol.to_owned(), to + 1);
        }
        Some(expected) => {
            if *expected != from {
                account.broken(format!(
                    "{name}: {symbol} {expected} was expected and {from} came"
                ));
            }
            *expected = to + 1;
        }
    }
}

/// The body of an answer.
pub async fn http(port: u16, method: &str, path: &str, body: &str) -> String {
    let ask = async {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        Ok::<_, std::io::Error>(answer)
    };
    match tokio::time::timeout(Duration::from_secs(5), ask).await {
        Ok(Ok(answer)) => answer.split_once("\r\n\r\n").unwrap_or_default().1.to_owned(),
        Ok(Err(_)) | Err(_) => String::new(),
    }
}

/// The value of a metric.
pub fn metric(text: &str, name: &str) -> String {
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.unwrap_or("-").to_owned()
}
