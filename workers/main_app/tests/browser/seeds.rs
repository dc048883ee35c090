//! Pages that were there before: they know `ws://localhost:8765` or `:8766` and the protocol, and nothing of
//! us. Chromium is told to find those two ports elsewhere; the pages are not. Both come from a server of
//! their own, as the desks have one; the test page is opened from its file too, which the backend must allow.

use std::path::Path;

use axum::Router;
use axum::response::Html;
use axum::routing::get;
use tokio::net::TcpListener;

use crate::chain::Chain;
use crate::chromium::Page;

fn file(name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/browser/pages");
    format!("file://{}", folder.join(name).display())
}

/// The desk's own web server, by the name that people type.
async fn desk() -> String {
    let routes = Router::new()
        .route("/", get(|| async { Html(include_str!("pages/index.html")) }))
        .route(
            "/test_ws.html",
            get(|| async { Html(include_str!("pages/test_ws.html")) }),
        );
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let port = listener.local_addr().expect("bound").port();
    tokio::spawn(async move { axum::serve(listener, routes).await.expect("serves") });
    format!("http://localhost:{port}")
}

async fn browser(chain: &Chain) -> Page {
    let rules = format!(
        "--host-resolver-rules=MAP localhost:8765 127.0.0.1:{}, MAP localhost:8766 127.0.0.1:{}",
        chain.backend.port, chain.proxy.port
    );
    Page::with(&[rules]).await
}

#[tokio::test]
#[ignore = "needs Chromium: scripts/test_web"]
async fn a_page_of_the_proxy_works_unchanged_through_a_restart() {
    let mut chain = Chain::start("20").await;
    let mut page_of_desk = browser(&chain).await;
    page_of_desk.visit(&desk().await).await;
    page_of_desk.until_says("#status", "Connected").await;
    page_of_desk.ask("subscribeToSymbol('AAPL')").await;
    page_of_desk
        .until("document.querySelectorAll('#trades tr').length > 5")
        .await;
    page_of_desk.until("state.pongs > 0").await;
    page_of_desk.until_says("#info", "clients").await;
    let confirmed = "state.confirmed.includes('subscribed AAPL: Subscribed to AAPL trades')";
    page_of_desk.until(confirmed).await;
    let row = page_of_desk
        .ask("[...document.querySelector('#trades tr').cells].map(cell => cell.textContent)")
        .await;
    assert_eq!(row[1], "AAPL");
    assert!(
        row[2].as_str().is_some_and(|price| price.parse::<f64>().is_ok()),
        "{row}"
    );
    assert!(
        row[4].as_str().is_some_and(|exchange| exchange.len() > 1),
        "{row}"
    );

    // The backend is restarted: the page keeps its connection, and trades come again by themselves.
    chain.backend.kill().await;
    chain.start_backend_again().await;
    page_of_desk
        .ask("document.querySelector('#trades').replaceChildren()")
        .await;
    page_of_desk
        .until("document.querySelectorAll('#trades tr').length > 5")
        .await;
    assert_eq!(page_of_desk.ask("state.opened").await, 1);

    // The proxy is: the page's own back-off brings it back.
    chain.proxy.kill().await;
    page_of_desk.until_says("#status", "Disconnected").await;
    chain.start_proxy_again().await;
    page_of_desk
        .ask("document.querySelector('#trades').replaceChildren()")
        .await;
    page_of_desk
        .until("document.querySelectorAll('#trades tr').length > 5")
        .await;
    page_of_desk.ask("unsubscribeFromSymbol('AAPL')").await;
    page_of_desk
        .until("state.confirmed.includes('unsubscribed AAPL: Unsubscribed from AAPL trades')")
        .await;
    assert_eq!(page_of_desk.complaints, [""; 0]);
}

#[tokio::test]
#[ignore = "needs Chromium: scripts/test_web"]
async fn a_page_of_the_backend_works_unchanged() {
    let chain = Chain::start("20").await;
    let mut page_of_desk = browser(&chain).await;
    let served = format!("{}/test_ws.html", desk().await);
    for place in [served, file("test_ws.html")] {
        page_of_desk.visit(&place).await;
        for words in [
            "open",
            "health",
            "subscribed AAPL",
            "trade AAPL $",
            "unsubscribed AAPL",
        ] {
            page_of_desk.until_says("#log", words).await;
        }
    }
    assert_eq!(page_of_desk.complaints, [""; 0]);
}
