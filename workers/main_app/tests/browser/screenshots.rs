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
        "total_clients": 3, "connection_established_at": established.to_string()}})
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
    services[4]["ports"] = json!([]);
    for (place, service) in services.iter_mut().enumerate() {
        service["pid"] = json!(4250 + place * 7);
        service["uptime_s"] = json!(5024.6 - 0.4 * place as f64);
    }
    let stand_in = StandIn::with(&json!(services));
    let acting = [("MAIN_APP_TOKEN", crate::common::TOKEN)];
    let app = app(1, &stand_in.socket, &acting).await;
    let mut page = Page::open().await;
    page.visit(&format!("http://127.0.0.1:{}/system", app.port)).await;
    page.until_says("#link-words", "Live").await;
    for n in 0..40_u32 {
        let load = f64::from(n * 37 % 11) / 2.0;
        let changes = json!({"cpu_percent": load + 1.0, "memory_bytes": 9_000_000 + n * 20_000});
        stand_in.change((n % 3) as usize, &changes);
        page.ask("new Promise(done => setTimeout(done, 30))").await;
    }
    page.ask("document.querySelector('#changes').replaceChildren()")
        .await;
    stand_in.change(4, &json!({"state": "BACKOFF", "pid": null, "uptime_s": null, "cpu_percent": null, "memory_bytes": null,
        "restarts": 3, "health": {"status": "unknown"}, "reason": "ended with code 1 after 0.2 s; next try in 4 s"}));
    page.until_says("#headline-words", "journal needs you").await;
    take(&mut page, "system").await;
}
