//! Logs under trouble: a full disk, a supervisor that is killed, and errors that somebody should see.

use std::fs;
use std::os::unix::fs::symlink;

use nix::sys::signal::Signal;

use crate::house::{House, alive, signal, until};
use crate::logs::{Mouth, files, is_complete, numbers, script, until_said};

/// A service that says what the test writes into `in`, after two errors and two lines that are none.
const FAULTY: &str = "exec 3<>in; echo ERROR no database; echo INFO 0 errors, error code 0; echo WARN late; \
                      echo 2026-11-21 10:00:00 CRITICAL no feed; echo open; exec cat <&3";

fn bereave(house: &House) {
    let supervisor = house.supervisor();
    signal(supervisor, Signal::SIGKILL);
    until("the supervisor is gone", || !alive(supervisor));
}

#[test]
fn a_full_disk_is_told_while_it_is_and_ends_by_itself() {
    let house = House::new(&script("w", "exec 3<>in; echo open; exec cat <&3", ""));
    let mut mouth = Mouth::of(&house);
    fs::create_dir_all(house.path("logs")).expect("made");
    symlink("/dev/full", house.path("logs/w.log")).expect("linked");
    house.run(&["start"]).exits(0);
    let pid = house.pid("w");
    mouth.say("lost");
    until("the loss is told", || {
        house.service("w")["log"]["lost_lines"].as_u64() == Some(2)
    });
    house
        .run(&["status"])
        .exits(0)
        .says("(2 lines) of its output lost: No space left");
    house
        .run(&["metrics"])
        .exits(0)
        .says("sentinel_log_lost_lines_total{service=\"w\"} 2");
    fs::remove_file(house.path("logs/w.log")).expect("there is room");
    until("the log is there", || {
        mouth.say("kept");
        house.log("w").ends_with(" F kept\n")
    });
    until("all is well", || house.service("w")["log_loss"].is_null());
    let after = house.service("w");
    assert!(after["log"]["lost_bytes"].as_u64() > Some(0), "{after}");
    assert_eq!(house.pid("w"), pid, "it ran on");
    let log = fs::read_to_string(house.path("logs/sentinel.log")).expect("a log");
    assert!(log.contains("output was lost, and is kept again"), "{log}");
}

#[test]
fn error_lines_are_counted_for_each_run_and_across_supervisors() {
    let house = House::new(&script("w", FAULTY, ""));
    let mut mouth = Mouth::of(&house);
    for verb in ["start", "restart"] {
        let ran = house.run(&[verb]).exits(0).says("2 error lines since start");
        assert!(ran.says("CRITICAL no feed").code == 0);
    }
    let errors = || house.service("w")["errors"].clone();
    assert_eq!(errors()["count"], 2, "{}", errors());
    house
        .run(&["status"])
        .exits(0)
        .says("2 error lines since start")
        .says("no feed");
    bereave(&house);
    house.run(&["start"]).exits(0);
    assert_eq!(errors()["count"], 2, "the count goes on: {}", errors());
    mouth.say("thread 'main' panicked at src/main.rs:1:1:");
    until("one more is counted", || errors()["count"] == 3);
    assert!(
        errors()["last"]
            .as_str()
            .is_some_and(|last| last.contains("panicked")),
        "{}",
        errors()
    );
    house
        .run(&["metrics"])
        .exits(0)
        .says("sentinel_service_error_lines{service=\"w\"} 3");
    house
        .run(&["logs", "--errors", "w"])
        .exits(0)
        .says("no feed")
        .says("panicked");
}

#[test]
fn a_pattern_of_ones_own_says_what_an_error_is() {
    let services = script(
        "own",
        "echo ERROR x; echo REJECTED y; echo open; exec sleep 1000",
        "error_pattern = \"REJ\"",
    ) + &script(
        "none",
        "echo ERROR x; echo open; exec sleep 1000",
        "error_pattern = \"\"",
    );
    let house = House::new(&services);
    house.run(&["start"]).exits(0).says("1 error line since start");
    assert_eq!(house.service("own")["errors"]["last"], "REJECTED y");
    assert_eq!(house.service("none")["errors"]["count"], 0);
}

#[test]
fn a_killed_supervisor_loses_no_line_and_writes_none_twice() {
    const LINES: u32 = 100_000;
    let house = House::new(&numbers("w", LINES, "max_size = \"300KB\""));
    house.run(&["start"]).exits(0);
    let pid = house.pid("w");
    for least in [2, 5] {
        until("it is under way", || files(&house, "w").len() >= least);
        bereave(&house);
        house.run(&["start"]).exits(0);
    }
    until_said(&house, "w", LINES);
    is_complete(&house, "w", LINES);
    assert_eq!(house.pid("w"), pid, "one run said it all");
}
