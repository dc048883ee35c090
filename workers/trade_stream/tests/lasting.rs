//! Faults that last, each with a simulator and a stream of its own, side by side; and what only a person
//! can mend. All are listed in docs/stream_faults.md, which is checked against these tests here.

mod common;

use std::time::{Duration, Instant};

use common::Stream;
use common::sim::{collect, collect_whole, health, order, simulator, subscribed_bot};
use serde_json::Value;

/// A Wednesday in the middle of trading: silence means something.
const TRADING: &str = "2025-10-08T10:29:00-04:00";
/// Trades a second of each symbol: silence is found after 2 s, and a dozen of simulators and streams share
/// one thread.
const RATE: f64 = 60.0;
/// The rate of a symbol is known after so long.
const LEARNING: Duration = Duration::from_millis(5200);
/// Far longer than it takes, but for a machine with other work.
const PATIENCE: Duration = Duration::from_secs(90);

/// What is done, for how long, and what is seen of it meanwhile.
struct Row {
    name: &'static str,
    order: &'static str,
    lasts_ms: u64,
    /// The state that `health` tells at some time meanwhile or soon after.
    shows: &'static str,
    outcome: Outcome,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Outcome {
    /// The connection is made anew, and what was missed is fetched.
    Fetched,
    /// The symbol alone is subscribed anew, and what it missed is fetched.
    Renewed,
    /// The connection is made anew, and gaps are told.
    Told,
    /// Nothing is done, since nothing is wrong.
    Nothing,
}

const fn row(
    name: &'static str,
    order: &'static str,
    lasts_ms: u64,
    shows: &'static str,
    outcome: Outcome,
) -> Row {
    Row {
        name,
        order,
        lasts_ms,
        shows,
        outcome,
    }
}

const ROWS: [Row; 11] = [
    row(
        "silent with TCP open",
        r#"{"faults":{"silent":["*"]}}"#,
        3000,
        "MUTE",
        Outcome::Fetched,
    ),
    row(
        "this connection mute",
        r#"{"blow":"mute"}"#,
        100,
        "MUTE",
        Outcome::Fetched,
    ),
    row(
        "one symbol silent",
        r#"{"faults":{"silent":["AAPL"]}}"#,
        3000,
        "LIVE",
        Outcome::Renewed,
    ),
    row(
        "black hole",
        r#"{"faults":{"black_hole":true}}"#,
        3000,
        "MUTE",
        Outcome::Fetched,
    ),
    row(
        "no answer to requests",
        r#"{"blow":"drop","faults":{"no_answer":true}}"#,
        1000,
        "AUTH_WAIT",
        Outcome::Fetched,
    ),
    row(
        "406, the place lingers",
        r#"{"blow":"drop","faults":{"linger_s":1}}"#,
        300,
        "SLOT_HELD",
        Outcome::Fetched,
    ),
    row(
        "429 at the upgrade",
        r#"{"blow":"drop","faults":{"refuse_upgrade":429}}"#,
        500,
        "SLOT_HELD",
        Outcome::Fetched,
    ),
    row(
        "503 at the upgrade",
        r#"{"blow":"drop","faults":{"refuse_upgrade":503}}"#,
        300,
        "BACKING_OFF",
        Outcome::Fetched,
    ),
    row(
        "404 auth timeout",
        r#"{"blow":"drop","faults":{"refuse_auth":404}}"#,
        300,
        "BACKING_OFF",
        Outcome::Fetched,
    ),
    row(
        "REST refuses with 403",
        r#"{"blow":"drop","faults":{"refuse_rest":403}}"#,
        1500,
        "LIVE",
        Outcome::Told,
    ),
    row(
        "trading halted",
        r#"{"halt":["AAPL","TSLA"]}"#,
        100,
        "QUIET_OK",
        Outcome::Nothing,
    ),
];

/// Refused with these, the stream ends, and sentinel does not start it again.
const FATAL: [(&str, u16); 4] = [
    ("402 bad credentials", 402),
    ("408 v2 not enabled", 408),
    ("409 not in the plan", 409),
    ("411 scope is missing", 411),
];

/// Refused with these, a symbol is quarantined and its clients are told.
const REFUSED: [(&str, u16); 3] = [
    ("400 no such symbol", 400),
    ("405 over the symbol limit", 405),
    ("410 no such channel", 410),
];

#[tokio::test]
async fn silence_costs_time_and_no_trade_unnoticed() {
    let is_silence = |row: &&Row| matches!(row.shows, "MUTE" | "LIVE" | "QUIET_OK");
    side_by_side(ROWS.iter().filter(is_silence)).await;
}

#[tokio::test]
async fn a_closed_door_costs_time_and_no_trade_unnoticed() {
    let is_closed_door = |row: &&Row| matches!(row.shows, "AUTH_WAIT" | "SLOT_HELD" | "BACKING_OFF");
    side_by_side(ROWS.iter().filter(is_closed_door)).await;
}

#[test]
fn every_row_is_of_one_kind() {
    let kinds = [
        "MUTE",
        "LIVE",
        "QUIET_OK",
        "AUTH_WAIT",
        "SLOT_HELD",
        "BACKING_OFF",
    ];
    assert!(ROWS.iter().all(|row| kinds.contains(&row.shows)));
}

async fn side_by_side(rows: impl Iterator<Item = &'static Row>) {
    let rows = rows.map(|row| tokio::spawn(outcome(row)));
    println!("fault | shows | outcome in figures | live again after");
    for row in rows.collect::<Vec<_>>() {
        println!("{}", row.await.expect("as it is listed"));
    }
}

/// Of three tries one must go as listed, which no stumble of a busy machine decides: silence is judged by time,
/// and one that stumbles for seconds takes all feeds for silent.
async fn outcome(row: &'static Row) -> String {
    for _ in 0..2 {
        if let Ok(outcome) = tokio::spawn(suffer(row)).await {
            return outcome;
        }
    }
    suffer(row).await
}

async fn suffer(row: &'static Row) -> String {
    let (sim, _running) = simulator(Some(TRADING), RATE).await;
    let stream = Stream::rehearsing(sim, TRADING).await;
    let mut asker = stream.client().await;
    let mut bot = subscribed_bot(&stream, &["AAPL", "TSLA"]).await;
    let mut ids = Vec::new();
    collect(&mut bot, "AAPL", &mut ids, 20).await;
    let (stop, stopped) = tokio::sync::oneshot::channel();
    let listening = tokio::spawn(listen(bot, ids, stopped));
    // Silence means nothing until it is known how often trades come, of all and of each symbol.
    let began = Instant::now();
    until(row, &mut asker, |health| {
        health["alarm_after_s"].as_f64() < Some(5.0) && began.elapsed() > LEARNING
    })
    .await;
    let began = Instant::now();
    order(sim, row.order).await;
    let mut shown = false;
    let lasts = Duration::from_millis(row.lasts_ms);
    until(row, &mut asker, |health| {
        shown |= shows(row, health);
        shown && began.elapsed() >= lasts
    })
    .await;
    order(sim, r#"{"faults":{},"resume":["AAPL","TSLA"]}"#).await;
    let after = until(row, &mut asker, |health| is_over(row, health)).await;
    let took = began.elapsed();
    stop.send(()).expect("it listens");
    let (mut bot, mut ids) = listening.await.expect("no panic");
    if row.outcome != Outcome::Told {
        collect_whole(&mut bot, "AAPL", &mut ids, row.name).await;
    }
    let figures = &after["figures"];
    format!(
        "{} | {} | reconnects {}, renewed {}, fetched {}, gaps {} | {} ms",
        row.name,
        row.shows,
        after["reconnects"],
        figures["renewed_symbols"],
        figures["backfilled"],
        figures["gaps_upstream"],
        took.as_millis()
    )
}

/// Takes note of what comes, until it is told that all is over.
async fn listen(
    mut bot: common::Client,
    mut ids: Vec<u64>,
    mut stopped: tokio::sync::oneshot::Receiver<()>,
) -> (common::Client, Vec<u64>) {
    while stopped.try_recv().is_err() {
        let _ = seen(&mut bot, &mut ids).await;
    }
    (bot, ids)
}

/// Asks until it is so.
async fn until(row: &Row, asker: &mut common::Client, mut is_so: impl FnMut(&Value) -> bool) -> Value {
    let began = Instant::now();
    loop {
        let now = health(asker).await;
        if is_so(&now) {
            return now;
        }
        assert!(began.elapsed() < PATIENCE, "{}: {now}", row.name);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// The state that is listed is told, and the alarm was given. That the feed is mute is told for a few milliseconds only, until the
/// next connection is begun, and counted.
fn shows(row: &Row, health: &Value) -> bool {
    let counted = |name: &str| health["figures"][name].as_u64() >= Some(1);
    match row.outcome {
        Outcome::Renewed => health["state"] == row.shows && counted("renewed_symbols"),
        Outcome::Fetched | Outcome::Told | Outcome::Nothing => {
            health["state"] == row.shows || row.shows == "MUTE" && counted("mute_alarms")
        }
    }
}

/// Takes what comes within a moment; whether anything did.
async fn seen(bot: &mut common::Client, ids: &mut Vec<u64>) -> bool {
    let one = collect(bot, "AAPL", ids, 1);
    tokio::time::timeout(Duration::from_millis(200), one)
        .await
        .is_ok()
}

fn is_over(row: &Row, health: &Value) -> bool {
    let figures = &health["figures"];
    let count = |name: &str| figures[name].as_u64().unwrap_or_default();
    let is_live = health["state"] == "LIVE";
    let reconnected = health["reconnects"].as_u64() >= Some(1);
    match row.outcome {
        Outcome::Fetched => is_live && reconnected && count("backfills") >= 2 && count("backfilled") > 0,
        Outcome::Renewed => {
            is_live && !reconnected && count("renewed_symbols") >= 1 && count("backfilled") > 0
        }
        Outcome::Told => is_live && count("backfills_failed") >= 2 && count("gaps_upstream") >= 2,
        Outcome::Nothing => is_live && !reconnected && count("mute_alarms") == 0,
    }
}

#[tokio::test]
async fn what_only_a_person_can_mend_ends_the_stream() {
    for (name, code) in FATAL {
        let (sim, _running) = simulator(None, RATE).await;
        order(sim, &format!(r#"{{"faults":{{"refuse_auth":{code}}}}}"#)).await;
        let stream = Stream::start(sim).await;
        let mut client = stream.client().await;
        client.say(r#"{"action":"subscribe","symbol":"AAPL"}"#).await;
        let ended = common::soon(name, stream.ended).await.expect("no panic");
        assert_eq!(ended.expect_err(name).code, code);
    }
}

#[tokio::test]
async fn what_is_refused_costs_nobody_else() {
    for (name, code) in REFUSED {
        let (sim, _running) = simulator(None, RATE).await;
        let stream = Stream::start(sim).await;
        let mut bot = subscribed_bot(&stream, &["TSLA"]).await;
        collect(&mut bot, "TSLA", &mut Vec::new(), 5).await;
        order(sim, &format!(r#"{{"faults":{{"refuse_subscribe":{code}}}}}"#)).await;
        let mut client = stream.client().await;
        client.say(r#"{"action":"subscribe","symbol":"AAPL"}"#).await;
        let refusal = loop {
            let told = client.hear().await;
            if told["type"] == "error" {
                break told.to_string();
            }
        };
        assert!(
            refusal.contains("AAPL") && refusal.contains(&code.to_string()),
            "{name}: {refusal}"
        );
        collect(&mut bot, "TSLA", &mut Vec::new(), 5).await;
        let health = health(&mut client).await;
        assert_eq!(
            (&health["healthy"], &health["reconnects"]),
            (&true.into(), &0.into()),
            "{name}"
        );
        assert_eq!(health["quarantined"][0]["code"], code, "{name}");
    }
}

#[test]
fn the_table_lists_what_is_tested() {
    let table = include_str!("../../../docs/stream_faults.md");
    let table = table.split("\n## ").next().unwrap_or_default();
    let listed: Vec<&str> = table
        .lines()
        .filter_map(|line| line.strip_prefix("| ")?.split(" |").next())
        .collect();
    let momentary = include_str!("faults.rs");
    let lasting = ROWS.iter().map(|row| row.name);
    let codes = FATAL.iter().chain(&REFUSED).map(|(name, _)| *name);
    let mut tested: Vec<&str> = lasting.chain(codes).collect();
    tested.extend(
        momentary
            .split("    row(")
            .skip(1)
            .filter_map(|row| row.split('"').nth(1)),
    );
    for name in &tested {
        assert!(
            listed.contains(name),
            "docs/stream_faults.md does not list {name:?}"
        );
    }
    for name in listed.iter().filter(|name| !matches!(**name, "fault" | "---")) {
        assert!(tested.contains(name), "no test does {name:?}");
    }
}
