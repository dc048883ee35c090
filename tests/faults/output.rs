//! Services that handle their output badly.

use std::time::{Duration, Instant};

use crate::house::{House, one_of_three, until};

fn service(command: &str) -> String {
    format!("[services.web]\ncommand = {command}\nmin_uptime = \"50ms\"\nstop = {{ timeout = \"500ms\" }}\n")
}

fn resident_kb(pid: i32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok())
        .expect("its memory")
}

#[test]
fn a_child_that_closes_its_stdout_runs_on() {
    let house = House::new(&service(
        "[\"sh\", \"-c\", \"echo hello; exec >&- 2>&-; sleep 600\"]",
    ));
    house.run(&["start"]).exits(0);
    until("what it said is kept", || house.log("web").contains("hello"));
    house.run(&["status"]).exits(0);
    house.run(&["stop"]).exits(0);
    house.run(&["start"]).exits(0);
    assert_eq!(house.log("web").matches("hello").count(), 2);
}

#[test]
fn a_grandchild_that_keeps_it_open_after_exit_holds_nobody_up() {
    let house = House::new(
        &(service("\"chaos --say begun --leave daemon --leave session --exit-after 100 --code 0\"")
            + "restart = \"never\"\n"),
    );
    let began = Instant::now();
    house.run(&["start"]);
    until("the run is over, with all of it", || {
        house.service("web")["pid"].is_null() && house.marked().is_empty()
    });
    assert!(began.elapsed() < Duration::from_secs(60));
    assert!(house.log("web").contains("begun"));
}

/// Writes as fast as it is read, for a while, beside one that must not be disturbed.
fn floods(how: &str) {
    let house = House::new(
        &(service(&format!("\"chaos {how}\""))
            + "[services.calm]\ncommand = \"chaos\"\nmin_uptime = \"20ms\"\n"),
    );
    house.run(&["start"]).exits(0);
    let supervisor = house.supervisor();
    let end = Instant::now() + Duration::from_millis(700);
    let mut slowest = Duration::ZERO;
    while Instant::now() < end {
        slowest = slowest.max(house.run(&["status"]).exits(0).took);
        house.run(&["restart", "calm"]).exits(0);
    }
    assert!(slowest < Duration::from_secs(2), "answered after {slowest:?}");
    let used = resident_kb(supervisor);
    assert!(used < 64 << 10, "{used} kB");
    assert!(
        house.path("logs/web.log").metadata().expect("its log").len() > 1 << 20,
        "it was read"
    );
    house.run(&["stop", "web"]).exits(0);
    house.run(&["shutdown"]).exits(0);
    house.is_empty();
}

#[test]
fn one_that_writes_as_fast_as_it_can_disturbs_nobody() {
    one_of_three(|| floods("--flood lines"));
}

#[test]
fn one_that_never_writes_a_newline_takes_no_memory() {
    one_of_three(|| floods("--flood endless"));
}
