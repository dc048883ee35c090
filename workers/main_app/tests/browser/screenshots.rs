//! The pictures in `screenshots/`, taken when `scripts/test_web --screenshots` asks for them.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::chain::{Chain, app};
use crate::chromium::Page;
use crate::stand_in::{StandIn, service};

const SIZES: [(&str, u32, u32); 2] = [("desktop", 1440, 900), ("phone", 390, 844)];

/// Each size, light and dark.
async fn take(page: &mut Page, name: &str) {
    for (device, width, height) in SIZES {
        page.size(width, height).await;
        for scheme in ["light", "dark"] {
            page.scheme(scheme).await;
            // Two frames: one to paint, one to be sure of it.
            page.ask("new Promise(done => setTimeout(() => requestAnimationFrame(() => requestAnimationFrame(done)), 600))")
                .await;
            let file = format!("screenshots/{name}-{device}-{scheme}.png");
            let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
            save(page, &file).await;
        }
    }
}

/// Chromium's picture, with its base64 undone by coreutils and its colours counted by pngquant if there.
async fn save(page: &mut Page, file: &PathBuf) {
    let picture = page
        .call("Page.captureScreenshot", json!({"format": "png"}))
        .await;
    let encoded = picture["data"].as_str().expect("a picture");
    let mut decode = Command::new("base64")
        .arg("-d")
        .stdin(Stdio::piped())
        .stdout(std::fs::File::create(file).expect("created"))
        .spawn()
        .expect("coreutils");
    let mut input = decode.stdin.take().expect("piped");
    std::io::Write::write_all(&mut input, encoded.as_bytes()).expect("written");
    drop(input);
    assert!(decode.wait().expect("waited").success());
    let _ = Command::new("pngquant")
        .args(["--force", "--ext", ".png", "--skip-if-larger", "128"])
        .arg(file)
        .status();
}

#[tokio::test]
#[ignore = "takes the pictures: scripts/test_web --screenshots"]
async fn picture_of_the_tape() {
    let chain = Chain::start("4").await;
    let mut page = Page::open().await;
    page.visit(&chain.url()).await;
    page.type_into("#symbol", "AAPL MSFT NVDA").await;
    page.enter().await;
    page.until_says("#link-words", "Live").await;
    // Some history for the charts.
    page.ask("new Promise(done => setTimeout(done, 45000))").await;
    take(&mut page, "tape").await;
}

/// A stream that is well, as its probe tells it.
fn stream_health() -> Value {
    let established = jiff::Timestamp::now() - jiff::SignedDuration::from_mins(134);
    json!({"status": "healthy", "kind": "ws", "latency_ms": 0.8, "detail": {
        "type": "health", "healthy": true, "alpaca_task_status": "running", "feed": "iex", "market": "open",
        "silence_s": 0.2, "trades_per_minute": 18420, "reconnects": 1, "active_symbols": ["AAPL", "MSFT", "NVDA"],
        "total_clients": 3, "bars_per_minute": 3, "last_bar_age_s": 21.0, "uptime_percent": 99.97, "connection_established_at": established.to_string()}})
}

/// What a host has besides services.
fn dress(stand_in: &StandIn) {
    let port = |port: u16, service: &str, pid: i32, command: &str| json!({"port": port, "service": service, "state": "ok", "pid": pid, "command": command});
    stand_in.set(
        "ports",
        json!([
            port(3000, "main_app", 4271, "main-app"),
            port(8764, "market_sim", 4250, "market-sim"),
            port(8765, "trade_stream", 4257, "trade-stream"),
            port(8766, "browser_proxy", 4264, "browser-proxy"),
        ]),
    );
    stand_in.set(
        "schedules",
        json!([
            {"name": "before_open", "do": "restart", "cron": "15 9 * * 1-5", "timezone": "America/New_York",
             "next": "2026-11-23T09:15:00-05:00", "next_in_s": 62_400.0,
             "last": {"result": "done", "began": ago(5000), "took_s": 1.2, "line": "restarted 5 services"}},
            {"name": "journal_export", "do": "journal-export --yesterday", "cron": "0 22 * * *", "timezone": "Etc/UTC",
             "next": "2026-11-21T22:00:00+00:00", "next_in_s": 23_500.0,
             "last": {"result": "failed", "began": ago(63_000), "took_s": 12.0, "line": "no space left on device"}},
        ]),
    );
}

fn ago(seconds: i64) -> String {
    (jiff::Timestamp::now() - jiff::SignedDuration::from_secs(seconds)).to_string()
}

