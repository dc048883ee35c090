//! A hundred threads and five managers, which share nothing but the folder of leases as processes do, ask
//! for the same connection at once, with restarts in between: the simulator never has two. Real processes
//! do the same in scripts/one_connection.

mod common;

use std::time::Duration;

use alpaca::{ConnectionManager, Credentials, MarketData, Options, State};
use common::{Sim, within};
use market_sim::Settings;

const THREADS: usize = 100;
const MANAGERS: usize = 5;
const ROUNDS: usize = 4;

fn manager(folder: &std::path::Path) -> ConnectionManager {
    ConnectionManager::with(Options::default().lease_folder(folder.into()))
}

/// All threads ask at once, each the manager of its number, and subscribe.
fn ask(managers: &[ConnectionManager], url: &str) -> Vec<MarketData> {
    let runtime = tokio::runtime::Handle::current();
    let start = std::sync::Barrier::new(THREADS);
    std::thread::scope(|scope| {
        let ask = |number: usize| {
            let (start, runtime) = (&start, runtime.clone());
            let manager = &managers[number % managers.len()];
            move || {
                let _inside = runtime.enter();
                start.wait();
                let data = manager.market_data(&Credentials::new("KEY", "SECRET"), url);
                let data = data.expect("a usable address");
                data.subscribe(&["AAPL".into()]);
                data
            }
        };
        let threads: Vec<_> = (0..THREADS).map(|number| scope.spawn(ask(number))).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().expect("no panic"))
            .collect()
    })
}

/// The number of the one that is connected.
async fn connected(handles: &[MarketData]) -> usize {
    within(async {
        loop {
            let is_live = |data: &MarketData| data.status().borrow().state == State::Live;
            if let Some(found) = handles.iter().position(is_live) {
                return found % MANAGERS;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    })
    .await
}

#[tokio::test]
async fn a_hundred_threads_of_five_processes_have_one_connection_through_restarts() {
    let sim = Sim::start(Settings::default()).await;
    let folder = tempfile::tempdir().expect("a folder");
    let mut managers: Vec<_> = (0..MANAGERS).map(|_| manager(folder.path())).collect();
    let url = sim.url("/v2/iex");
    for round in 0..ROUNDS {
        let handles = ask(&managers, &url);
        let one = connected(&handles).await;
        let live: Vec<usize> = (0..MANAGERS)
            .filter(|number| handles[*number].status().borrow().state == State::Live)
            .collect();
        assert_eq!(live, [one], "round {round}");
        // The one that is connected is restarted; while it closes, all are asked again.
        let old = std::mem::replace(&mut managers[one], manager(folder.path()));
        let (again, ()) = tokio::join!(async { ask(&managers, &url) }, old.close_all());
        connected(&again).await;
    }
    let metrics = sim.ask("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert!(
        metrics.contains("market_sim_most_open{endpoint=\"iex\"} 1\n"),
        "{metrics}"
    );
    assert!(!metrics.contains("market_sim_errors_total{"), "{metrics}");
    assert!(
        !metrics.contains("market_sim_logins_total 1\n"),
        "there were restarts: {metrics}"
    );
}
