//! The seed's worst day, replayed on real sockets and, since time is what it is about, in real time:
//! the only slow test here. The stories of `alpaca::session` play it in virtual time.

mod common;

use std::time::{Duration, Instant, SystemTime};

use alpaca::{ConnectionManager, Credentials, MarketData, Options, State, Status, Verdict};
use common::{Sim, within};
use jiff::Timestamp;
use market_sim::Settings;
use tokio::sync::watch::Receiver;

fn connect(sim: &Sim, market_time: &str) -> MarketData {
    let time: Timestamp = market_time.parse().expect("a time");
    let options = Options::default().market_time(time.into());
    let credentials = Credentials::new(market_time, "SECRET");
    let data = ConnectionManager::with(options).market_data(&credentials, &sim.url("/v2/iex"));
    let data = data.expect("a usable URL");
    data.subscribe(&["SPY".into()]);
    data
}

async fn reached(status: &mut Receiver<Status>, wanted: impl FnMut(&Status) -> bool) -> Status {
    within(status.wait_for(wanted)).await.expect("running").clone()
}

/// Of three tries one must go by the clock, which no stumble of a busy machine decides.
#[tokio::test]
async fn a_mute_feed_is_replaced_in_market_hours_and_left_alone_at_night() {
    for _ in 0..2 {
        if tokio::spawn(one_day()).await.is_ok() {
            return;
        }
    }
    one_day().await;
}

async fn one_day() {
    let settings = Settings {
        rate: 100.0,
        ..Settings::default()
    };
    let sim = Sim::start(settings).await;
    let day = connect(&sim, "2025-10-08T10:29:00-04:00");
    let night = connect(&sim, "2025-10-08T22:29:00-04:00");
    let (mut day_status, mut night_status) = (day.status(), night.status());
    reached(&mut day_status, |status| status.state == State::Live).await;
    reached(&mut night_status, |status| status.state == State::Live).await;
    // What is usual must have been seen for 5 s before anything can be called unusual. The status
    // does not wake anyone for figures, so it is waited for as long as that takes.
    tokio::time::sleep(Duration::from_millis(5500)).await;
    assert!(day.status().borrow().liveness.expected_every.is_some());

    sim.order(r#"{"faults":{"silent":["*"]}}"#).await;
    let silent = Instant::now();
    let mute = reached(&mut day_status, |status| status.liveness.mute_alarms == 1).await;
    let detected = silent.elapsed();
    assert!(detected < Duration::from_secs(4), "{detected:?}");
    let why = mute.detail.clone().expect("a reason");
    assert!(
        why.starts_with("the feed is mute: no data for 2") && why.contains("core session"),
        "{why}"
    );
    let anew = reached(&mut day_status, |status| status.state == State::Live).await;
    let connected = silent.elapsed();
    assert_eq!(
        (anew.reconnects, anew.liveness.verdict),
        (1, Some(Verdict::Suspect))
    );
    assert!(connected - detected < Duration::from_secs(1), "{connected:?}");

    sim.order(r#"{"faults":{}}"#).await;
    reached(&mut day_status, |status| status.word() == "LIVE").await;
    let night = night.status().borrow().clone();
    assert_eq!((night.state, night.reconnects), (State::Live, 0));
    let sentence = night.sentence(SystemTime::now());
    assert!(sentence.ends_with("the market is closed"), "{sentence}");
    println!("silent socket: detected after {detected:?}, live again after {connected:?}");
}
