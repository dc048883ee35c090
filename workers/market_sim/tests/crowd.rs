//! Five processes of a hundred threads each ask the connection manager at once, for data and for orders, in
//! any order, give back and ask again, and are killed and restarted meanwhile: the simulator never sees two
//! connections of one key.

mod common;

use std::process::{Child, Command, Stdio};
use std::sync::Barrier;
use std::time::Duration;

use alpaca::{ConnectionManager, Credentials, Options};
use common::{Sim, within};
use market_sim::Settings;

const THREADS: usize = 100;
const PROCESSES: usize = 5;
const RESTARTS: usize = 10;
/// So often each thread asks without a pause; then it waits until all others of its process have, and all rest.
const TURNS: usize = 10;
const REST: Duration = Duration::from_millis(100);

/// Set in the processes that this test starts of itself.
const URL: &str = "MARKET_SIM_CROWD_URL";
const LEASES: &str = "MARKET_SIM_CROWD_LEASES";

/// One process of the crowd: does nothing unless it was started as such, and then until it is ended.
#[test]
fn one_of_the_crowd() {
    let (Ok(url), Ok(leases)) = (std::env::var(URL), std::env::var(LEASES)) else {
        return;
    };
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder.enable_all().build().expect("a runtime");
    let manager = ConnectionManager::with(Options::default().lease_folder(leases.into()));
    let all_are_done = Barrier::new(THREADS);
    std::thread::scope(|scope| {
        for number in 0..THREADS {
            let (manager, runtime, url) = (&manager, runtime.handle().clone(), &url);
            let all_are_done = &all_are_done;
            scope.spawn(move || {
                let _inside = runtime.enter();
                for round in 0.. {
                    for turn in 0..TURNS {
                        ask(manager, url, number + round * TURNS + turn);
                    }
                    // Now nobody holds anything, however slow the machine, so that it is closed; it is asked
                    // for again meanwhile.
                    all_are_done.wait();
                    pause(REST);
                }
            });
        }
        runtime.block_on(std::future::pending::<()>());
    });
}

#[expect(
    clippy::disallowed_methods,
    reason = "the crowd's own pace: nothing is waited for"
)]
fn pause(time: Duration) {
    std::thread::sleep(time);
}

/// Asks for one of the two or both, holds it for a moment, and gives it back.
fn ask(manager: &ConnectionManager, url: &str, turn: usize) {
    let credentials = Credentials::new("KEY", "SECRET");
    let data = (!turn.is_multiple_of(3)).then(|| {
        let data = manager.market_data(&credentials, &format!("{url}/v2/iex"));
        let data = data.expect("a usable address");
        data.subscribe(&["AAPL".into()]);
        data
    });
    let orders = (turn % 3 != 1).then(|| {
        let orders = manager.trading(&credentials, &format!("{url}/stream"));
        let orders = orders.expect("a usable address");
        orders.listen();
        orders
    });
    pause(Duration::from_millis((turn * 7 % 10) as u64));
    drop((data, orders));
}

/// A process of the crowd; killed when it is dropped.
struct Crowd(Child);

impl Crowd {
    fn start(sim: &Sim, leases: &std::path::Path) -> Self {
        let mut command = Command::new(std::env::current_exe().expect("known"));
        command
            .args(["--exact", "one_of_the_crowd", "--nocapture"])
            .env(URL, sim.url(""))
            .env(LEASES, leases)
            .env("RUST_LOG", "off");
        let quiet = command.stdout(Stdio::null()).stderr(Stdio::null());
        Self(quiet.spawn().expect("it starts"))
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        // One that has ended need not be killed.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

async fn logins(sim: &Sim) -> u64 {
    let metrics = sim.ask("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n").await;
    let line = metrics
        .lines()
        .find_map(|line| line.strip_prefix("market_sim_logins_total "));
    line.and_then(|count| count.parse().ok()).expect("told")
}

#[tokio::test]
async fn five_processes_of_a_hundred_threads_never_have_two_connections() {
    let sim = Sim::start(Settings::default()).await;
    let leases = tempfile::tempdir().expect("a folder");
    let start = || Crowd::start(&sim, leases.path());
    let mut crowd: Vec<Crowd> = (0..PROCESSES).map(|_| start()).collect();
    for restart in 0..RESTARTS {
        let before = logins(&sim).await;
        within(async {
            while logins(&sim).await < before + 2 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await;
        crowd[restart % PROCESSES] = start();
    }
    drop(crowd);
    let metrics = sim.ask("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n").await;
    for line in [
        "market_sim_most_open{endpoint=\"iex\"} 1\n",
        "market_sim_most_open{endpoint=\"orders\"} 1\n",
    ] {
        assert!(metrics.contains(line), "{line}: {metrics}");
    }
    assert!(!metrics.contains("market_sim_errors_total{"), "{metrics}");
    assert!(!metrics.contains("market_sim_refused_total{"), "{metrics}");
}
