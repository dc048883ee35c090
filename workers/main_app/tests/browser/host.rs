//! The system page's other parts: logs, ports, schedules; and restarts of the whole, in a real house.

use std::path::Path;

use serde_json::json;

use crate::chain::app;
use crate::chromium::Page;
use crate::common::TOKEN;
use crate::house::House;
use crate::stand_in::{StandIn, service};

const EVIL: &str = "<img src=x onerror=window.harmed=true>";

#[tokio::test]
#[ignore = "needs Chromium: scripts/test_web"]
async fn log_lines_come_live_as_text_with_errors_marked() {
    let stand_in = StandIn::with(&json!([service("market_sim"), service("trade_stream")]));
    let app = app(1, &stand_in.socket, &[]).await;
    let mut page = Page::open().await;
    page.visit(&format!("http://127.0.0.1:{}/system", app.port)).await;
    page.until_says("#link-words", "Live").await;
    page.until("document.querySelector('#log-state').textContent === ''")
        .await;
    let line = |text: &str, error: bool| json!({"service": "market_sim", "at": "2026-01-05T15:00:00.1Z", "stream": "stdout", "text": text, "error": error});
    assert!(stand_in.log(&line("all is well", false)));
    assert!(stand_in.log(&line(EVIL, true)));
    page.until_says("#log li:not([data-error])", "all is well").await;
    page.until_says("#log li[data-error]", EVIL).await;
    // The button of a row leads to its log.
    stand_in.change(1, &json!({"errors": {"count": 2}}));
    page.until_says("[aria-label='Log of trade_stream, 2 errors']", "2 errors")
        .await;
    page.click("[aria-label='Log of trade_stream, 2 errors']").await;
    page.until("document.querySelector('#log-of').value === 'trade_stream' && document.querySelector('#log').childElementCount === 0")
        .await;
    assert_eq!(
        page.ask("document.querySelectorAll('main img').length + Number(!!window.harmed)")
            .await,
        0
    );
    assert_eq!(page.complaints, [""; 0]);
}

#[tokio::test]
#[ignore = "needs Chromium: scripts/test_web"]
async fn ports_and_schedules_are_shown_with_what_is_wrong() {
    let stand_in = StandIn::with(&json!([service("trade_stream")]));
    let app = app(1, &stand_in.socket, &[("MAIN_APP_TOKEN", TOKEN)]).await;
    let mut page = Page::open().await;
    page.visit(&format!("http://127.0.0.1:{}/system", app.port)).await;
    page.until_says("#link-words", "Live").await;
    stand_in.set(
        "ports",
        json!([{"port": 8765, "service": "trade_stream", "state": "foreign", "pid": 7, "command": EVIL}]),
    );
    stand_in.set("schedules", json!([{"name": "open", "do": "restart", "cron": "30 9 * * *", "timezone": "UTC",
        "next": "2026-01-06T09:30:00Z", "next_in_s": 60.0, "last": {"result": "failed", "began": "2026-01-05T09:30:00Z", "line": EVIL}}]));
    stand_in.change(0, &json!({"restarts": 1}));
    page.until_says("#ports tr[data-tone=bad]", EVIL).await;
    page.until_says("#schedules tr[data-tone=bad]", EVIL).await;
    page.until_says("#schedules", "2026-01-06 09:30, in 1m 00s").await;
    // The question before a flush names who would be ended.
    page.click("[data-order=flush]").await;
    page.until_says("#confirm-words", EVIL).await;
    page.click("#confirm-no").await;
    assert_eq!(
        page.ask("document.querySelectorAll('main img').length + Number(!!window.harmed)")
            .await,
        0
    );
    assert_eq!(page.complaints, [""; 0]);
}

async fn restart_all(page: &mut Page, house: &House, order: &str, asks: &str) {
    let before = house.supervisor();
    page.click(&format!("[data-order={order}]")).await;
    page.until_says("#confirm-words", asks).await;
    if page.ask("document.querySelector('#token-label').hidden").await == false {
        page.type_into("#token", TOKEN).await;
    }
    page.click("#confirm-yes").await;
    page.until_says("#confirm-result", "Back after").await;
    page.until_says("#confirm-result", "All 2 services run and are well")
        .await;
    page.until_says("#link-words", "Live").await;
    let after = house.supervisor();
    assert!(before != after && after.is_number(), "{before} -> {after}");
    page.click("#confirm-no").await;
    page.until("!document.querySelector('#confirm').open").await;
}

#[tokio::test]
#[ignore = "needs Chromium: scripts/test_web"]
async fn a_restart_of_the_whole_ends_this_app_and_the_page_comes_back_by_itself() {
    let house = House::with_pages(
        "[services.sleeper]\ncommand = [\"sleep\", \"1000\"]\nmin_uptime = \"50ms\"\n",
        8766,
    );
    let mut page = Page::open().await;
    page.visit(&format!("http://127.0.0.1:{}/system", house.port))
        .await;
    page.until_says("#headline-words", "All 2 services run and are well")
        .await;
    page.until_says("#link-words", "Live").await;
    page.ask("window.sameVisit = true").await;

    // Nobody without the token gets anywhere.
    let supervisor = house.supervisor();
    page.click("[data-order=emergency]").await;
    page.type_into("#token", "not the right token").await;
    page.click("#confirm-yes").await;
    page.until_says("#confirm-result", "The token is missing or wrong.")
        .await;
    assert_eq!(house.supervisor(), supervisor);
    page.ask("document.querySelector('#token').value = ''").await;
    page.click("#confirm-no").await;

    restart_all(&mut page, &house, "quick", "no port is flushed").await;
    restart_all(&mut page, &house, "emergency", "SIGKILL").await;
    page.until_says("#events", "sentinel restart emergency").await;

    // A flush frees what a stranger holds, and the services go on.
    page.click("[data-order=flush]").await;
    page.until_says("#confirm-words", "nothing would be ended").await;
    page.click("#confirm-yes").await;
    page.until("document.querySelector('#confirm-result').dataset.tone === 'good'")
        .await;
    assert_eq!(page.ask("window.sameVisit").await, true);
    assert_eq!(page.complaints, [""; 0]);
    assert!(Path::new(&house.config()).exists());
}
