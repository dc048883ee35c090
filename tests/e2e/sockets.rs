//! Sockets that outlive a service's runs: clients wait while it restarts, and are never refused.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::house::{House, alive, free_port, one_of_three, signal, until};

fn activated(port: u16) -> String {
    format!(
        "[services.web]\ncommand = \"chaos --activated\"\nsockets = [\"127.0.0.1:{port}\"]\n\
         ready = {{ http = \"http://127.0.0.1:{port}/\" }}\n"
    )
}

/// One request; the status line, or what went wrong.
fn ask(port: u16) -> Result<String, std::io::Error> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer.lines().next().unwrap_or_default().to_owned())
}

#[test]
fn clients_wait_while_it_restarts() {
    let port = free_port();
    let house = House::new(&activated(port));
    house.run(&["start"]).exits(0);
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let connecting = scope.spawn(|| {
            let mut connected = 0;
            while !done.load(Ordering::Relaxed) {
                TcpStream::connect(("127.0.0.1", port)).expect("never refused");
                connected += 1;
            }
            connected
        });
        for _ in 0..3 {
            house.run(&["restart", "web"]).exits(0);
        }
        done.store(true, Ordering::Relaxed);
        assert!(connecting.join().expect("it ends") > 0);
    });
    assert_eq!(ask(port).expect("answered"), "HTTP/1.1 200 OK");
    let status = house.run(&["status", "--json"]).exits(0).json();
    assert_eq!(status["ports"][0]["state"], "ok", "{status}");
    assert_eq!(
        status["ports"][0]["pid"], status["services"][0]["pid"],
        "the service is named, not its keeper"
    );
}

#[test]
fn hundreds_may_wait_at_once() {
    one_of_three(hundreds_wait);
}

fn hundreds_wait() {
    let port = free_port();
    let house = House::new(&activated(port));
    house.run(&["start"]).exits(0);
    let stopped = house.pid("web");
    signal(stopped, Signal::SIGSTOP);
    // Beyond the queue a connection is made in the second try at the soonest, a second later.
    let began = Instant::now();
    let waiting: Vec<_> = (0..400)
        .map(|_| TcpStream::connect(("127.0.0.1", port)).expect("it waits"))
        .collect();
    let took = began.elapsed();
    signal(stopped, Signal::SIGCONT);
    assert!(
        took < Duration::from_millis(900),
        "{} took {took:?}",
        waiting.len()
    );
}

#[test]
fn a_stopped_service_refuses_and_a_flush_frees() {
    let port = free_port();
    let house = House::new(&activated(port));
    house.run(&["start"]).exits(0);
    house.run(&["stop"]).exits(0);
    assert!(ask(port).is_err(), "nobody listens for a stopped service");
    house.run(&["start", "web"]).exits(0);
    let supervisor = house.supervisor();
    let left = house.run(&["flush", "--strays"]).exits(0);
    left.says("1 port is left to its service");
    let ran = house.run(&["flush"]).exits(0);
    assert!(!ran.out.contains("sentinel (pid"), "the service held it: {ran:?}");
    ran.says("stopped: web; to start again: sentinel start web");
    house.run(&["start", "web"]).exits(0);
    let report = house.run(&["flush", "--json"]).exits(0).json();
    assert_eq!(report["ports"][0]["outcome"], "freed", "{report}");
    assert_eq!(
        report["ports"][0]["holders"].as_array().map(Vec::len),
        Some(1),
        "{report}"
    );
    assert_eq!(house.supervisor(), supervisor, "the keeper lives");
    assert_eq!(house.service("web")["state"], "STOPPED");
    house.run(&["restart"]).exits(0);
    until("it answers", || ask(port).is_ok());
}

#[test]
fn an_address_that_is_taken_or_none_is_told() {
    let port = free_port();
    let _taken = std::net::TcpListener::bind(("127.0.0.1", port)).expect("free");
    let house = House::new(&(activated(port) + "max_restarts = 0\n"));
    house.run(&["start"]).exits(1).says(&port.to_string());
    house.write(&activated(port).replace("127.0.0.1:", "nowhere:"));
    house
        .run(&["check"])
        .exits(5)
        .says("services.toml:3:")
        .says("127.0.0.1:8765");
}

#[test]
fn who_waits_is_not_lost_when_the_supervisor_dies() {
    let port = free_port();
    let house = House::new(&activated(port));
    house.run(&["start"]).exits(0);
    let web = house.pid("web");
    let supervisor = house.supervisor();
    signal(supervisor, Signal::SIGKILL);
    until("the supervisor is gone", || !alive(supervisor));
    assert_eq!(ask(port).expect("answered"), "HTTP/1.1 200 OK");
    house.run(&["start"]).exits(0);
    assert_eq!(house.pid("web"), web);
    assert_eq!(house.status()["ports"][0]["state"], "ok");
    // The next supervisor has the very socket back: who comes while the service restarts only waits.
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let connecting = scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                TcpStream::connect(("127.0.0.1", port)).expect("never refused");
            }
        });
        for _ in 0..3 {
            house.run(&["restart", "web"]).exits(0);
        }
        done.store(true, Ordering::Relaxed);
        connecting.join().expect("nobody was refused");
    });
    assert_ne!(house.pid("web"), web);
}

#[test]
fn its_port_is_ok_while_the_service_starts_again() {
    let port = free_port();
    let services = activated(port)
        .replace("ready =", "start_timeout = \"60s\"\nready =")
        .replace("/\" }", "/\", status = 299 }");
    let house = House::new(&services);
    let start = house.command(&["-q", "start"]).spawn().expect("it runs");
    until("it is starting", || house.service("web")["state"] == "STARTING");
    let ports = house.status()["ports"].clone();
    assert_eq!(
        (&ports[0]["state"], &ports[0]["service"]),
        (&"ok".into(), &"web".into()),
        "{ports}"
    );
    let flushed = house.run(&["flush", "--dry-run", "--json"]).exits(0).json();
    assert_eq!(flushed["ports"][0]["holders"][0]["kind"], "managed", "{flushed}");
    let supervisor = house.supervisor();
    signal(supervisor, Signal::SIGTERM);
    let _ = start.wait_with_output();
    until("it has left", || !alive(supervisor));
}
