//! Strangers on ports that are ours: noticed where the supervisor looks anyway, told, and told again when they go.

use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::alerts::{listen, take};
use crate::house::{House, free_port, until};
use crate::trouble::web;

/// Waits for the alert about a port that stands so, and gives its words.
fn alert(listener: &TcpListener, state: &str) -> String {
    loop {
        let (_, message) = take(listener, "200 OK");
        let told: Vec<Value> = message["alerts"].as_array().expect("alerts").clone();
        let mut ports = told.iter().filter(|told| told["kind"] == "port");
        if let Some(found) = ports.find(|told| told["state"] == state) {
            return found["words"].as_str().unwrap_or_default().to_owned();
        }
    }
}

/// A process that no house knows of, on this port.
struct Stranger(Child);

impl Stranger {
    fn on(house: &House, port: u16) -> Self {
        let chaos = std::path::Path::new(env!("CARGO_BIN_EXE_sentinel")).with_file_name("chaos");
        let mut stranger = Command::new(chaos);
        stranger
            .args(["--listen", &port.to_string()])
            .current_dir(house.path(""));
        let stranger = stranger.stdout(Stdio::null()).stderr(Stdio::null());
        let stranger = Self(stranger.spawn().expect("it runs"));
        until("it listens", || TcpStream::connect(("127.0.0.1", port)).is_ok());
        stranger
    }
}

impl Drop for Stranger {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn house(hook: u16, services: &str) -> House {
    House::new(&format!(
        "[alerts]\nwebhook = \"http://127.0.0.1:{hook}/\"\ngroup = \"50ms\"\nkinds = [\"port\"]\ndisk_free = \"0%\"\n{services}"
    ))
}

#[test]
fn a_stranger_on_the_port_of_a_stopped_service_is_told_at_the_next_look_and_once() {
    let (hook, port) = (free_port(), free_port());
    let listener = listen(hook);
    let house = house(hook, &web("web", port));
    house.run(&["start"]).exits(0);
    house.run(&["stop", "web"]).exits(0);
    let stranger = Stranger::on(&house, port);
    house.run(&["status"]).exits(3).says("is held by chaos");
    let words = alert(&listener, "firing");
    assert!(
        words.starts_with(&format!("port {port} is held by chaos (pid {})", stranger.0.id())),
        "{words}"
    );
    house.run(&["status"]).exits(3);
    drop(stranger);
    house.run(&["status"]).exits(3);
    alert(&listener, "resolved");
    let events = house.run(&["events", "web", "-n", "50"]).exits(0).out;
    assert_eq!(events.matches("port taken").count(), 1, "{events}");
    assert_eq!(events.matches("port free").count(), 1, "{events}");
}

#[test]
fn a_stranger_on_the_port_of_a_service_that_restarts_is_told_and_over_when_it_is_ready() {
    let (hook, port) = (free_port(), free_port());
    let listener = listen(hook);
    let quick = "min_uptime = \"50ms\"\nmax_restarts = 0\nretry_fatal = \"200ms\"\n";
    let house = house(hook, &(web("web", port) + quick));
    house.run(&["start"]).exits(0);
    house.run(&["stop", "web"]).exits(0);
    let stranger = Stranger::on(&house, port);
    house.run(&["start", "web"]).exits(1).says("is held by chaos");
    alert(&listener, "firing");
    drop(stranger);
    until("it is back", || house.running("web").is_some());
    alert(&listener, "resolved");
}

#[test]
fn a_stranger_that_took_the_port_of_a_run_is_told_when_the_probe_fails() {
    let (hook, port) = (free_port(), free_port());
    let listener = listen(hook);
    // It holds its port for a while only, and lives on.
    let script = format!(
        "import os,socket,time; s=socket.create_server((\"127.0.0.1\",{port})); exec(\"while not os.path.exists(\\\"let-go\\\"): time.sleep(0.01)\"); s.close(); open(\"gone\",\"w\").close(); time.sleep(1000)"
    );
    let services = format!(
        "[services.web]\ncommand = [\"python3\", \"-c\", '''{script}''']\nports = [{port}]\nmin_uptime = \"20ms\"\n\
         health = {{ exec = [\"test\", \"!\", \"-e\", \"strange\"], every = \"50ms\", on_unhealthy = \"alert\" }}\n"
    );
    let house = house(hook, &services);
    if house.run(&["check"]).code != 0 {
        return eprintln!("skipped: no python3; scripts/test_tools installs it");
    }
    house.run(&["start"]).exits(0);
    std::fs::write(house.path("let-go"), "").expect("written");
    until("the port is free", || house.path("gone").exists());
    let _stranger = Stranger::on(&house, port);
    std::fs::write(house.path("strange"), "").expect("written");
    let words = alert(&listener, "firing");
    assert!(words.contains("is held by chaos"), "{words}");
}

#[test]
fn without_a_supervisor_whatever_answers_is_vouched_for_by_nobody() {
    let port = free_port();
    let health = format!("health = {{ tcp = \"127.0.0.1:{port}\" }}\n");
    let house = House::new(&(web("web", port) + &health));
    let stranger = Stranger::on(&house, port);
    let status = house
        .run(&["status"])
        .exits(4)
        .says(
            "there is no supervisor; 1 service is declared, and 1 probe is answered by a process that is not",
        )
        .says("unsupervised answer")
        .says("is held by chaos");
    assert!(!status.out.contains("healthy"), "{status:?}");
    let reason = &house.service("web")["reason"];
    assert!(
        reason
            .as_str()
            .is_some_and(|reason| reason.contains("unsupervised process")),
        "{reason}"
    );
    drop(stranger);
    house.run(&["status"]).exits(4).says("no answer");
}
