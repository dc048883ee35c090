//! The wall clock is stepped under a running supervisor; this machine's own clock is left alone.

use std::fs;

use nix::sys::signal::Signal;

use crate::house::{House, free_port, signal, until};
use crate::kernel::{clock_shim, skip};

#[test]
fn stepped_an_hour_either_way_it_changes_no_decision() {
    let port = free_port();
    let house = House::new(&format!(
        "[services.web]\ncommand = \"chaos --listen {port}\"\nports = [{port}]\nmin_uptime = \"50ms\"\n\
         health = {{ http = \"http://127.0.0.1:{port}/\", every = \"50ms\" }}\n"
    ));
    let Some(shim) = clock_shim(&house.path("")) else {
        return skip("no C compiler to build another clock with");
    };
    let offset = house.path("offset");
    fs::write(&offset, "0").expect("written");
    let started = house
        .command(&["start"])
        .env("LD_PRELOAD", &shim)
        .env("CLOCK_OFFSET", &offset)
        .output();
    assert!(started.expect("it runs").status.success());
    let hour = |log: &str| log.lines().last().map(|line| line[..13].to_owned());
    for seconds in ["3600", "-3600", "-90000", "0"] {
        fs::write(&offset, seconds).expect("written");
        let before = hour(&house.log("sentinel"));
        let web = house.pid("web");
        signal(web, Signal::SIGKILL);
        until("it is back at once, not in an hour", || {
            house.running("web").is_some_and(|pid| pid != web)
        });
        until("its health is asked for", || {
            house.service("web")["health"]["status"] == "healthy"
        });
        let uptime = house.service("web")["uptime_s"].as_f64().expect("a number");
        assert!(
            (0.0..60.0).contains(&uptime),
            "{uptime}: by a clock that is not stepped"
        );
        house.run(&["restart", "web"]).exits(0);
        assert_ne!(hour(&house.log("sentinel")), before, "the step was seen");
    }
    house.run(&["shutdown"]).exits(0);
    house.is_empty();
}
