//! The supervisor may die: its workers go on, and the next one takes them over as they are.

use std::fs;

use nix::sys::signal::Signal;

use crate::house::{House, alive, free_port, signal, until};
use crate::trouble::{plain, web};

/// Kills the supervisor and waits for its end.
fn bereave(house: &House) {
    let supervisor = house.supervisor();
    signal(supervisor, Signal::SIGKILL);
    until("the supervisor is gone", || !alive(supervisor));
}

#[test]
fn the_next_one_takes_them_over_as_they_are() {
    let port = free_port();
    let health = format!("health = {{ http = \"http://127.0.0.1:{port}/\", every = \"50ms\" }}\n");
    let house = House::new(&(web("web", port) + &health + &plain("watch", "") + "after = [\"web\"]\n"));
    house.run(&["start"]).exits(0);
    signal(house.pid("web"), Signal::SIGKILL);
    until("it was restarted once", || {
        house.run(&["status"]).code == 0 && house.service("web")["restarts"] == 1
    });
    let before = (
        house.pid("web"),
        house.pid("watch"),
        house.service("web")["run"].clone(),
    );
    let uptime = house.service("web")["uptime_s"].as_f64();
    for verb in [&["start"][..], &["restart", "quick"]] {
        bereave(&house);
        house.run(verb).exits(0);
        house.run(&["status"]).exits(0);
        let web = house.service("web");
        assert_eq!(
            (house.pid("web"), house.pid("watch"), web["run"].clone()),
            before,
            "{verb:?}"
        );
        assert_eq!(web["restarts"], 1, "{web}");
        assert_eq!(web["last_exit"]["signal"], "SIGKILL", "{web}");
        assert!(web["uptime_s"].as_f64() >= uptime, "{web}");
        assert_eq!(web["health"]["status"], "healthy", "{web}");
    }
    assert_eq!(house.marked().len(), 2);
}

#[test]
fn a_supervisor_that_is_just_dying_is_in_nobodys_way() {
    let house = House::new(&plain("web", ""));
    house.run(&["start"]).exits(0);
    let web = house.pid("web");
    for _ in 0..10 {
        signal(house.supervisor(), Signal::SIGKILL);
        house.run(&["start"]).exits(0);
        assert_eq!(house.pid("web"), web);
    }
    for verb in ["quick", "emergency"] {
        signal(house.supervisor(), Signal::SIGKILL);
        house.run(&["restart", verb]).exits(0);
    }
}

#[test]
fn how_an_adopted_one_ends_is_known_and_it_is_started_again() {
    let house = House::new(
        &(plain("web", "")
            + &plain("other", "--ignore-term --leave session --leave daemon")
            + "stop = { timeout = \"200ms\" }\n"),
    );
    house.run(&["start"]).exits(0);
    until("all live", || house.marked().len() == 4);
    let (web, other) = (house.pid("web"), house.pid("other"));
    bereave(&house);
    house.run(&["start"]).exits(0);
    signal(web, Signal::SIGABRT);
    until("it is back", || {
        house.running("web").is_some_and(|pid| pid != web)
    });
    let exit = house.service("web")["last_exit"].clone();
    let unknown = exit["signal"].is_null() && exit["code"].is_null();
    assert!(
        exit["signal"] == "SIGABRT" || unknown,
        "{exit}: the truth, or nothing"
    );
    assert_eq!(house.pid("other"), other);
    signal(other, Signal::SIGKILL);
    until("a new run stands alone", || {
        house.running("other").is_some_and(|pid| pid != other) && house.marked().len() == 4
    });
    house.run(&["shutdown"]).exits(0);
    house.is_empty();
}

#[test]
fn an_adopted_one_is_stopped_with_all_its_descendants() {
    let services =
        plain("tree", "--leave group --leave session --leave daemon") + "stop = { timeout = \"300ms\" }\n";
    let house = House::new(&services);
    house.run(&["start"]).exits(0);
    until("all four live", || house.marked().len() == 4);
    bereave(&house);
    house.run(&["start"]).exits(0);
    house.run(&["stop"]).exits(0);
    assert_eq!(house.marked(), Vec::<i32>::new());
    assert_eq!(house.service("tree")["state"], "STOPPED");
}

