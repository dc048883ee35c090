//! Many: services at once, and children of one service.

use std::fmt::Write;
use std::time::Instant;

use crate::house::{House, PATIENCE, until};

#[test]
fn five_hundred_services_at_once() {
    let mut services = String::new();
    for number in 0..500 {
        let _ = writeln!(
            services,
            "[services.s{number}]\ncommand = [\"sleep\", \"6{number:03}\"]\nmin_uptime = \"10ms\""
        );
    }
    let house = House::new(&services);
    house.run(&["-q", "start"]).exits(0);
    assert_eq!(house.marked().len(), 500);
    house.run(&["-q", "status"]).exits(0);
    let ended = house.run(&["-q", "restart"]).exits(0);
    assert!(ended.took < 3 * PATIENCE, "{:?}", ended.took);
    assert_eq!(house.marked().len(), 500, "each once");
    house.run(&["-q", "shutdown"]).exits(0);
    house.is_empty();
}

#[test]
fn a_service_that_forks_two_thousand_children() {
    let script = "i=0; while [ $i -lt 2000 ]; do sleep 600 & i=$((i+1)); done; echo all; wait";
    let house = House::new(&format!(
        "[services.tree]\ncommand = [\"sh\", \"-c\", \"{script}\"]\nready = {{ log = \"all\" }}\nstop = {{ timeout = \"2s\" }}\n"
    ));
    house.run(&["start"]).exits(0);
    // In the middle of its exec a process has no environment to read.
    until("all are there", || house.marked().len() == 2001);
    let began = Instant::now();
    house.run(&["restart", "tree"]).exits(0);
    assert!(began.elapsed() < PATIENCE, "{:?}", began.elapsed());
    until("the old ones are gone", || house.marked().len() == 2001);
    house.run(&["shutdown"]).exits(0);
    house.is_empty();
}
