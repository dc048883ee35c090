//! Every fault of the simulator, and what the `alpaca` client makes of it.

mod common;

use std::time::Duration;

use alpaca::{ConnectionManager, Credentials, Event, MarketData, State, Status};
use common::{Sim, within};
use futures_util::{SinkExt, StreamExt};
use market_sim::{Faults, Settings};
use tokio::sync::mpsc::Receiver;
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Message;

async fn start(faults: Faults) -> Sim {
    let settings = Settings {
        rate: 200.0,
        faults,
        ..Settings::default()
    };
    Sim::start(settings).await
}

fn connect(sim: &Sim) -> (MarketData, Receiver<Event>) {
    let credentials = Credentials::new("KEY", "SECRET");
    let data = ConnectionManager::new().market_data(&credentials, &sim.url("/v2/iex"));
    let data = data.expect("a usable URL");
    let events = data.events();
    data.subscribe(&["AAPL".into(), "TSLA".into()]);
    (data, events)
}

/// The first event that is as wanted.
async fn event(events: &mut Receiver<Event>, wanted: impl Fn(&Event) -> bool) -> Event {
    within(async {
        loop {
            let event = events.recv().await.expect("the connection lives");
            if wanted(&event) {
                return event;
            }
        }
    })
    .await
}

async fn trades(events: &mut Receiver<Event>) {
    event(events, |event| matches!(event, Event::Trades(_))).await;
}

async fn reached(data: &MarketData, wanted: impl FnMut(&Status) -> bool) -> Status {
    let mut status = data.status();
    within(status.wait_for(wanted)).await.expect("running").clone()
}