/// Some lines of everybody, and the facts that belong to them.
fn write_log(stand_in: &StandIn) {
    let lines = [
        (
            40,
            "trade_stream",
            "INFO connected to wss://stream.data.alpaca.markets/v2/iex",
            false,
        ),
        (
            39,
            "trade_stream",
            "INFO subscribed: trades AAPL MSFT NVDA",
            false,
        ),
        (
            31,
            "browser_proxy",
            "INFO 127.0.0.1:52114 connected, 3 clients",
            false,
        ),
        (24, "journal", "INFO opening /srv/desk/journal.db", false),
        (
            24,
            "journal",
            "ERROR cannot open /srv/desk/journal.db: database is locked",
            true,
        ),
        (
            22,
            "main_app",
            "INFO main-app listens on http://127.0.0.1:3000",
            false,
        ),
        (12, "journal", "INFO opening /srv/desk/journal.db", false),
        (
            12,
            "journal",
            "ERROR cannot open /srv/desk/journal.db: database is locked",
            true,
        ),
    ];
    for (seconds, service, text, error) in lines {
        let line =
            json!({"service": service, "at": ago(seconds), "stream": "stderr", "text": text, "error": error});
        assert!(stand_in.log(&line), "nobody follows");
    }
    let operator =
        json!({"by": "operator", "uid": 1000, "name": "desk", "command": "sentinel restart journal"});
    let facts = [
        json!({"seq": 2, "at": ago(5020), "what": "ready", "service": "trade_stream"}),
        json!({"seq": 3, "at": ago(61), "what": "command", "cause": operator}),
        json!({"seq": 4, "at": ago(60), "what": "stopping", "service": "journal", "pid": 4278, "cause": operator}),
        json!({"seq": 5, "at": ago(24), "what": "exited", "service": "journal", "exit": {"code": 1}, "detail": "after 0.2 s"}),
        json!({"seq": 6, "at": ago(24), "what": "started", "service": "journal", "pid": 5120,
               "cause": {"by": "exit", "words": "exit code 1"}}),
        json!({"seq": 7, "at": ago(12), "what": "exited", "service": "journal", "exit": {"code": 1}, "detail": "after 0.2 s"}),
    ];
    for fact in &facts {
        stand_in.fact(fact);
    }
}

#[tokio::test]
#[ignore = "takes the pictures: scripts/test_web --screenshots"]
async fn picture_of_the_host() {
    let mut services = [
        "market_sim",
        "trade_stream",
        "browser_proxy",
        "main_app",
        "journal",
    ]
    .map(service);
    services[0]["ports"] = json!([8764]);
    services[1]["health"] = stream_health();
    services[2]["health"] = json!({"status": "healthy", "latency_ms": 1.1});
    services[2]["ports"] = json!([8766]);
    services[3]["ports"] = json!([3000]);
    services[3]["health"] = json!({"status": "healthy", "latency_ms": 0.9});
    services[4]["ports"] = json!([]);
    for (place, service) in services.iter_mut().enumerate() {
        service["pid"] = json!(4250 + place * 7);
        service["uptime_s"] = json!(5024.6 - 0.4 * place as f64);
    }
    let stand_in = StandIn::with(&json!(services));
    dress(&stand_in);
    let app = app(1, &stand_in.socket, &[("MAIN_APP_TOKEN", crate::common::TOKEN)]).await;
    let mut page = Page::open().await;
    page.visit(&format!("http://127.0.0.1:{}/system", app.port)).await;
    page.until_says("#link-words", "Live").await;
    // Readings are taken every 2 s: some history for the lines.
    for n in 0..40_u32 {
        let load = f64::from(n * 37 % 11) / 2.0;
        let changes = json!({"cpu_percent": load + 1.0, "memory_bytes": 9_000_000 + n * 20_000});
        stand_in.change((n % 3) as usize, &changes);
        page.ask("new Promise(done => setTimeout(done, 1000))").await;
    }
    stand_in.change(
        4,
        &json!({"state": "BACKOFF", "pid": null, "uptime_s": null, "cpu_percent": null, "memory_bytes": null,
        "restarts": 3, "health": {"status": "unknown"}, "errors": {"count": 3},
        "reason": "ended with code 1 after 0.2 s; tries again in 4.0 s"}),
    );
    page.until_says("#headline-words", "journal needs you").await;
    page.ask("document.querySelector('#log-of').value = ''; document.querySelector('#log-of').dispatchEvent(new Event('change'))")
        .await;
    page.until("document.querySelector('#log-state').textContent === ''")
        .await;
    write_log(&stand_in);
    page.until("document.querySelectorAll('#log li').length >= 8")
        .await;
    take(&mut page, "system").await;
}
