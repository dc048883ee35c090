//! The ledger from outside: each start, stop, exit, kill and command with its cause, whoever supervises.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::house::{House, alive, free_port, signal, until};
use crate::trouble::{plain, web};

/// The ledger, oldest first.
fn ledger(house: &House) -> Vec<Value> {
    let ran = house.run(&["events", "--json", "-n", "1000"]).exits(0);
    ran.out
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect()
}

/// The facts of this kind about this service.
fn of(house: &House, service: &str, what: &str) -> Vec<Value> {
    let wanted = |fact: &Value| fact["service"] == service && fact["what"] == what;
    ledger(house).into_iter().filter(wanted).collect()
}

fn me() -> u32 {
    nix::unistd::geteuid().as_raw()
}

#[test]
fn every_start_stop_and_exit_names_its_cause() {
    let house = House::new(&(plain("db", "") + &plain("web", "") + "after = [\"db\"]\n"));
    house
        .run(&["events"])
        .exits(0)
        .says("nothing has happened here yet");
    house.run(&["start", "web"]).exits(0);
    let needed = &of(&house, "db", "started")[0];
    assert_eq!(needed["cause"]["by"], "dependency", "{needed}");
    assert_eq!(needed["cause"]["service"], "web");
    let started = &of(&house, "web", "started")[0];
    assert_eq!(
        (&started["cause"]["by"], started["cause"]["uid"].as_u64()),
        (&"operator".into(), Some(me().into()))
    );
    assert_eq!(started["pid"], house.pid("web"));

    signal(house.pid("web"), Signal::SIGABRT);
    until("it is back", || of(&house, "web", "ready").len() == 2);
    let exited = &of(&house, "web", "exited")[0];
    assert_eq!(
        (&exited["exit"]["signal"], &exited["cause"]),
        (&"SIGABRT".into(), &Value::Null),
        "{exited}"
    );
    let again = &of(&house, "web", "started")[1];
    assert_eq!(
        (&again["cause"]["by"], &again["cause"]["words"]),
        (&"exit".into(), &"SIGABRT".into()),
        "{again}"
    );

    house.run(&["stop", "web"]).exits(0);
    let stopping = &of(&house, "web", "stopping")[0];
    assert_eq!(stopping["cause"]["command"], "sentinel stop web", "{stopping}");
    let ended = of(&house, "web", "exited").pop().expect("ended");
    assert_eq!(ended["cause"]["command"], "sentinel stop web", "{ended}");
    house.run(&["shutdown"]).exits(0);
    let facts = ledger(&house);
    assert_eq!(
        facts.last().expect("some")["what"],
        "left",
        "read without a supervisor"
    );
    assert!(
        facts
            .windows(2)
            .all(|pair| pair[1]["seq"].as_u64() == pair[0]["seq"].as_u64().map(|seq| seq + 1))
    );
    assert!(
        facts
            .windows(2)
            .all(|pair| pair[0]["boot_ms"].as_u64() <= pair[1]["boot_ms"].as_u64())
    );
    let text = house.run(&["events", "-n", "100"]).exits(0).out;
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    house.run(&["events", "wbe"]).exits(2).says("web");
}

#[test]
fn it_goes_on_after_a_crash_and_says_so() {
    let house = House::new(&plain("web", ""));
    house.run(&["start"]).exits(0);
    let (supervisor, web) = (house.supervisor(), house.pid("web"));
    signal(supervisor, Signal::SIGKILL);
    until("the supervisor is gone", || !alive(supervisor));
    house.run(&["start"]).exits(0);
    let whats: Vec<String> = ledger(&house)
        .iter()
        .map(|fact| fact["what"].as_str().expect("a word").to_owned())
        .collect();
    assert_eq!(
        whats,
        ["began", "started", "ready", "died", "began", "adopted", "ready"]
    );
    assert_eq!(of(&house, "web", "adopted")[0]["pid"], web);
    house.run(&["events", "web"]).exits(0).says("adopted");
}

#[test]
fn a_kill_and_a_sick_probe_are_told_in_their_own_words() {
    let port = free_port();
    let health =
        format!("health = {{ http = \"http://127.0.0.1:{port}/\", every = \"20ms\", failures = 2 }}\n");
    let sick = format!(
        "[services.sick]\ncommand = \"chaos --listen {port} --sick-while sick\"\nports = [{port}]\n{health}"
    );
    let deaf = plain("deaf", "--ignore-term") + "stop = { timeout = \"100ms\" }\n";
    let house = House::new(&(sick + &deaf));
    house.run(&["start"]).exits(0);
    std::fs::write(house.path("sick"), "").expect("written");
    until("it was restarted", || !of(&house, "sick", "stopping").is_empty());
    let stopping = &of(&house, "sick", "stopping")[0];
    assert_eq!(stopping["cause"]["by"], "health", "{stopping}");
    assert!(
        stopping["cause"]["words"]
            .as_str()
            .is_some_and(|words| words.contains("503")),
        "{stopping}"
    );
    assert!(!of(&house, "sick", "unhealthy").is_empty());
    house.run(&["stop", "deaf"]).exits(0);
    assert_eq!(of(&house, "deaf", "killed")[0]["cause"]["by"], "grace");
    assert_eq!(
        of(&house, "deaf", "exited")[0]["exit"]["oom"],
        Value::Null,
        "we killed it, nobody else"
    );
}

#[test]
fn following_shows_what_comes_also_of_the_next_supervisor() {
    let house = House::new(&web("web", free_port()));
    let mut follower = house
        .command(&["events", "-f", "--json", "web"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("runs");
    let mut lines = BufReader::new(follower.stdout.take().expect("piped")).lines();
    let mut next = || -> Value {
        serde_json::from_str(&lines.next().expect("a line").expect("readable")).expect("JSON")
    };
    for _ in 0..2 {
        house.run(&["restart"]).exits(0);
        assert_eq!(next()["what"], "started");
        assert_eq!(next()["what"], "ready");
        house.run(&["shutdown"]).exits(0);
        assert_eq!(next()["what"], "stopping");
        assert_eq!(next()["what"], "exited");
    }
    follower.kill().expect("killed");
    follower.wait().expect("reaped");
}
