//! The control socket's file goes away under the daemon, and clients die at it.

use std::fs;

use nix::sys::signal::Signal;

use crate::house::{House, alive, signal, until};

fn service(min_uptime: &str) -> String {
    format!("[services.web]\ncommand = \"chaos\"\nmin_uptime = \"{min_uptime}\"\n")
}

#[test]
fn deleted_under_the_daemon_it_is_told_and_a_restart_gets_through() {
    let house = House::new(&service("20ms"));
    for verb in [&["restart"][..], &["restart", "quick"], &["restart", "emergency"]] {
        house.run(&["start"]);
        let (supervisor, web) = (house.supervisor(), house.pid("web"));
        fs::remove_file(house.path(".sentinel/sock")).expect("it was there");
        house
            .run(&["status"])
            .exits(4)
            .says("does not answer")
            .says("sentinel restart");
        assert!(alive(web), "nobody is hurt by it");
        house.run(verb).exits(0);
        assert!(!alive(supervisor) && !alive(web), "{verb:?}");
        house.run(&["status"]).exits(0);
        assert_eq!(house.marked().len(), 1);
    }
}

#[test]
fn a_client_killed_in_the_middle_leaves_a_restart_that_ends() {
    let house = House::new(&service("400ms"));
    for _ in 0..2 {
        let mut client = house.command(&["restart"]).spawn().expect("it runs");
        until("it works", || house.path(".sentinel/operation.lock").exists());
        signal(client.id().cast_signed(), Signal::SIGKILL);
        client.wait().expect("it ends");
        until("the work is done", || house.run(&["status"]).code == 0);
        until("the lock is free", || {
            !house.path(".sentinel/operation.lock").exists()
        });
        assert_eq!(house.marked().len(), 1);
    }
}

#[test]
fn of_two_concurrent_restarts_one_is_done_and_one_is_told() {
    let ready = "ready = { exec = [\"test\", \"-e\", \"go\"] }\nstart_timeout = \"5m\"\n";
    let house = House::new(&(service("20ms") + ready));
    let go = house.path("go");
    fs::write(&go, "").expect("written");
    house.run(&["start"]).exits(0);
    for _ in 0..3 {
        fs::remove_file(&go).expect("it was there");
        let mut both = [0, 1].map(|_| house.command(&["-q", "restart"]).spawn().expect("it runs"));
        // The other cannot end before it may: so they are concurrent, however slow the machine.
        until("one is told", || {
            both.iter_mut()
                .any(|child| child.try_wait().expect("a child").is_some())
        });
        fs::write(&go, "").expect("written");
        let mut codes = both.map(|child| crate::house::finish(child).code);
        codes.sort_unstable();
        assert_eq!(codes, [0, 75]);
        assert_eq!(house.marked().len(), 1, "one supervisor, one worker");
    }
}
