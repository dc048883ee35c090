//! Who listens where, on a host with 500 processes more: what we claim is under 10 ms.
//!
//! `cargo bench --bench ports`. Beside each figure stands what `lsof` and `ss` take for the same
//! question, where they are installed, measured in turn with ours.

use sentinel::ports::{held_by, is_listening, listeners};
use sentinel::process::{Table, own_children};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const PROCESSES: usize = 500;
const ROUNDS: usize = 41;

fn main() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    let port = listener.local_addr().expect("it is bound").port();
    for script in [
        "exec sleep 600",
        "exec 3<&0 4<&0 5<&0 6<&0 7<&0 8<&0 9<&0; exec sleep 600",
    ] {
        let mut children: Vec<Child> = (0..PROCESSES).map(|_| sleeper(script)).collect();
        figures(port);
        for child in &mut children {
            child.kill().expect("it is our child");
            child.wait().expect("it is our child");
        }
    }
}

/// All figures for one population.
fn figures(port: u16) {
    let me = i32::try_from(std::process::id()).expect("pids are below 2^22");
    let table = Table::read().expect("/proc is readable");
    let descriptors: usize = table
        .iter()
        .filter_map(|process| std::fs::read_dir(format!("/proc/{}/fd", process.pid)).ok())
        .map(Iterator::count)
        .sum();
    let total = table.iter().count();
    println!("{total} processes with {descriptors} descriptors; medians of {ROUNDS}");

    let ours = measure("listeners(8 ports), with every holder", || {
        let ports = [port, 1, 2, 3, 4, 5, 6, 7];
        assert_eq!(listeners(&ports).expect("/proc is readable").len(), 1);
    });
    measure("is_listening(port)", || {
        assert!(is_listening(port).expect("/proc is readable"));
    });
    measure("held_by(port, [pid])", || {
        assert!(held_by(port, &[me]).expect("/proc is readable"));
    });
    measure("Table::read()", || {
        assert!(Table::read().expect("/proc is readable").iter().count() > PROCESSES);
    });
    measure("own_children()", || {
        assert_eq!(own_children().expect("/proc is readable").len(), PROCESSES);
    });
    beside("lsof", &["-nP", &format!("-tiTCP:{port}"), "-sTCP:LISTEN"], ours);
    beside("ss", &["-Hltnp", &format!("sport = :{port}")], ours);
}

/// The same question to another program, if it is installed.
fn beside(program: &str, arguments: &[&str], ours: Duration) {
    let ask = || Command::new(program).args(arguments).output();
    if ask().is_err() {
        return;
    }
    let theirs = measure(program, || {
        let output = ask().expect("it is installed");
        assert!(!output.stdout.is_empty(), "{program} does not see the port");
    });
    println!(
        "{:>42} {:.1} times ours",
        "",
        theirs.as_secs_f64() / ours.as_secs_f64()
    );
}

/// A process that does nothing, with the descriptors that the script opens.
fn sleeper(script: &str) -> Child {
    Command::new("sh")
        .args(["-c", script])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .expect("sh is there")
}

/// Prints and returns the median.
fn measure(name: &str, mut work: impl FnMut()) -> Duration {
    let mut times: Vec<Duration> = (0..ROUNDS)
        .map(|_| {
            let start = Instant::now();
            work();
            start.elapsed()
        })
        .collect();
    times.sort();
    let (median, worst) = (times[ROUNDS / 2], times[ROUNDS - 1]);
    println!("{name:>42} {:8.3} ms (worst {:.3})", ms(median), ms(worst));
    median
}

fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}
