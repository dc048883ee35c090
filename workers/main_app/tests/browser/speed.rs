//! The tape under load: frames and memory.

use serde_json::{Value, json};

use crate::chain::Chain;
use crate::chromium::Page;

/// Five symbols of a thousand trades a second each.
const SYMBOLS: &str = "AAPL MSFT NVDA TSLA SPY";
const RATE: &str = "1000";

/// `SOAK_SECONDS` makes it longer than the few seconds that CI has.
fn seconds() -> u64 {
    std::env::var("SOAK_SECONDS")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(5)
}

/// One of Chromium's own figures of the page.
async fn metric(page: &mut Page, name: &str) -> f64 {
    let metrics = page.call("Performance.getMetrics", json!({})).await;
    let metrics = metrics["metrics"].as_array().expect("metrics").clone();
    let found = metrics.into_iter().find(|metric| metric["name"] == name);
    found.expect("known")["value"].as_f64().expect("a number")
}

/// What the page keeps, in MB.
async fn heap(page: &mut Page) -> f64 {
    page.call("HeapProfiler.collectGarbage", json!({})).await;
    metric(page, "JSHeapUsedSize").await / 1e6
}

/// Seconds the page's own work took so far: scripts, styles, layout.
async fn work(page: &mut Page) -> f64 {
    let mut sum = 0.0;
    for part in ["ScriptDuration", "LayoutDuration", "RecalcStyleDuration"] {
        sum += metric(page, part).await;
    }
    sum
}

/// Frames over a while, as the page itself sees them.
async fn frames(page: &mut Page, seconds: u64) -> Value {
    let count = format!(
        "new Promise(done => {{ const times = []; const began = performance.now();
           const frame = now => {{ times.push(now);
             if (now - began < {}) return requestAnimationFrame(frame);
             const gaps = times.slice(1).map((time, n) => time - times[n]).sort((a, b) => a - b);
             done({{fps: 1000 * gaps.length / (times.at(-1) - times[0]), p95: gaps[Math.floor(gaps.length * 0.95)], worst: gaps.at(-1)}}); }};
           requestAnimationFrame(frame); }})",
        seconds * 1000
    );
    page.ask(&count).await
}

#[tokio::test]
#[ignore = "needs Chromium: scripts/test_web"]
async fn five_thousand_trades_a_second_stay_smooth_and_bounded() {
    let chain = Chain::start(RATE).await;
    let mut page = Page::open().await;
    page.visit(&chain.url()).await;
    page.type_into("#symbol", SYMBOLS).await;
    page.enter().await;
    page.until_says("#link-words", "Live").await;
    let (before, work_before) = (heap(&mut page).await, work(&mut page).await);
    let resident = page.resident_mb();
    if seconds() > 60 {
        println!("the first 10 s: frames {}", frames(&mut page, 10).await);
    }
    let all = frames(&mut page, seconds()).await;
    if seconds() > 60 {
        println!("the last 10 s: frames {}", frames(&mut page, 10).await);
    }
    let spent = seconds() + if seconds() > 60 { 20 } else { 0 };
    let busy = (work(&mut page).await - work_before) / spent as f64;
    let after = heap(&mut page).await;
    let rates = page
        .ask("[...document.querySelectorAll('[data-part=rate]')].map(e => Number(e.textContent.replaceAll(',', '')))")
        .await;
    println!("{} s: frames {all}", seconds());
    println!(
        "resident memory of the page's process {resident:.0} -> {:.0} MB",
        page.resident_mb()
    );
    println!(
        "page busy {:.0} % of the time, heap {before:.1} -> {after:.1} MB, trades in the last minute {rates}",
        busy * 100.0
    );
    // How many frames a host paints depends on what else it does; what the page asks of it does not.
    assert!(busy < 0.6, "{busy}");
    assert!(after < before + 10.0, "{before} -> {after} MB");
    let trades: f64 = rates
        .as_array()
        .expect("rates")
        .iter()
        .filter_map(Value::as_f64)
        .sum();
    assert!(trades > 5000.0, "{rates}");
}
