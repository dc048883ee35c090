//! The `alpaca` client against the simulator, on real sockets.

mod common;

use alpaca::{ConnectionManager, Credentials, Event, MarketData, Options, State, Topic};
use common::{Sim, free_port, within};
use market_sim::Settings;
use tokio::sync::mpsc::Receiver;

fn credentials() -> Credentials {
    Credentials::new("KEY", "SECRET")
}

fn symbols(names: &[&str]) -> Vec<String> {
    names.iter().map(ToString::to_string).collect()
}

fn topics(names: &[&str]) -> Vec<Topic> {
    names.iter().copied().map(Topic::trades).collect()
}

fn connect(manager: &ConnectionManager, sim: &Sim) -> MarketData {
    manager
        .market_data(&credentials(), &sim.url("/v2/iex"))
        .expect("a usable URL")
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

async fn trade_of(events: &mut Receiver<Event>, symbol: &str) {
    event(events, |event| match event {
        Event::Trades(trades) => trades.iter().any(|trade| trade.symbol() == symbol),
        _ => false,
    })
    .await;
}

#[tokio::test]
async fn from_subscription_to_trades_to_a_clean_close() {
    let sim = Sim::start(Settings::default()).await;
    let manager = ConnectionManager::new();
    let data = connect(&manager, &sim);
    let mut events = data.events();
    data.subscribe(&symbols(&["aapl", "TSLA"]));
    assert_eq!(within(events.recv()).await, Some(Event::Connected));
    let confirmed = topics(&["AAPL", "TSLA"]);
    let subscribed = Event::Subscribed {
        topics: confirmed.clone(),
    };
    assert_eq!(within(events.recv()).await, Some(subscribed));
    let Event::Trades(trades) = event(&mut events, |e| matches!(e, Event::Trades(_))).await else {
        panic!("trades were asked for");
    };
    assert_eq!(trades[0].exchange().name(), "IEX");
    assert!(price(&trades[0]) > 200.0);
    assert!(trades[0].timestamp().ends_with('Z'));
    let status = data.status().borrow().clone();
    assert_eq!(status.state, State::Live);
    assert_eq!((status.desired, status.confirmed), (confirmed.clone(), confirmed));
    assert!(status.connected_at.is_some() && status.last_data.is_some());
    within(data.close()).await;
    // The place is free at once: a second connection would be refused for 5 s.
    let data = connect(&manager, &sim);
    let mut events = data.events();
    data.subscribe(&symbols(&["MSFT"]));
    trade_of(&mut events, "MSFT").await;
}

#[tokio::test]
async fn msgpack_carries_the_same() {
    let sim = Sim::start(Settings::default()).await;
    let manager = ConnectionManager::with(Options::default().msgpack());
    let data = connect(&manager, &sim);
    let mut events = data.events();
    data.subscribe(&symbols(&["AAPL"]));
    let Event::Trades(trades) = event(&mut events, |e| matches!(e, Event::Trades(_))).await else {
        panic!("trades were asked for");
    };
    assert_eq!((trades[0].symbol(), trades[0].id()), ("AAPL", 1));
    assert!(price(&trades[0]) > 200.0 && trades[0].conditions().len() > 0);
    assert!(trades[0].timestamp().starts_with("20") && trades[0].timestamp().ends_with('Z'));
    assert_eq!(data.status().borrow().confirmed, topics(&["AAPL"]));
}

#[tokio::test]
async fn many_threads_share_one_connection() {
    let sim = Sim::start(Settings::default()).await;
    let manager = ConnectionManager::new();
    let mut users = Vec::new();
    for n in 0..100 {
        let (manager, url) = (manager.clone(), sim.url("/v2/iex"));
        users.push(tokio::task::spawn_blocking(move || {
            let data = manager.market_data(&credentials(), &url).expect("a URL");
            data.subscribe(&[format!("SYM{}", n % 20)]);
            data
        }));
    }
    let mut handles = Vec::new();
    for user in users {
        handles.push(user.await.expect("no panic"));
    }
    let mut status = handles[0].status();
    let all = within(status.wait_for(|status| status.confirmed.len() == 20)).await;
    assert_eq!(all.expect("running").reconnects, 0);
}

#[tokio::test]
async fn a_connection_waits_for_the_close_of_the_one_before() {
    let sim = Sim::start(Settings::default()).await;
    let manager = ConnectionManager::new();
    for _ in 0..20 {
        let data = connect(&manager, &sim);
        let mut status = data.status();
        data.subscribe(&symbols(&["AAPL"]));
        let live = status.wait_for(|status| status.state == State::Live);
        within(live).await.expect("running");
        // Dropped, not closed: the next connection is asked for while this one still closes.
    }
}

#[tokio::test]
async fn over_the_limit_the_newest_symbols_are_refused() {
    let settings = Settings {
        symbol_limit: Some(3),
        ..Settings::default()
    };
    let sim = Sim::start(settings).await;
    let data = connect(&ConnectionManager::new(), &sim);
    let mut events = data.events();
    data.subscribe(&symbols(&["E", "D", "C", "B", "A"]));
    let refusal = event(&mut events, |e| matches!(e, Event::Refused { .. })).await;
    let expected = Event::Refused {
        topics: topics(&["A", "B"]),
        code: 405,
        message: "symbol limit exceeded".into(),
    };
    assert_eq!(refusal, expected);
    trade_of(&mut events, "C").await;
    data.reconnect();
    event(&mut events, |e| matches!(e, Event::Disconnected { .. })).await;
    trade_of(&mut events, "E").await;
    let status = data.status().borrow().clone();
    assert_eq!(status.confirmed, topics(&["C", "D", "E"]));
    assert_eq!(status.reconnects, 1);
}

#[tokio::test]
async fn bad_credentials_are_final() {
    let settings = Settings {
        credentials: Some(("OTHER".into(), "SECRET".into())),
        ..Settings::default()
    };
    let sim = Sim::start(settings).await;
    let data = connect(&ConnectionManager::new(), &sim);
    let mut events = data.events();
    data.subscribe(&symbols(&["AAPL"]));
    let fatal = event(&mut events, |e| matches!(e, Event::Fatal { .. })).await;
    assert!(matches!(fatal, Event::Fatal { code: 402, message } if message.contains("ALPACA_API_KEY")));
    let mut status = data.status();
    let end = status.wait_for(|status| status.state == State::Fatal);
    within(end).await.expect("running");
    within(data.close()).await;
}

#[tokio::test]
async fn a_held_slot_is_a_state_and_no_failure() {
    let sim = Sim::start(Settings::default()).await;
    let (first, second) = (ConnectionManager::new(), ConnectionManager::new());
    let holder = connect(&first, &sim);
    let mut status = holder.status();
    holder.subscribe(&symbols(&["AAPL"]));
    let live = status.wait_for(|status| status.state == State::Live);
    within(live).await.expect("running");
    let waiting = connect(&second, &sim);
    let mut status = waiting.status();
    waiting.subscribe(&symbols(&["AAPL"]));
    let held = status.wait_for(|status| status.state == State::SlotHeld);
    let held = within(held).await.expect("running").clone();
    assert!(held.detail.is_some_and(|detail| detail.contains("406")));
    assert_eq!(holder.status().borrow().state, State::Live);
}

#[tokio::test]
async fn processes_of_a_host_take_turns_by_a_lease() {
    let sim = Sim::start(Settings::default()).await;
    let folder = tempfile::tempdir().expect("a folder");
    // Managers share nothing but the folder, as processes do.
    let manager = || ConnectionManager::with(Options::default().lease_folder(folder.path().into()));
    let old = connect(&manager(), &sim);
    let mut status = old.status();
    old.subscribe(&symbols(&["AAPL"]));
    let live = status.wait_for(|status| status.state == State::Live);
    within(live).await.expect("running");
    let new = connect(&manager(), &sim);
    let mut status = new.status();
    new.subscribe(&symbols(&["AAPL"]));
    let held = status.wait_for(|status| status.state == State::SlotHeld);
    let held = within(held).await.expect("running").clone();
    let detail = held.detail.expect("for whom it waits");
    assert!(
        detail.contains(&format!("(process {})", std::process::id())),
        "{detail}"
    );
    within(old.close()).await;
    let live = status.wait_for(|status| status.state == State::Live);
    within(live).await.expect("running");
    // Had it been refused once, it would have waited 5 s.
    let metrics = sim.ask("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert!(metrics.contains("market_sim_logins_total 2\n"), "{metrics}");
    assert!(!metrics.contains("market_sim_errors_total{"), "{metrics}");
    assert!(!metrics.contains("market_sim_refused_total{"), "{metrics}");
    assert_eq!(new.status().borrow().reconnects, 0);
}

#[tokio::test]
async fn the_upstream_goes_away_and_comes_back() {
    let port = free_port();
    let sim = Sim::start_at(port, Settings::default()).await;
    let data = connect(&ConnectionManager::new(), &sim);
    let mut events = data.events();
    data.subscribe(&symbols(&["AAPL"]));
    trade_of(&mut events, "AAPL").await;
    within(sim.stop()).await;
    let lost = event(&mut events, |e| matches!(e, Event::Disconnected { .. })).await;
    let Event::Disconnected { reason } = lost else {
        panic!("a loss was asked for");
    };
    assert!(reason.contains("the market simulator is stopping"), "{reason}");
    let _sim = Sim::start_at(port, Settings::default()).await;
    data.reconnect();
    trade_of(&mut events, "AAPL").await;
    assert_eq!(data.status().borrow().reconnects, 1);
}

#[tokio::test]
async fn closing_all_closes_what_others_still_hold() {
    let sim = Sim::start(Settings::default()).await;
    let manager = ConnectionManager::new();
    let data = connect(&manager, &sim);
    let mut events = data.events();
    data.subscribe(&symbols(&["AAPL"]));
    trade_of(&mut events, "AAPL").await;
    within(manager.close_all()).await;
    assert_eq!(data.status().borrow().state, State::Closed);
    let again = connect(&manager, &sim);
    let mut events = again.events();
    again.subscribe(&symbols(&["AAPL"]));
    trade_of(&mut events, "AAPL").await;
}

fn price(trade: &alpaca::Trade) -> f64 {
    trade.price().parse().expect("a number")
}
