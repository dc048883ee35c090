//! A soak of the stream: random faults of the simulator's, and an account of every single trade.
//!
//! Started by `scripts/soak_stream`, which starts the workers. A bot (Alpaca's protocol, which tells ids)
//! takes note of every id; a client of the stream's own protocol, and one behind the proxy, check that
//! numbers follow each other and take note of gaps. In the end each id is there once, or a gap tells
//! that it is not.

mod account;
mod clients;
mod faults;
mod raw;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use account::Account;
use clients::{http, metric};
use tokio::sync::watch;
use tokio::time::{interval, sleep};

/// What is subscribed.
pub const SYMBOLS: [&str; 10] = [
    "AAPL", "AMD", "AMZN", "META", "MSFT", "NVDA", "PLTR", "QQQ", "SPY", "TSLA",
];
/// The memory of the last minute may be so much above that of the first: a half, and this.
const ROOM_KB: u64 = 24 * 1024;
/// And that of the last third above that of the second: a tenth, and this. In the first third the kinds of
/// fault have their first turn, and each takes the room that it needs.
const GROWTH_KB: u64 = 8 * 1024;

struct Arguments {
    sim: u16,
    stream: u16,
    proxy: u16,
    seconds: u64,
    pids: Vec<(String, u32)>,
}

fn arguments() -> Arguments {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let number = |index: usize| words[index].parse().expect("a number");
    Arguments {
        sim: number(0),
        stream: number(1),
        proxy: number(2),
        seconds: words[3].parse().expect("a number"),
        pids: words[4..]
            .iter()
            .map(|word| {
                let (name, pid) = word.split_once('=').expect("NAME=PID");
                (name.to_owned(), pid.parse().expect("a number"))
            })
            .collect(),
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments = arguments();
    let account = Arc::new(Account::default());
    let (stop, stopped) = watch::channel(false);
    let Arguments {
        sim, stream, proxy, ..
    } = arguments;
    tokio::spawn(clients::bot(stream, Arc::clone(&account)));
    tokio::spawn(clients::browser(stream, "8765", Arc::clone(&account)));
    tokio::spawn(clients::browser(proxy, "8766", Arc::clone(&account)));
    // Nothing can be judged before a rate is known.
    sleep(Duration::from_secs(12)).await;
    let is_calm = std::env::var_os("SOAK_CALM").is_some();
    let striking = tokio::spawn(faults::strike(sim, is_calm, Arc::clone(&account), stopped));
    let memory = watch_memory(&arguments, &account).await;
    stop.send_replace(true);
    let struck = striking.await.expect("no panic");
    http(sim, "POST", "/control", r#"{"faults":{}}"#).await;
    settle(stream).await;
    let cut = account.newest();
    sleep(Duration::from_secs(8)).await;
    println!("\nfaults struck:");
    for (name, times) in &struck {
        println!("  {times:4} x {name}");
    }
    let is_flat = tell_memory(&memory);
    let metrics = http(stream, "GET", "/metrics", "").await;
    println!(
        "\nthe simulator made {} trades; trade_stream counts:",
        metric(
            &http(sim, "GET", "/metrics", "").await,
            "market_sim_trades_made_total"
        )
    );
    for name in [
        "trades_in_total",
        "duplicate_trades_total",
        "backfilled_trades_total",
        "upstream_reconnects_total",
        "mute_alarms_total",
        "renewed_symbols_total",
        "slow_client_total",
        "missed_total",
        "gaps_total{reason=\"upstream\"}",
        "gaps_total{reason=\"overrun\"}",
        "backfills_total{outcome=\"filled\"}",
        "backfills_total{outcome=\"failed\"}",
    ] {
        println!(
            "  {:38} {}",
            name,
            metric(&metrics, &format!("trade_stream_{name}"))
        );
    }
    match account.verdict(&cut) && is_flat {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}

/// Waits until trades come and nothing is being fetched any more.
async fn settle(stream: u16) {
    let mut before = String::new();
    for _ in 0..60 {
        sleep(Duration::from_secs(1)).await;
        let metrics = http(stream, "GET", "/metrics", "").await;
        let filled = ["filled", "failed"].map(|outcome| {
            metric(
                &metrics,
                &format!("trade_stream_backfills_total{{outcome=\"{outcome}\"}}"),
            )
        });
        let now = format!(
            "{filled:?}{}",
            metric(&metrics, "trade_stream_backfilled_trades_total")
        );
        let is_up = metric(&metrics, "trade_stream_upstream_connected") == "1";
        if is_up && now == before {
            return;
        }
        before = now;
    }
}

type Memory = Vec<Vec<u64>>;

/// Samples the resident memory of each process, in kB, every second until the time is over.
async fn watch_memory(arguments: &Arguments, account: &Account) -> (Vec<String>, Memory) {
    let began = Instant::now();
    let mut tick = interval(Duration::from_secs(1));
    let mut samples: Memory = vec![Vec::new(); arguments.pids.len()];
    while began.elapsed() < Duration::from_secs(arguments.seconds) {
        tick.tick().await;
        for (index, (name, pid)) in arguments.pids.iter().enumerate() {
            let status = std::fs::read_to_string(format!("/proc/{pid}/status"));
            let status = status.unwrap_or_else(|_| panic!("{name} has ended"));
            let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
            let kb = line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok());
            samples[index].push(kb.unwrap_or_default());
        }
        if samples[0].len().is_multiple_of(60) {
            println!("{:3} min: {}", samples[0].len() / 60, account.line());
        }
    }
    (
        arguments.pids.iter().map(|(name, _)| name.clone()).collect(),
        samples,
    )
}

/// Prints the median of each minute and third; whether the last ones are near those before. What the
/// simulator keeps for REST is bounded by `--keep-trades`, and not full in the first minutes.
fn tell_memory((names, samples): &(Vec<String>, Memory)) -> bool {
    println!("\nresident memory in kB, the median of each minute:");
    let mut is_flat = true;
    for (name, samples) in names.iter().zip(samples) {
        let minutes: Vec<u64> = samples
            .chunks(60)
            .filter(|minute| minute.len() >= 30)
            .map(median)
            .collect();
        let third = samples.len() / 3;
        let [first, second, last] = [0, 1, 2].map(|at| median(&samples[at * third..(at + 1) * third]));
        let most = samples.iter().max().unwrap_or(&0);
        println!("  {name}: {minutes:?}, most {most}; thirds {first}, {second}, {last}");
        // In less than nine minutes not every fault has struck in the first third.
        let crept = minutes.len() >= 9 && last > second + second / 10 + GROWTH_KB;
        let swelled = minutes.last().copied() > minutes.first().map(|first| first * 3 / 2 + ROOM_KB);
        if name != "market_sim" && (crept || swelled) {
            println!("  {name} has grown");
            is_flat = false;
        }
    }
    is_flat
}

fn median(samples: &[u64]) -> u64 {
    let mut sorted = samples.to_vec();
    sorted.sort_unstable();
    sorted[sorted.len() / 2]
}
