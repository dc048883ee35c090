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
    let mut children: Vec<Child> = (0..PROCESSES).map(|_| sleeper()).collect();
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    let port = listener.local_addr().expect("it is bound").port();
    let me = i32::try_from(std::process::id()).expect("pids are below 2^22");
    let total = Table::read().expect("/proc is readable").iter().count();
    println!("{total} processes, {PROCESSES} of them ours with 10 descriptors each; medians of {ROUNDS}");

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
    let port = port.to_string();
    for (program, arguments) in [
        (
            "lsof",
            vec!["-nP".to_string(), format!("-tiTCP:{port}"), "-sTCP:LISTEN".into()],
        ),
        ("ss", vec!["-Hltnp".into(), format!("sport = :{port}")]),
    ] {
        if Command::new(program)
            .arg("-v")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok()
        {
            let theirs = measure(program, || {
                let output = Command::new(program)
                    .args(&arguments)
                    .output()
                    .expect("it is installed");
                assert!(!output.stdout.is_empty(), "{program} does not see the port");
            });
            println!(
                "{:>42} {:.1} times ours",
                "",
                theirs.as_secs_f64() / ours.as_secs_f64()
            );
        }
    }
    for child in &mut children {
        child.kill().expect("it is our child");
        child.wait().expect("it is our child");
    }
}

/// A process that does nothing, with a few descriptors as real ones have.
fn sleeper() -> Child {
    let open = "exec 3</dev/null 4<&3 5<&3 6<&3 7<&3 8<&3 9<&3; exec sleep 600";
    Command::new("sh")
        .args(["-c", open])
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
