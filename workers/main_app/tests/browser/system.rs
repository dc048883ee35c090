//! The system page in the browser.

use std::path::PathBuf;
use std::process::Command;

use serde_json::json;

use crate::chain::{app, program};
use crate::chromium::Page;
use crate::common::TOKEN;
use crate::stand_in::{StandIn, service};

const FIRST: &str = "#services tr:first-child";

#[tokio::test]
#[ignore = "needs Chromium: scripts/test_web"]
async fn a_service_that_fails_comes_first_within_a_second() {
    let stand_in = StandIn::with(&json!([service("market_sim"), service("trade_stream")]));
    let app = app(1, &stand_in.socket, &[]).await;
    let mut page = Page::open().await;
    page.visit(&format!("http://127.0.0.1:{}/system", app.port)).await;
    page.until_says("#link-words", "Live").await;
    page.until_says("#headline-words", "All 2 services run and are well")
        .await;
    assert!(page.text(FIRST).await.contains("market_sim"));

    let reason = "<b>exited</b> with code 1 three times";
    // Timed in the page, since asking it takes time too.
    page.ask(
        "began = performance.now(); watch = new MutationObserver(() => {
           if (document.querySelector('#services tr').innerText.includes('FATAL')) window.took ??= performance.now() - began; });
         watch.observe(document.body, {subtree: true, childList: true, characterData: true})",
    )
    .await;
    stand_in.change(1, &json!({"state": "FATAL", "pid": null, "reason": reason}));
    page.until("window.took !== undefined").await;
    let took = page.ask("window.took").await.as_f64().expect("a time");
    assert!(took < 1000.0, "{took} ms");
    page.until_says("#headline-words", "trade_stream needs you").await;
    assert!(page.text(FIRST).await.contains(reason), "as text");
    stand_in.fact(&json!({"seq": 2, "at": "2026-01-05T15:00:01Z", "what": "given_up", "service": "trade_stream", "detail": reason}));
    page.until_says("#events li:first-child", "FATAL").await;
    page.until_says("#events li:first-child", reason).await;
    assert_eq!(
        page.ask("document.querySelectorAll('#services b, #events b b').length")
            .await,
        0
    );
    assert_eq!(page.complaints, [""; 0]);
}

#[tokio::test]
#[ignore = "needs Chromium: scripts/test_web"]
async fn a_supervisor_that_went_away_is_told_and_found_again() {
    let mut stand_in = StandIn::with(&json!([service("market_sim")]));
    let app = app(1, &stand_in.socket, &[]).await;
    let mut page = Page::open().await;
    page.visit(&format!("http://127.0.0.1:{}/system", app.port)).await;
    page.until_says("#link-words", "Live").await;
    stand_in.die().await;
    page.until_says("#headline-words", "There is no supervisor.")
        .await;
    page.until_says("#link-words", "Not live").await;
    page.until("document.body.dataset.stale === 'true'").await;
    stand_in.rise();
    page.until_says("#link-words", "Live").await;
    page.until_says("#headline-words", "market_sim runs and is well")
        .await;
}

/// `sentinel` in a house, which it leaves empty.
struct House {
    sentinel: PathBuf,
    folder: tempfile::TempDir,
}

impl House {
    fn sentinel(&self, arguments: &[&str]) {
        let config = self.folder.path().join("services.toml");
        let mut command = Command::new(&self.sentinel);
        command.arg("--quiet").arg("--config").arg(config).args(arguments);
        assert!(
            command.status().expect("sentinel runs").success(),
            "{arguments:?}"
        );
    }
}

impl Drop for House {
    fn drop(&mut self) {
        self.sentinel(&["shutdown"]);
    }
}

#[tokio::test]
#[ignore = "needs Chromium: scripts/test_web"]
async fn the_real_supervisor_is_followed() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let services = "[services.sleeper]\ncommand = [\"sleep\", \"1000\"]\nmin_uptime = \"50ms\"\n";
    std::fs::write(folder.path().join("services.toml"), services).expect("written");
    let house = House {
        sentinel: program("sentinel"),
        folder,
    };
    house.sentinel(&["start"]);
    let app = app(1, &house.folder.path().join(".sentinel/sock"), &[]).await;
    let mut page = Page::open().await;
    page.visit(&format!("http://127.0.0.1:{}/system", app.port)).await;
    page.until_says("#link-words", "Live").await;
    page.until_says("#headline-words", "sleeper runs and is well")
        .await;
    house.sentinel(&["stop", "sleeper"]);
    page.until_says("#headline-words", "sleeper is stopped").await;
    page.until_says("#events", "sentinel stop sleeper").await;
    house.sentinel(&["start", "sleeper"]);
    page.until_says("#headline-words", "sleeper runs and is well")
        .await;
    assert_eq!(page.complaints, [""; 0]);
}

#[tokio::test]
#[ignore = "needs Chromium: scripts/test_web"]
async fn the_table_needs_no_script() {
    let stand_in = StandIn::with(&json!([service("market_sim")]));
    let app = app(1, &stand_in.socket, &[]).await;
    let mut page = Page::open().await;
    page.call("Emulation.setScriptExecutionDisabled", json!({"value": true}))
        .await;
    page.visit(&format!("http://127.0.0.1:{}/system", app.port)).await;
    page.until_says("#headline-words", "market_sim runs and is well")
        .await;
    let row = page.text(FIRST).await;
    for words in [
        "market_sim",
        "RUNNING",
        "no probe declared",
        "5m 00s",
        "9.0 MB",
        "8765",
        "4250",
    ] {
        assert!(row.contains(words), "{words}: {row}");
    }
    page.until_says("#link-words", "As of when the page was loaded")
        .await;
}

#[tokio::test]
#[ignore = "needs Chromium: scripts/test_web"]
async fn actions_ask_first_and_need_the_token() {
    let stand_in = StandIn::with(&json!([service("trade_stream")]));
    let readonly = app(1, &stand_in.socket, &[]).await;
    let acting = app(1, &stand_in.socket, &[("MAIN_APP_TOKEN", TOKEN)]).await;
    let mut page = Page::open().await;
    page.visit(&format!("http://127.0.0.1:{}/system", readonly.port))
        .await;
    page.until_says("#link-words", "Live").await;
    assert_eq!(
        page.ask("document.querySelectorAll('[data-verb], [data-order]:is(#whole:not([hidden]) *)').length")
            .await,
        0
    );
    page.until_says(".hint", "no MAIN_APP_TOKEN").await;

    page.visit(&format!("http://127.0.0.1:{}/system", acting.port))
        .await;
    page.until_says(FIRST, "Restart").await;
    page.click("[data-verb=restart]").await;
    page.until_says(
        "#confirm",
        "trade_stream and every process it started are stopped",
    )
    .await;
    page.type_into("#token", "not the right token").await;
    page.enter().await;
    page.until_says("#confirm-result", "The token is missing or wrong.")
        .await;
    assert_eq!(*stand_in.orders.lock().expect("not poisoned"), [""; 0]);

    page.ask("document.querySelector('#token').value = ''").await;
    page.type_into("#token", TOKEN).await;
    page.click("#confirm-yes").await;
    page.until_says("#confirm-result", "Done in 0.4 s.").await;
    let orders = [r#"restart {"services":["trade_stream"]}"#];
    assert_eq!(*stand_in.orders.lock().expect("not poisoned"), orders);
    page.click("#confirm-no").await;
    page.until("!document.querySelector('#confirm').open").await;
    assert_eq!(page.complaints, [""; 0]);
}
