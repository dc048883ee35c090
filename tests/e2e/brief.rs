//! `status` of a house without probes and ports is one short question; whatever that cannot tell is told at length.

use std::fs;

use crate::house::{House, until};

const SERVICES: &str = "[services.a]\ncommand = 'sleep 1000'\nmin_uptime = '10ms'\n\
                        [services.b]\ncommand = 'sleep 1000'\nmin_uptime = '10ms'\n\
                        [services.c]\ncommand = 'sleep 1000'\nmin_uptime = '10ms'\n";

/// Name and state of every row.
fn rows(text: &str) -> Vec<(String, String)> {
    let words = |line: &str| {
        let mut words = line
            .trim_start_matches("! ")
            .split_whitespace()
            .map(str::to_owned);
        Some((words.next()?, words.next()?))
    };
    text.lines()
        .filter_map(words)
        .filter(|(name, _)| ["a", "b", "c"].contains(&name.as_str()))
        .collect()
}

#[test]
fn the_short_way_shows_what_the_long_way_does() {
    let house = House::new(SERVICES);
    house.run(&["start"]).exits(0);
    let all = ["a", "b", "c"].map(|name| (name.to_owned(), "RUNNING".to_owned()));
    let short = house.run(&["status"]).exits(0).says("all 3 services run");
    assert_eq!(rows(&short.out), all);
    let long = house.run(&["status", "-v"]).exits(0).says("all 3 services run");
    assert_eq!(rows(&long.out), all);
    house.run(&["stop", "b"]).exits(0);
    let short = house.run(&["status"]).exits(3).says("b is STOPPED");
    assert_eq!(rows(&short.out)[1], ("b".to_owned(), "STOPPED".to_owned()));
    house.run(&["shutdown"]).exits(0);
    house.run(&["status"]).exits(4).says("there is no supervisor");
}

#[test]
fn what_the_supervisor_has_not_read_is_read() {
    let house = House::new(SERVICES);
    house.run(&["start"]).exits(0);
    house.run(&["status"]).exits(0);
    house.write(&SERVICES.replace("10ms", "ten"));
    house.run(&["status"]).exits(5);
    house.write(SERVICES);
    house.run(&["status"]).exits(0);
    let probe = "health = { exec = ['false'], every = '100ms', failures = 3 }\n";
    house.write(&format!("{SERVICES}{probe}"));
    house.run(&["reload"]).exits(0);
    until("the probe is asked", || house.run(&["status"]).code == 6);
    // Others may not write it: that is found out although not a byte of it is another.
    let file = house.path("services.toml");
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o666);
    fs::set_permissions(&file, open).expect("our own");
    house.run(&["status"]).exits(5);
    house.run(&["shutdown"]);
}