#[tokio::test]
async fn whatever_ends_a_connection_is_followed_by_another() {
    for (order, why) in [
        (r#"{"blow":"drop"}"#, "connection"),
        (r#"{"blow":"close"}"#, "code 1000"),
        (r#"{"blow":"slow_client"}"#, "slow client (code 407)"),
        (r#"{"blow":"internal_error"}"#, "internal error (code 500)"),
    ] {
        let sim = start(Faults::default()).await;
        let (data, mut events) = connect(&sim);
        trades(&mut events).await;
        sim.order(order).await;
        let lost = event(&mut events, |event| matches!(event, Event::Disconnected { .. })).await;
        let Event::Disconnected { reason } = lost else {
            panic!("a loss was asked for");
        };
        assert!(reason.contains(why), "{order}: {reason}");
        trades(&mut events).await;
        assert_eq!(data.status().borrow().reconnects, 1, "{order}");
    }
}

#[tokio::test]
async fn garbage_costs_nothing_but_itself() {
    let sim = start(Faults::default()).await;
    let (data, mut events) = connect(&sim);
    trades(&mut events).await;
    sim.order(r#"{"blow":"garbage"}"#).await;
    for _ in 0..10 {
        trades(&mut events).await;
    }
    assert_eq!(data.status().borrow().reconnects, 0);
}

#[tokio::test]
async fn the_place_lingers_after_an_unclean_end_and_not_after_a_clean_one() {
    let sim = start(Faults {
        linger_s: 1,
        ..Faults::default()
    })
    .await;
    let (data, mut events) = connect(&sim);
    trades(&mut events).await;
    within(data.close()).await;
    let (data, mut events) = connect(&sim);
    trades(&mut events).await;
    assert_eq!(data.status().borrow().reconnects, 0);
    sim.order(r#"{"blow":"drop"}"#).await;
    let held = reached(&data, |status| status.state == State::SlotHeld).await;
    assert!(held.detail.expect("a reason").contains("code 406"));
    // It is tried again after 5 s: the stories of the session tell how that goes on.
}

#[tokio::test]
async fn refused_credentials_and_plans_are_final() {
    for (code, hint) in [(402, "ALPACA_API_KEY"), (409, "plan")] {
        let sim = start(Faults {
            refuse_auth: Some(code),
            ..Faults::default()
        })
        .await;
        let (_data, mut events) = connect(&sim);
        let fatal = event(&mut events, |event| matches!(event, Event::Fatal { .. })).await;
        assert!(matches!(fatal, Event::Fatal { code: c, message } if c == code && message.contains(hint)));
    }
}

#[tokio::test]
async fn a_restart_is_an_outage_of_its_length() {
    let sim = start(Faults::default()).await;
    let (data, mut events) = connect(&sim);
    trades(&mut events).await;
    sim.order(r#"{"restart_ms":100}"#).await;
    let waiting = reached(&data, |status| status.state == State::BackingOff).await;
    assert!(waiting.detail.is_some());
    event(&mut events, |event| matches!(event, Event::Connected)).await;
    trades(&mut events).await;
}

#[tokio::test]
async fn one_symbol_can_be_silent_and_what_was_withheld_can_be_asked_for() {
    let sim = start(Faults {
        silent: vec!["TSLA".into()],
        ..Faults::default()
    })
    .await;
    let (_data, mut events) = connect(&sim);
    for _ in 0..20 {
        let Event::Trades(trades) = event(&mut events, |event| matches!(event, Event::Trades(_))).await
        else {
            panic!("trades were asked for");
        };
        assert!(trades.iter().all(|trade| trade.symbol() == "AAPL"));
    }
    let keys = "APCA-API-KEY-ID: K\r\nAPCA-API-SECRET-KEY: S\r\n";
    let get = |target: &str, keys: &str| format!("GET {target} HTTP/1.1\r\nHost: x\r\n{keys}\r\n");
    let path = "/v2/stocks/trades?symbols=AAPL,TSLA&feed=iex&limit=5";
    let page = sim.ask(&get(path, keys)).await;
    assert!(page.starts_with("HTTP/1.1 200 OK"), "{page}");
    assert!(page.contains(r#""next_page_token":"AAPL:5""#), "{page}");
    let path = "/v2/stocks/trades/latest?symbols=AAPL,TSLA&feed=iex";
    let latest = sim.ask(&get(path, keys)).await;
    assert!(
        latest.contains(r#""TSLA":{"#),
        "withheld from the stream, not from the ledger: {latest}"
    );
    let refused = sim.ask(&get(path, "")).await;
    assert!(refused.starts_with("HTTP/1.1 401"), "{refused}");
}

#[tokio::test]
async fn a_black_hole_answers_no_ping_until_it_is_over() {
    let sim = start(Faults {
        black_hole: true,
        ..Faults::default()
    })
    .await;
    let (mut socket, _) = within(connect_async(sim.url("/v2/iex"))).await.expect("open");
    let welcome = within(socket.next()).await.expect("open").expect("readable");
    assert!(welcome.is_text());
    socket.send(Message::Ping("x".into())).await.expect("sent");
    let early = tokio::time::timeout(Duration::from_millis(50), socket.next()).await;
    assert!(early.is_err(), "{early:?}");
    sim.order(r#"{"faults":{}}"#).await;
    let pong = within(socket.next()).await.expect("open").expect("readable");
    assert!(pong.is_pong());
}

#[tokio::test]
async fn orders_are_taken_from_this_host_and_from_no_web_page() {
    let sim = start(Faults::default()).await;
    let stands = sim.order(r#"{"faults":{"delay_ms":5}}"#).await;
    assert!(stands.contains(r#""delay_ms":5"#), "{stands}");
    let shown = sim.ask("GET /control HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert!(shown.contains(r#""delay_ms":5"#), "{shown}");
    let page = "POST /control HTTP/1.1\r\nHost: x\r\nOrigin: http://evil\r\nContent-Length: 2\r\n\r\n{}";
    assert!(sim.ask(page).await.starts_with("HTTP/1.1 403"));
    let unknown = sim.order(r#"{"fault":{}}"#).await;
    assert!(
        unknown.starts_with("HTTP/1.1 400") && unknown.contains("unknown field"),
        "{unknown}"
    );
}
