//! The chain as a browser sees it: browser-proxy in front of the stream.

mod common;

use std::net::SocketAddr;
use std::time::Duration;

use browser_proxy::{Counts, Settings};
use common::alpaca::{Alpaca, trade};
use common::{Client, Stream, code, soon};
use serde_json::json;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use ws_listener::{Door, Origins, Places, Stop, StopTrigger, Tokens};

async fn proxy(backend: SocketAddr) -> (SocketAddr, StopTrigger) {
    let listener = ws_listener::bind("127.0.0.1", 0).await.expect("a free port");
    let address = listener.local_addr().expect("bound");
    let settings = Settings {
        backend: format!("ws://{backend}").parse().expect("an address"),
        door: Door {
            service: "browser-proxy",
            origins: Origins::default(),
            tokens: Tokens::default(),
            self_authenticating: &["/v2/", "/v1beta3/", "/stream"],
        },
        counts: Counts::default(),
        patience: Duration::from_secs(60),
        places: Places {
            total: 10,
            per_ip: None,
        },
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
async fn a_stream_that_is_started_again_costs_no_browser_and_no_trade_unnoticed() {
    let alpaca = Alpaca::start().await;
    let stream = Stream::start(alpaca.address).await;
    let (backend, (address, _proxy)) = (stream.address, proxy(stream.address).await);
    let mut browser = Client::connect(address).await;
    browser.subscribe(&alpaca, "AAPL").await;
    alpaca.send(json!([trade("AAPL", 1)]));
    assert_eq!(browser.hear().await["seq"], 1);
    drop(stream.stop);
    soon("the stream ends", stream.ended)
        .await
        .expect("no panic")
        .expect("not fatal");

    let _again = Stream::at(backend, alpaca.address).await;
    let mut types = Vec::new();
    while types.last().is_none_or(|kind| kind != "gap") {
        types.push(browser.hear().await["type"].as_str().expect("a type").to_owned());
    }
    assert_eq!(
        types,
        ["connecting", "connecting", "subscribed", "gap"],
        "the proxy's word, then the stream's"
    );
    alpaca
        .saw("a second connection with AAPL", |seen| {
            seen.connections == 2 && seen.trades.contains("AAPL")
        })
        .await;
    alpaca.send(json!([trade("AAPL", 2)]));
    assert_eq!(browser.hear().await["type"], "trade");
}

#[tokio::test]
async fn a_token_that_only_the_stream_knows_is_passed_on_to_it() {
    let alpaca = Alpaca::start().await;
    let stream = Stream::with(alpaca.address, |settings| {
        settings.door.tokens = Tokens::parse("open-sesame");
    })
    .await;
    let (address, _proxy) = proxy(stream.address).await;
    let mut stranger = Client::connect(address).await;
    assert_eq!(
        code(&stranger.expect_close().await),
        1008,
        "at once, not after the patience"
    );

    let mut request = format!("ws://{address}/")
        .into_client_request()
        .expect("an address");
    let token = "Bearer open-sesame".parse().expect("a header");
    request.headers_mut().insert("Authorization", token);
    let tcp = tokio::net::TcpStream::connect(address).await.expect("connected");
    let (socket, _) = tokio_tungstenite::client_async(request, tcp)
        .await
        .expect("accepted");
    let mut friend = Client(socket);
    assert_eq!(friend.ask(r#"{"action":"ping"}"#).await["type"], "pong");
}
