//! The supervisor itself dies, hangs, or leaves files behind.

use std::fs;
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::house::{House, alive, free_port, signal, until};
use crate::trouble::{plain, web};

/// Deaf workers cost a test no more than this.
const SHORT_GRACE: &str = "stop = { timeout = \"200ms\" }\n";

#[test]
fn killed_it_leaves_its_workers_and_a_restart_takes_them_down() {
    let house = House::new(
        &(web("web", free_port())
            + SHORT_GRACE
            + &plain("deaf", "--ignore-term --leave daemon")
            + SHORT_GRACE),
    );
    house.run(&["restart"]).exits(0);
    let (web, deaf) = (house.pid("web"), house.pid("deaf"));
    until("the daemon lives", || house.marked().len() == 3);
    let supervisor = house.supervisor();
    signal(supervisor, Signal::SIGKILL);
    until("it is gone", || !alive(supervisor));
    house.run(&["status"]).exits(4).says("no supervisor");
    assert!(alive(web) && alive(deaf), "workers go on");
    assert_eq!(house.status()["ports"][0]["state"], "stray");
    house.run(&["restart"]).exits(0);
    assert!(!alive(web) && !alive(deaf));
    house.run(&["status"]).exits(0);
    assert_eq!(house.marked().len(), 3);
}

#[test]
fn output_written_while_there_is_no_supervisor_kills_nobody() {
    let house = House::new(&plain("chatty", "--chatter 2"));
    house.run(&["restart"]).exits(0);
    let chatty = house.pid("chatty");
    signal(house.supervisor(), Signal::SIGKILL);
    std::thread::park_timeout(Duration::from_millis(300));
    assert!(alive(chatty), "no SIGPIPE");
    house.run(&["restart"]).exits(0);
    assert!(!alive(chatty));
}

#[test]
fn stopped_it_is_unresponsive_and_an_emergency_gets_through() {
    let house = House::new(
        &(web("web", free_port()) + &plain("deaf", "--ignore-term --leave session") + SHORT_GRACE),
    );
    house.run(&["restart"]).exits(0);
    let (supervisor, web, deaf) = (house.supervisor(), house.pid("web"), house.pid("deaf"));
    signal(supervisor, Signal::SIGSTOP);
    let status = house
        .run(&["status", "--json", "--timeout", "200ms"])
        .exits(4)
        .json();
    assert_eq!(status["supervisor"]["state"], "unresponsive");
    assert_eq!(status["services"][0]["health"]["status"], "none");
    house
        .run(&["stop"])
        .exits(4)
        .says(&format!("the supervisor (pid {supervisor}) does not answer"))
        .says("sentinel restart emergency");
    assert!(alive(web) && alive(deaf), "nobody was touched");
    house.run(&["restart", "emergency"]).exits(0);
    assert!(!alive(supervisor) && !alive(web) && !alive(deaf));
    house.run(&["status"]).exits(0);
}

#[test]
fn an_emergency_after_its_death_leaves_nothing_of_the_old() {
    let tree = plain(
        "tree",
        "--ignore-term --leave group --leave session --leave daemon",
    );
    let house = House::new(&(tree + SHORT_GRACE));
    house.run(&["restart"]).exits(0);
    until("all four live", || house.marked().len() == 4);
    let old = house.marked();
    signal(house.supervisor(), Signal::SIGKILL);
    house.run(&["restart", "emergency"]).exits(0);
    assert!(old.iter().all(|&pid| !alive(pid)));
    until("four new ones live", || house.marked().len() == 4);
}

#[test]
fn stale_files_are_no_obstacle() {
    let house = House::new(&plain("web", ""));
    fs::create_dir_all(house.path(".sentinel")).expect("made");
    for (name, text) in [
        ("sock", "not a socket"),
        ("supervisor.lock", "{\"pid\":1}"),
        ("operation.lock", "?"),
    ] {
        fs::write(house.path(".sentinel").join(name), text).expect("written");
    }
    house.run(&["status"]).exits(4);
    house.run(&["restart"]).exits(0);
    house.run(&["status"]).exits(0);
    house.run(&["shutdown"]).exits(0);
    house.is_empty();
}

