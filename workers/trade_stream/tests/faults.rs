//! Faults of a moment, with their outcome: each trade comes exactly once, late if need be. Those that last
//! are in `lasting`; all are listed in docs/stream_faults.md.
//! Trades are told apart by Alpaca's ids, which the simulator counts up, so a hole or a double shows.

mod common;

use std::time::{Duration, Instant};

use common::sim::{collect, collect_whole, health, order, simulator, subscribed_bot};
use common::{Client, Stream, soon};
use serde_json::{Value, json};

/// What is done to the upstream, and undone, by orders to `/control`.
struct Row {
    name: &'static str,
    order: &'static str,
    /// Some faults last: ended after a moment by this.
    end: Option<&'static str>,
    /// Whether the connection has to be made anew.
    reconnects: bool,
}

const fn row(name: &'static str, order: &'static str, end: Option<&'static str>, reconnects: bool) -> Row {
    Row {
        name,
        order,
        end,
        reconnects,
    }
}

const ALL_IS_WELL: Option<&str> = Some(r#"{"faults":{}}"#);

const ROWS: [Row; 11] = [
    row("dropped without a Close", r#"{"blow":"drop"}"#, None, true),
    row("closed by the server", r#"{"blow":"close"}"#, None, true),
    row("407 slow client", r#"{"blow":"slow_client"}"#, None, true),
    row("500 internal error", r#"{"blow":"internal_error"}"#, None, true),
    row("server restarts", r#"{"restart_ms":300}"#, None, true),
    row("unreadable messages", r#"{"blow":"garbage"}"#, None, false),
    row(
        "slow by 20 ms a message",
        r#"{"faults":{"delay_ms":20}}"#,
        ALL_IS_WELL,
        false,
    ),
    row(
        "trades sent twice",
        r#"{"faults":{"duplicates":0.3}}"#,
        ALL_IS_WELL,
        false,
    ),
    row(
        "trades out of order",
        r#"{"faults":{"disorder":0.3}}"#,
        ALL_IS_WELL,
        false,
    ),
    row(
        "corrections and cancels",
        r#"{"faults":{"corrections":0.3,"cancels":0.3}}"#,
        ALL_IS_WELL,
        false,
    ),
    row(
        "REST over its limit meanwhile",
        r#"{"blow":"drop","faults":{"refuse_rest":429}}"#,
        ALL_IS_WELL,
        true,
    ),
];

#[tokio::test]
async fn every_fault_costs_time_and_no_trade() {
    let (sim, _running) = simulator(None, 300.0).await;
    let stream = Stream::start(sim).await;
    let mut asker = stream.client().await;
    let mut bot = subscribed_bot(&stream, &["AAPL"]).await;
    let mut ids = Vec::new();
    collect(&mut bot, "AAPL", &mut ids, 20).await;
    println!("fault                          | reconnects | backfilled | live again after");
    for row in ROWS {
        let before = health(&mut asker).await;
        let began = Instant::now();
        order(sim, row.order).await;
        if let Some(end) = row.end {
            tokio::time::sleep(Duration::from_millis(300)).await;
            order(sim, end).await;
        }
        let after = live_again(&mut asker, &before, &row).await;
        let took = began.elapsed();
        collect(&mut bot, "AAPL", &mut ids, 100).await;
        let fetched = |health: &Value| health["figures"]["backfills"].as_u64().expect("a count");
        soon("the backfill", async {
            while fetched(&health(&mut asker).await) < fetched(&before) + u64::from(row.reconnects) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await;
        collect_whole(&mut bot, "AAPL", &mut ids, row.name).await;
        let filled = |health: &Value| health["figures"]["backfilled"].as_u64().expect("a count");
        println!(
            "{:30} | {:10} | {:10} | {:4} ms",
            row.name,
            reconnects(&after) - reconnects(&before),
            filled(&health(&mut asker).await) - filled(&before),
            took.as_millis()
        );
    }
    let end = health(&mut asker).await;
    let figures = &end["figures"];
    assert!(figures["duplicates"].as_u64() > Some(10), "{end}");
    assert!(
        figures["backfilled"].as_u64() > Some(0) && figures["backfills_failed"] == 0,
        "{end}"
    );
    // Corrections, which follow a bot's trades, cannot be fetched later: those gaps are told.
    // Nor may one have been in what could not be read.
    let unreadable = |row: &&Row| row.name == "unreadable messages";
    let made = ROWS
        .iter()
        .filter(|row| row.reconnects || unreadable(row))
        .count();
    assert_eq!(figures["gaps_upstream"], made, "{end}");
    assert_eq!(json!(0), end["figures"]["missed"]);
}

/// The health once the stream is live again, with the reconnects that the fault costs.
async fn live_again(asker: &mut Client, before: &Value, row: &Row) -> Value {
    soon(row.name, async {
        loop {
            let after = health(asker).await;
            let made = reconnects(&after) - reconnects(before);
            let is_back = after["state"] == "LIVE" || after["state"] == "QUIET_OK";
            if is_back && made == u64::from(row.reconnects) {
                return after;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await
}

fn reconnects(health: &Value) -> u64 {
    health["reconnects"].as_u64().expect("a count")
}
