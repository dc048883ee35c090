//! Time and Sales in the browser.

use std::path::Path;

use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::WebSocketStream;

use crate::chain::{Chain, Program, app};
use crate::chromium::Page;
use crate::stand_in::{hear, page_of, tell};

const ROWS: &str = "[...document.querySelectorAll('#rows .row:not([hidden])')]";

async fn subscribe(page: &mut Page, symbols: &str) {
    page.type_into("#symbol", symbols).await;
    page.enter().await;
}

#[tokio::test]
#[ignore = "needs Chromium: scripts/test_web"]
async fn trades_move_and_choices_are_remembered() {
    let chain = Chain::start("20").await;
    let mut page = Page::open().await;
    page.visit(&chain.url()).await;
    page.until_says("#link-words", "Connected").await;
    subscribe(&mut page, "aapl, tsla").await;
    page.until_says("#link-words", "Live").await;
    page.until(&format!(
        "new Set({ROWS}.map(row => row.children[1].textContent)).size === 2"
    ))
    .await;
    // A trade that comes later stands above, coloured by where the price went.
    page.until("document.querySelector('.card .last').textContent !== '–'")
        .await;
    page.until(&format!(
        "{ROWS}.some(row => row.dataset.tick === 'up') && {ROWS}.some(row => row.dataset.tick === 'down')"
    ))
    .await;
    page.until("Number(document.querySelector('[data-part=rate]').textContent) > 10")
        .await;

    // Held, the tape stands still and says how much is newer.
    page.click("#pause").await;
    page.until_says("#newest", "newer").await;
    let newest = format!(
        "{ROWS}.toSorted((a, b) => a.getBoundingClientRect().top - b.getBoundingClientRect().top)[0].innerText"
    );
    let held = page.ask(&newest).await;
    page.until("parseInt(document.querySelector('#newest').textContent) > 20")
        .await;
    assert_eq!(page.ask(&newest).await, held);
    page.click("#newest").await;
    page.until(&format!("{newest} !== {held}")).await;

    // Filtered, only what passes is shown.
    page.ask("document.querySelector('#only').value = 'TSLA'; document.querySelector('#only').dispatchEvent(new Event('change'))")
        .await;
    page.until(&format!(
        "{ROWS}.length > 0 && {ROWS}.every(row => row.children[1].textContent === 'TSLA')"
    ))
    .await;
    page.ask("document.querySelector('#min-size').value = 100; document.querySelector('#min-size').dispatchEvent(new Event('input'))")
        .await;
    let sizes = "Number(row.children[3].textContent.replace(',', '')) >= 100";
    page.until(&format!("{ROWS}.length > 0 && {ROWS}.every(row => {sizes})"))
        .await;

    // On the next visit the symbols come by themselves; one that was removed does not.
    page.click(".card[aria-label=TSLA] [data-part=remove]").await;
    page.visit(&chain.url()).await;
    page.until_says("#link-words", "Live").await;
    assert_eq!(page.ask("document.querySelectorAll('.card').length").await, 1);
    assert_eq!(page.ask("document.querySelector('#min-size').value").await, "100");
    assert_eq!(page.complaints, [""; 0]);
}

#[tokio::test]
#[ignore = "needs Chromium: scripts/test_web"]
async fn a_killed_backend_and_a_killed_proxy_are_told_and_recovered_from_without_a_reload() {
    let mut chain = Chain::start("20").await;
    let mut page = Page::open().await;
    page.visit(&chain.url()).await;
    subscribe(&mut page, "AAPL").await;
    page.until_says("#link-words", "Live").await;
    page.ask("window.sameVisit = true").await;

    // The proxy keeps the page's connection, and says that there is nothing behind it.
    chain.backend.kill().await;
    page.until_says("#link-words", "The feed is connecting").await;
    page.until_says(".card-state", "feed is connecting").await;
    chain.start_backend_again().await;
    page.until_says("#link-words", "Live").await;

    chain.proxy.kill().await;
    page.until_says("#link-words", "No connection to the stream. Trying again in")
        .await;
    page.until_says(".card-state", "no connection").await;
    chain.start_proxy_again().await;
    page.until_says("#link-words", "Live").await;
    page.until_says("#rows", "Connection lost for").await;
    assert_eq!(page.ask("window.sameVisit").await, true);
    assert_eq!(page.complaints, [""; 0]);
}

const EVIL: &str = "<img src=x onerror=window.harmed=true>";

/// A trade of AAPL from a place with an evil name.
fn trade(price: f64, size: u64) -> Value {
    json!({"type": "trade", "symbol": "AAPL", "data": {"timestamp": "2026-01-05T15:00:00.123456Z",
           "price": price, "size": size, "exchange": EVIL, "conditions": ["@", EVIL]}})
}