#[test]
fn without_a_record_it_is_found_by_its_mark() {
    let house = House::new(&web("web", free_port()));
    house.run(&["start"]).exits(0);
    let web = house.pid("web");
    for garbage in [None, Some("{\"version\": 99}"), Some("\u{0}torn")] {
        bereave(&house);
        match garbage {
            None => fs::remove_file(house.path(".sentinel/state.json")).expect("it was there"),
            Some(text) => fs::write(house.path(".sentinel/state.json"), text).expect("written"),
        }
        house.run(&["start"]).exits(0);
        assert_eq!(house.pid("web"), web);
        house.run(&["status"]).exits(0);
    }
}

#[test]
fn what_is_declared_otherwise_by_now_is_restarted_or_taken_down() {
    let port = free_port();
    let house = House::new(&(web("web", port) + &plain("same", "") + &plain("gone", "")));
    house.run(&["start"]).exits(0);
    let (web, same, gone) = (house.pid("web"), house.pid("same"), house.pid("gone"));
    bereave(&house);
    house.write(&(web_with(port, "blue") + &plain("same", "")));
    house.run(&["start"]).exits(0);
    assert!(house.pid("web") != web && !alive(web), "its environment differs");
    assert_eq!(house.pid("same"), same);
    assert!(!alive(gone));
    house.run(&["status"]).exits(0);
}

fn web_with(port: u16, colour: &str) -> String {
    web("web", port) + &format!("env = {{ COLOUR = \"{colour}\" }}\n")
}

#[test]
fn output_written_meanwhile_is_not_lost() {
    let house = House::new(&plain("chatty", "--chatter 2"));
    house.run(&["start"]).exits(0);
    until("it talks", || house.log("chatty").contains("line 10"));
    bereave(&house);
    let last = house.log("chatty");
    std::thread::park_timeout(std::time::Duration::from_millis(100));
    assert_eq!(house.log("chatty"), last, "nobody writes the log now");
    house.run(&["start"]).exits(0);
    let seen = last.lines().count();
    until("it goes on", || house.log("chatty").lines().count() > seen + 50);
    house.run(&["shutdown"]).exits(0);
    let log = house.log("chatty");
    for (number, line) in log.lines().enumerate() {
        assert!(
            line.ends_with(&format!(" line {number}")),
            "line {number} is {line}"
        );
    }
}

#[test]
fn whatever_ended_the_supervisor_its_services_go_on() {
    let house = House::new(&web("web", free_port()));
    house.run(&["start"]).exits(0);
    let web = house.pid("web");
    // As the OOM killer, a panic while panicking or a lack of memory, and a bug of somebody's would end it.
    for death in [Signal::SIGKILL, Signal::SIGABRT, Signal::SIGILL] {
        let supervisor = house.supervisor();
        signal(supervisor, death);
        until("the supervisor is gone", || !alive(supervisor));
        assert!(alive(web), "{death}");
        house.run(&["start"]).exits(0);
        assert_eq!(house.pid("web"), web, "{death}");
    }
}

#[test]
fn a_mebibyte_of_output_waits_for_the_next_supervisor() {
    let script = "until [ -e go ]; do sleep 0.05; done; head -c 1048576 /dev/zero | tr '\\\\0' x; touch done; exec sleep 600";
    let house = House::new(&format!(
        "[services.loud]\ncommand = [\"sh\", \"-c\", \"{script}\"]\nmin_uptime = \"20ms\"\n"
    ));
    house.run(&["start"]).exits(0);
    bereave(&house);
    fs::write(house.path("go"), "").expect("written");
    until("all of it was written, to nobody", || house.path("done").exists());
    house.run(&["start"]).exits(0);
    let written = || house.log("loud").bytes().filter(|&byte| byte == b'x').count();
    house.run(&["shutdown"]).exits(0);
    assert_eq!(written(), 1 << 20);
}
