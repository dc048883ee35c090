//! A recording in place of made-up trades; plain requests that are none; figures.

mod common;

use std::time::Duration;

use common::{Sim, within};
use futures_util::{SinkExt, StreamExt};
use market_sim::{Recording, Settings};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Message;

const FILE: &str = r#"[{"T":"success","msg":"connected"}]
[{"T":"t","S":"AAPL","i":7,"x":"V","p":230.125,"s":100,"c":["@","F"],"z":"C","t":"2025-10-08T14:29:00Z"}]
{"T":"q","S":"AAPL","bx":"V","bp":230.0,"bs":1,"ax":"V","ap":230.2,"as":2,"c":["R"],"z":"C","t":"2025-10-08T14:29:00.05Z"}
{"T":"t","S":"TSLA","i":8,"x":"V","p":340,"s":5,"c":["@"],"z":"C","t":"2025-10-08T14:29:00.1Z"}
{"T":"t","S":"AAPL","i":9,"x":"V","p":230.5,"s":1,"c":["@"],"z":"C","t":"2025-10-08T14:29:00.2Z"}
"#;

#[tokio::test]
async fn a_recording_is_played_to_who_wants_it_and_can_be_asked_for_later() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("tape.jsonl");
    std::fs::write(&path, FILE).expect("written");
    let sim = Sim::start(Settings {
        replay: Some(Recording::read(&path, 1.0, false).expect("well formed")),
        market_time: Some("2025-10-08T14:29:00Z".parse().expect("a time")),
        ..Settings::default()
    })
    .await;
    let (mut socket, _) = within(connect_async(sim.url("/v2/iex"))).await.expect("accepted");
    for request in [
        r#"{"action":"auth","key":"K","secret":"S"}"#,
        r#"{"action":"subscribe","trades":["AAPL"]}"#,
    ] {
        socket.send(Message::text(request)).await.expect("sent");
    }
    let mut trades: Vec<serde_json::Value> = Vec::new();
    while trades.len() < 2 {
        let message = within(socket.next()).await.expect("open").expect("a message");
        let told: Vec<serde_json::Value> = serde_json::from_slice(&message.into_data()).expect("JSON");
        trades.extend(
            told.into_iter()
                .filter(|one| !["success", "subscription"].contains(&one["T"].as_str().unwrap_or_default())),
        );
    }
    let told: Vec<_> = trades
        .iter()
        .map(|one| (one["S"].as_str(), one["i"].as_u64(), one["p"].as_f64()))
        .collect();
    assert_eq!(
        told,
        [
            (Some("AAPL"), Some(7), Some(230.125)),
            (Some("AAPL"), Some(9), Some(230.5))
        ]
    );
    assert_eq!(trades[0]["c"], serde_json::json!(["@", "F"]));
    let asked = "GET /v2/stocks/trades?symbols=AAPL,TSLA&feed=iex HTTP/1.1\r\nHost: x\r\nAPCA-API-KEY-ID: K\r\nAPCA-API-SECRET-KEY: S\r\n\r\n";
    let past = sim.ask(asked).await;
    assert!(
        past.contains(r#""i":7"#) && past.contains(r#""i":8"#) && past.contains(r#""i":9"#),
        "{past}"
    );
    let metrics = sim.ask("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert!(metrics.contains("market_sim_trades_made_total 3\n"), "{metrics}");
}

#[tokio::test]
async fn what_is_no_request_is_answered_400_at_once() {
    let sim = Sim::start(Settings::default()).await;
    for junk in [
        &b"\x16\x03\x01\x02\x00random\xff"[..],
        b"HELO there\r\n",
        b"GET / HTTP/1.1\r\nno header\r\n\r\n",
    ] {
        let mut stream = within(TcpStream::connect(("127.0.0.1", sim.port())))
            .await
            .expect("open");
        stream.write_all(junk).await.expect("sent");
        let mut answer = Vec::new();
        // A head that is not finished is waited for, 10 s.
        let read = tokio::time::timeout(Duration::from_secs(9), stream.read_to_end(&mut answer)).await;
        read.expect("without that wait").expect("read");
        assert!(
            answer.starts_with(b"HTTP/1.1 400 "),
            "{junk:?}: {:?}",
            String::from_utf8_lossy(&answer)
        );
    }
}