/// A page that is subscribed to AAPL, and the stream's end of its connection.
async fn subscribed() -> (Page, WebSocketStream<TcpStream>, Program, TcpListener) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let port = listener.local_addr().expect("bound").port();
    let app = app(port, Path::new("/nowhere/sock"), &[]).await;
    let mut page = Page::open().await;
    page.visit(&format!("http://127.0.0.1:{}/", app.port)).await;
    let mut stream = page_of(&listener).await;
    assert_eq!(hear(&mut stream).await, json!({"action": "health"}));
    subscribe(&mut page, "AAPL").await;
    assert_eq!(
        hear(&mut stream).await,
        json!({"action": "subscribe", "symbol": "AAPL"})
    );
    (page, stream, app, listener)
}

#[tokio::test]
#[ignore = "needs Chromium: scripts/test_web"]
async fn a_lost_connection_is_taken_up_where_it_broke() {
    let (mut page, mut stream, _app, listener) = subscribed().await;
    let at = |seq: u64, recovered: Option<bool>| json!({"type": "subscribed", "symbol": "AAPL", "message": "", "epoch": "5f3a.1", "seq": seq, "recovered": recovered});
    tell(&mut stream, at(41, None)).await;
    let mut numbered = trade(150.25, 100);
    numbered["seq"] = json!(42);
    tell(&mut stream, numbered.clone()).await;
    page.until_says(".card .last", "150.25").await;
    drop(stream);
    let mut stream = page_of(&listener).await;
    let since = json!({"epoch": "5f3a.1", "seq": 42});
    let asked = json!({"action": "subscribe", "symbol": "AAPL", "since": since});
    assert_eq!(hear(&mut stream).await, asked);
    tell(&mut stream, at(43, Some(true))).await;
    numbered["seq"] = json!(43);
    tell(&mut stream, numbered).await;
    page.until_says("#rows", "AAPL: nothing is missing").await;
    drop(stream);
    let mut stream = page_of(&listener).await;
    assert_eq!(hear(&mut stream).await["since"]["seq"], 43);
    tell(&mut stream, at(50, None)).await;
    page.until_says("#rows", "are missing here").await;
}

#[tokio::test]
#[ignore = "needs Chromium: scripts/test_web"]
async fn whatever_the_stream_says_is_text() {
    let (mut page, mut stream, _app, _listener) = subscribed().await;
    tell(
        &mut stream,
        json!({"type": "connecting", "symbol": "AAPL", "message": EVIL}),
    )
    .await;
    page.until_says("#link-words", "The feed is connecting").await;
    page.until_says(".card-state", "feed is connecting").await;
    tell(&mut stream, trade(150.25, 100)).await;
    page.until_says("#rows", EVIL).await;
    tell(
        &mut stream,
        json!({"type": "error", "code": EVIL, "message": EVIL}),
    )
    .await;
    page.until_says("#notice", EVIL).await;
    tell(
        &mut stream,
        json!({"type": "health", "alpaca_connected": true, "feed": EVIL, "healthy": false, "reason": EVIL}),
    )
    .await;
    page.until_says("#feed", EVIL).await;
    // What no version knows does no harm.
    for odd in [
        json!(null),
        json!(7),
        json!({"type": "__proto__"}),
        json!({"type": "trade"}),
        json!({"type": "gap"}),
    ] {
        tell(&mut stream, odd).await;
    }
    tell(&mut stream, trade(150.5, 1)).await;
    page.until_says(".card .last", "150.50").await;
    assert_eq!(
        page.ask("document.querySelectorAll('main img').length + Number(!!window.harmed)")
            .await,
        0
    );
    assert_eq!(page.complaints, [""; 0]);
}

#[tokio::test]
#[ignore = "needs Chromium: scripts/test_web"]
async fn gaps_are_told_and_late_trades_marked() {
    let (mut page, mut stream, _app, _listener) = subscribed().await;
    tell(&mut stream, trade(150.25, 100)).await;
    tell(
        &mut stream,
        json!({"type": "gap", "symbol": "AAPL", "missed": 12}),
    )
    .await;
    page.until_says("#rows", "Gap: 12 AAPL trades missed").await;
    page.until_says("[data-part=missed]", "1 gap, 12 missed").await;
    // What is filled in later belongs to the volume, and does not move the last price.
    let mut late = trade(99.0, 50);
    late["backfill"] = json!(true);
    late["data"]["timestamp"] = json!("2026-01-05T14:59:00Z");
    tell(&mut stream, late).await;
    page.until("document.querySelector('#rows [data-kind=backfill]')?.innerText.includes('99.00')")
        .await;
    page.until_says("[data-part=volume]", "150").await;
    assert_eq!(page.text(".card .last").await.trim(), "150.25");
    assert_eq!(page.complaints, [""; 0]);
}
