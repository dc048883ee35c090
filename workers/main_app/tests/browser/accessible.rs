//! Pages for everybody: by keyboard alone, on any width, and as axe-core judges (`AXE=axe.min.js`, from npm).

use serde_json::{Value, json};

use crate::chain::{Chain, app};
use crate::chromium::Page;
use crate::common::TOKEN;
use crate::stand_in::{StandIn, service};

/// From the smallest phone to a large desktop screen.
const WIDTHS: [(u32, u32); 5] = [(320, 568), (390, 844), (820, 1180), (1440, 900), (3840, 2160)];

/// A host with one of everything: well, stopped, given up; a strange holder, a failed schedule.
pub fn eventful_host() -> StandIn {
    let mut services = ["market_sim", "trade_stream", "browser_proxy"].map(service);
    services[1]["state"] = json!("FATAL");
    services[1]["reason"] = json!("ended with code 1 three times within 10 s");
    services[2]["state"] = json!("STOPPED");
    services[2]["wanted"] = json!(false);
    let stand_in = StandIn::with(&json!(services));
    let foreign =
        json!({"port": 8765, "service": "trade_stream", "state": "foreign", "pid": 7, "command": "python3"});
    stand_in.set("ports", json!([foreign]));
    stand_in.set(
        "schedules",
        json!([{"name": "open", "do": "restart", "cron": "30 9 * * 1-5", "timezone": "America/New_York",
            "next": "2026-01-06T09:30:00-05:00", "next_in_s": 60.0,
            "last": {"result": "failed", "began": "2026-01-05T14:30:00Z", "line": "trade_stream failed"}}]),
    );
    stand_in
}

/// No part of a page is wider than the window.
async fn fits(page: &mut Page, name: &str) {
    for (width, height) in WIDTHS {
        page.size(width, height).await;
        let wider = page.ask("document.documentElement.scrollWidth").await;
        let over = format!(
            "[...document.querySelectorAll('main *, header *')].filter(one => !one.closest('thead') && one.getBoundingClientRect().right > {width} + 0.5).map(one => one.outerHTML.slice(0, 90))"
        );
        let over = page.ask(&over).await;
        assert!(
            wider.as_u64().is_some_and(|wide| wide <= u64::from(width)),
            "{name} at {width}: {wider}, {over:#}"
        );
    }
    page.size(1440, 900).await;
}

/// What axe-core finds wrong, in both colours; nothing when it is not there.
async fn judge(page: &mut Page, name: &str) {
    let Ok(axe) = std::env::var("AXE") else {
        println!("{name}: axe-core skipped: AXE names no axe.min.js (npm install axe-core)");
        return;
    };
    let axe = std::fs::read_to_string(axe).expect("AXE is a file");
    for scheme in ["light", "dark"] {
        page.scheme(scheme).await;
        page.ask(&format!("{axe}; 0")).await;
        let run = "axe.run().then(found => found.violations.map(one => one.id + ': ' + one.nodes.map(node => node.html + ' ' + node.failureSummary).join(' | ')))";
        let found = page.ask(run).await;
        assert_eq!(found, json!([]), "{name}, {scheme}: {found:#}");
    }
}

/// Tab, as a person presses it; what has the focus then.
async fn tab(page: &mut Page) -> String {
    for kind in ["keyDown", "keyUp"] {
        let key = json!({"type": kind, "key": "Tab", "code": "Tab", "windowsVirtualKeyCode": 9});
        page.call("Input.dispatchKeyEvent", key).await;
    }
    let focused =
        "document.activeElement.getAttribute('aria-label') ?? document.activeElement.innerText ?? ''";
    page.ask(focused).await.as_str().unwrap_or_default().to_owned()
}

#[tokio::test]
#[ignore = "needs Chromium: scripts/test_web"]
async fn the_tape_is_for_everybody() {
    let chain = Chain::start("20").await;
    let mut page = Page::open().await;
    page.visit(&chain.url()).await;
    page.until_says("#link-words", "Connected").await;
    // By keyboard: to the field, a symbol, and on to what it brought.
    page.call("Page.bringToFront", json!({})).await;
    for _ in 0..6 {
        tab(&mut page).await;
        if page.ask("document.activeElement.id").await == "symbol" {
            break;
        }
    }
    assert_eq!(page.ask("document.activeElement.id").await, "symbol");
    page.call("Input.insertText", json!({"text": "AAPL MSFT"})).await;
    page.enter().await;
    page.until_says("#link-words", "Live").await;
    page.ask("document.querySelector('#rows').focus()").await;
    page.ask("dispatchEvent(new KeyboardEvent('keydown', {key: 'p'}))")
        .await;
    page.until("document.querySelector('#pause').getAttribute('aria-pressed') === 'true'")
        .await;
    fits(&mut page, "the tape").await;
    judge(&mut page, "the tape").await;
    assert_eq!(page.complaints, [""; 0]);
}

#[tokio::test]
#[ignore = "needs Chromium: scripts/test_web"]
async fn the_host_is_for_everybody() {
    let stand_in = eventful_host();
    let app = app(1, &stand_in.socket, &[("MAIN_APP_TOKEN", TOKEN)]).await;
    let mut page = Page::open().await;
    page.visit(&format!("http://127.0.0.1:{}/system", app.port)).await;
    page.until_says("#link-words", "Live").await;
    page.until_says("#headline-words", "trade_stream needs you").await;
    // The first thing after the way through the site is what may be done about it.
    page.call("Page.bringToFront", json!({})).await;
    let mut reached: Vec<String> = Vec::new();
    for _ in 0..6 {
        reached.push(tab(&mut page).await);
    }
    assert!(
        reached.iter().any(|words| words.contains("Flush ports")),
        "{reached:?}"
    );
    // A dialog takes the focus, Escape gives it back.
    page.click("[data-order=emergency]").await;
    assert_eq!(page.ask("document.activeElement.id").await, "token");
    judge(&mut page, "the question").await;
    page.click("#confirm-no").await;
    // Nothing moves for those who asked for that.
    let reduced = json!({"features": [{"name": "prefers-reduced-motion", "value": "reduce"}]});
    page.call("Emulation.setEmulatedMedia", reduced).await;
    assert_eq!(page.ask("document.getAnimations().length").await, Value::from(0));
    fits(&mut page, "the host").await;
    judge(&mut page, "the host").await;
    assert_eq!(page.complaints, [""; 0]);
}