#[test]
fn a_file_in_place_of_the_state_folder_is_named() {
    let house = House::new(&plain("web", ""));
    fs::write(house.path(".sentinel"), "").expect("written");
    house
        .run(&["restart"])
        .exits(1)
        .says("/.sentinel must be a folder of the user who runs sentinel");
    fs::remove_file(house.path(".sentinel")).expect("ours");
}

#[test]
fn every_change_is_told_to_who_watches() {
    use std::io::{BufRead, BufReader, Write};
    let port = free_port();
    let health =
        format!("health = {{ http = \"http://127.0.0.1:{port}/\", every = \"20ms\", failures = 50 }}\n");
    let house = House::new(
        &(web("web", port).replace("\"--listen\"", "\"--sick-while\", \"sick\", \"--listen\"") + &health),
    );
    house.run(&["start"]).exits(0);
    let mut socket =
        std::os::unix::net::UnixStream::connect(house.path(".sentinel/sock")).expect("it listens");
    socket
        .write_all(b"GET /v1/events HTTP/1.1\r\nHost: x\r\n\r\n")
        .expect("written");
    let mut lines = BufReader::new(socket).lines().map_while(Result::ok);
    assert_eq!(lines.next().as_deref(), Some("HTTP/1.1 200 OK"));
    fs::write(house.path("sick"), "").expect("written");
    let mut told = |words: &[&str]| lines.any(|line| words.iter().all(|word| line.contains(word)));
    assert!(told(&["\"event\":\"health\"", "unhealthy", "503"]));
    house.run(&["stop", "web"]).exits(0);
    assert!(told(&["\"event\":\"service\"", "STOPPING"]));
    assert!(told(&["\"event\":\"service\"", "STOPPED"]));
}

#[test]
fn a_second_one_is_refused() {
    let house = House::new(&plain("web", ""));
    house.run(&["start"]).exits(0);
    let first = house.supervisor();
    house.run(&["run"]).exits(1).says("runs already");
    house.run(&["start"]).exits(0);
    assert_eq!(house.supervisor(), first);
}

#[test]
fn in_the_foreground_it_ends_by_signal_and_takes_everything_with_it() {
    let house = House::new(&web("web", free_port()));
    let mut foreground = house
        .command(&["run"])
        .stderr(std::process::Stdio::null())
        .spawn()
        .expect("it runs");
    until("all is up", || house.run(&["status"]).code == 0);
    let web = house.pid("web");
    signal(foreground.id().cast_signed(), Signal::SIGTERM);
    assert_eq!(foreground.wait().expect("it ends").code(), Some(0));
    assert!(!alive(web));
    house.is_empty();
}

#[test]
fn the_state_folder_is_private() {
    use std::os::unix::fs::PermissionsExt;
    let house = House::new(&plain("web", ""));
    house.run(&["start"]).exits(0);
    let mode = |name: &str| house.path(name).metadata().expect("there").permissions().mode() & 0o777;
    assert_eq!(mode(".sentinel"), 0o700);
    assert_eq!(mode(".sentinel/sock"), 0o600);
}

#[test]
fn a_restart_that_a_service_asks_for_outlives_that_service() {
    let sentinel = env!("CARGO_BIN_EXE_sentinel");
    let script = format!(
        "[ -e asked ] || {{ until [ -e go ]; do sleep 0.02; done; touch asked; until {sentinel} -c services.toml restart; do sleep 0.1; done; }}; exec sleep 600"
    );
    let house = House::new(&format!(
        "[services.self]\ncommand = [\"sh\", \"-c\", \"{script}\"]\nmin_uptime = \"100ms\"\n"
    ));
    house.run(&["start"]).exits(0);
    let first = house.supervisor();
    fs::write(house.path("go"), "").expect("written");
    until("another supervisor runs it", || {
        let status = house.run(&["status", "--json"]);
        status.code == 0 && status.json()["supervisor"]["pid"].as_i64() != Some(first.into())
    });
    assert!(!alive(first));
    assert_eq!(house.marked().len(), 1);
}
