//! Sockets that outlive a service's runs: clients wait while it restarts, and are never refused.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::house::{House, free_port, until};

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
fn a_stopped_service_refuses_and_a_flush_frees() {
    let port = free_port();
    let house = House::new(&activated(port));
    house.run(&["start"]).exits(0);
    house.run(&["stop"]).exits(0);
    assert!(ask(port).is_err(), "nobody listens for a stopped service");
    house.run(&["start", "web"]).exits(0);
    let supervisor = house.supervisor();
    let report = house.run(&["flush", "--json"]).exits(0).json();
    assert_eq!(report["ports"][0]["outcome"], "freed", "{report}");
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
