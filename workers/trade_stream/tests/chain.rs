//! The chain as a browser sees it: browser-proxy in front of the stream.

mod common;

use std::net::SocketAddr;
use std::time::Duration;

use browser_proxy::Settings;
use common::alpaca::{Alpaca, trade};
use common::{Client, Stream, code};
use serde_json::json;
use ws_listener::{Door, Origins, Stop, StopTrigger};

async fn proxy(backend: SocketAddr) -> (SocketAddr, StopTrigger) {
    let listener = ws_listener::bind("127.0.0.1", 0).await.expect("a free port");
    let address = listener.local_addr().expect("bound");
    let settings = Settings {
        backend: format!("ws://{backend}").parse().expect("an address"),
        door: Door {
            service: "browser-proxy",
            origins: Origins::default(),
        },
        patience: Duration::from_secs(5),
        max_clients: 10,
    };
    let (stop, stopped) = Stop::new();
    tokio::spawn(browser_proxy::run(listener, settings, stopped));
    (address, stop)
}

#[tokio::test]
async fn a_browser_subscribes_gets_trades_and_asks_both_hops_for_health() {
    let alpaca = Alpaca::start().await;
    let stream = Stream::start(alpaca.address).await;
    let (address, _proxy) = proxy(stream.address).await;
    let mut browser = Client::connect(address).await;
    assert_eq!(
        browser.ask(r#"{"action":"subscribe","symbol":"aapl"}"#).await["type"],
        "connecting"
    );
    assert_eq!(browser.hear().await["type"], "subscribed");
    alpaca.subscribed(&["AAPL"]).await;
    alpaca.send(json!([trade("AAPL", 1)]));
    assert_eq!(browser.hear().await["data"]["exchange"], "IEX");
    let health = browser.ask(r#"{"action":"health"}"#).await;
    assert_eq!(
        (&health["healthy"], &health["total_clients"]),
        (&json!(true), &json!(1)),
        "{health}"
    );
}

#[tokio::test]
async fn a_browser_that_leaves_leaves_the_stream_too() {
    let alpaca = Alpaca::start().await;
    let stream = Stream::with(alpaca.address, |settings| {
        settings.linger = Duration::from_millis(10);
    })
    .await;
    let (address, _proxy) = proxy(stream.address).await;
    let mut browser = Client::connect(address).await;
    browser.subscribe(&alpaca, "AAPL").await;
    drop(browser);
    alpaca.subscribed(&[]).await;
}

#[tokio::test]
async fn a_stopping_stream_tells_the_browser() {
    let alpaca = Alpaca::start().await;
    let stream = Stream::start(alpaca.address).await;
    let (address, _proxy) = proxy(stream.address).await;
    let mut browser = Client::connect(address).await;
    browser.subscribe(&alpaca, "AAPL").await;
    drop(stream.stop);
    let close = browser.expect_close().await;
    assert_eq!(
        (code(&close), close.reason.as_str()),
        (1001, "trade-stream is stopping")
    );
}
