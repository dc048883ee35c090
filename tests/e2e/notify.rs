//! What services say of themselves (sd_notify), and what is made of it.

use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::path::Path;

use nix::sys::signal::Signal;

use crate::house::{House, alive, free_port, signal, until};

/// A service that is ready when it says so.
fn notifying(arguments: &str) -> String {
    format!(
        "[services.a]\ncommand = \"chaos --notify-after 0 {arguments}\"\nready = {{ notify = true }}\nmin_uptime = '10ms'\n\
         stop = {{ timeout = '300ms' }}\n"
    )
}

fn environ(pid: i32, name: &str) -> Option<String> {
    let all = std::fs::read_to_string(format!("/proc/{pid}/environ")).ok()?;
    let value = |variable: &str| Some(variable.strip_prefix(name)?.strip_prefix('=')?.to_owned());
    all.split('\0').find_map(value)
}

fn send(pid: i32, text: &str) {
    let address = environ(pid, "NOTIFY_SOCKET").expect("it has a socket");
    let address = SocketAddr::from_abstract_name(address.trim_start_matches('@')).expect("a name");
    let socket = UnixDatagram::unbound().expect("a socket");
    socket.send_to_addr(text.as_bytes(), &address).expect("sent");
}

fn chaos() -> String {
    Path::new(env!("CARGO_BIN_EXE_sentinel"))
        .with_file_name("chaos")
        .display()
        .to_string()
}

#[test]
fn a_status_is_shown_in_both_forms() {
    let house = House::new(&notifying("--tell 'STATUS=12 clients, all well'"));
    house.run(&["start"]).exits(0);
    until("its words are there", || {
        house.service("a")["status_text"] == "12 clients, all well"
    });
    house.run(&["status"]).exits(0).says("says: 12 clients, all well");
    house.run(&["shutdown"]).exits(0);
    house.is_empty();
}

#[test]
fn a_stranger_is_not_heard() {
    let house = House::new(&notifying("--tell STATUS=mine"));
    house.run(&["start"]).exits(0);
    let pid = house.pid("a");
    until("its words are there", || {
        house.service("a")["status_text"] == "mine"
    });
    send(pid, "STATUS=forged\nSTOPPING=1\nMAINPID=1\n");
    until("it is told in the log", || {
        let log = std::fs::read_to_string(house.path("logs/sentinel.log")).unwrap_or_default();
        log.contains("not of this run")
    });
    let service = house.service("a");
    assert_eq!(
        (&service["status_text"], &service["state"]),
        (&"mine".into(), &"RUNNING".into())
    );
    assert_eq!(house.pid("a"), pid);
}

#[test]
fn one_that_reloads_says_so_until_it_is_ready_again() {
    let house = House::new(&notifying("--tell RELOADING=1"));
    house.run(&["start"]).exits(0);
    until("it reloads", || house.service("a")["reloading"] == true);
    house.run(&["status"]).exits(0).says("is reloading");
    let script = format!(
        "[services.a]\ncommand = ['sh', '-c', '{0} --tell RELOADING=1 --exit-after 700; {0} --tell READY=1 --exit-after 700; exec sleep 600']\n",
        chaos()
    );
    house.write(&script);
    house.run(&["restart"]).exits(0);
    until("it is ready again", || {
        house.service("a")["reloading"].is_null() && house.service("a")["state"] == "RUNNING"
    });
}

#[test]
fn one_that_is_about_to_end_is_shown_stopping_and_asked_when_it_stays() {
    let house = House::new(&(notifying("--tell-after 300 --tell STOPPING=1") + "restart = 'never'\n"));
    house.run(&["start"]);
    until("it is given up, since it stayed", || {
        let reason = house.service("a")["reason"].clone();
        reason
            .as_str()
            .is_some_and(|reason| reason.contains("said STOPPING=1 and was still there after 0.3 s"))
    });
    house.run(&["shutdown"]).exits(0);
    house.is_empty();
}

#[test]
fn one_that_is_not_heard_of_is_aborted_and_started_anew() {
    let keys = "watchdog = '200ms'\nlimits = { core = 0 }\n";
    let house = House::new(&(notifying("--heartbeat 50 --heartbeats 12") + keys));
    house.run(&["start"]).exits(0);
    // On a slow machine its first run may be over by now.
    let mut first = 0;
    until("it was told of its watchdog", || {
        first = house.running("a").unwrap_or_default();
        environ(first, "WATCHDOG_USEC").as_deref() == Some("200000")
            && environ(first, "WATCHDOG_PID") == Some(first.to_string())
    });
    until("another run is there", || {
        house.running("a").is_some_and(|pid| pid != first)
    });
    assert_eq!(house.service("a")["last_exit"]["signal"], "SIGABRT");
    house
        .run(&["events", "-n", "50"])
        .exits(0)
        .says("watchdog: no WATCHDOG=1 for 0.2 s");
    house.run(&["shutdown"]).exits(0);
    house.is_empty();
}

#[test]
fn one_that_keeps_its_promise_lives_and_one_that_stops_does_not() {
    // On a slow machine a promise of a moment cannot be kept.
    for watchdog in [0.3, 3.0] {
        if std::panic::catch_unwind(|| keeps_its_promise_until_it_stops(watchdog)).is_ok() {
            return;
        }
    }
    keeps_its_promise_until_it_stops(15.0);
}

fn keeps_its_promise_until_it_stops(watchdog: f64) {
    let house = House::new(&(notifying("--heartbeat 20") + &format!("watchdog = '{}ms'\n", watchdog * 1e3)));
    house.run(&["start"]).exits(0);
    let first = house.pid("a");
    until("it has lived through several intervals", || {
        house.service("a")["uptime_s"].as_f64() > Some(4.0 * watchdog)
    });
    assert_eq!(house.pid("a"), first);
    // A stopped process says nothing.
    signal(first, Signal::SIGSTOP);
    until("another run is there", || {
        house.running("a").is_some_and(|pid| pid != first)
    });
}

#[test]
fn one_that_says_it_is_stuck_is_aborted() {
    let house = House::new(
        &(notifying("--tell-after 300 --tell WATCHDOG=trigger")
            + "restart = 'never'\nlimits = { core = 0 }\n"),
    );
    house.run(&["start"]);
    until("it is given up", || house.service("a")["state"] == "FATAL");
    let reason = house.service("a")["reason"].clone();
    assert!(
        reason
            .as_str()
            .is_some_and(|reason| reason.contains("WATCHDOG=trigger")),
        "{reason}"
    );
}

#[test]
fn a_start_that_asks_for_more_time_has_it() {
    // A slow machine may not come to ask within a moment.
    for unit in [300, 3_000] {
        if std::panic::catch_unwind(|| asks_for_more_than(unit)).is_ok() {
            return;
        }
    }
    asks_for_more_than(10_000);
}

fn asks_for_more_than(start_ms: u32) {
    let (port, listens, seconds) = (free_port(), 3 * start_ms, f64::from(start_ms) / 1e3);
    let services = format!(
        "[services.a]\ncommand = \"chaos --tell EXTEND_TIMEOUT_USEC=60000000 --listen-after {listens} --listen {port}\"\n\
         ports = [{port}]\nstart_timeout = '{start_ms}ms'\nmax_restarts = 0\n"
    );
    let house = House::new(&services);
    house.run(&["start"]).exits(0);
    assert_eq!(house.service("a")["restarts"], 0);
    house.write(&services.replace("--tell EXTEND_TIMEOUT_USEC=60000000 ", ""));
    house
        .run(&["restart"])
        .exits(1)
        .says(&format!("not ready after {seconds} s"));
}

#[test]
fn another_main_process_takes_the_place_of_the_first() {
    let script = format!(
        "{} --tell MAINPID={{pid}} --tell STATUS=new & exec sleep 600",
        chaos()
    );
    let house = House::new(&format!(
        "[services.a]\ncommand = ['sh', '-c', '{script}']\nmin_uptime = '10ms'\nrestart = 'always'\n"
    ));
    house.run(&["start"]).exits(0);
    until("its words are there", || {
        house.service("a")["status_text"] == "new"
    });
    let main = house.pid("a");
    let first = house
        .marked()
        .into_iter()
        .find(|&pid| pid != main)
        .expect("the first");
    signal(first, Signal::SIGKILL);
    until("the first is gone", || !alive(first));
    assert_eq!(
        (house.pid("a"), house.running("a")),
        (main, Some(main)),
        "its end is not the run's"
    );
    signal(main, Signal::SIGKILL);
    until("another run is there", || {
        house.running("a").is_some_and(|pid| pid != main) && house.service("a")["restarts"] == 1
    });
    house.run(&["shutdown"]).exits(0);
    house.is_empty();
}

#[test]
fn an_adopted_run_is_still_heard_and_held_to_its_promise() {
    for watchdog in [0.5, 5.0] {
        if std::panic::catch_unwind(|| adopted_and_held_to_its_promise(watchdog)).is_ok() {
            return;
        }
    }
    adopted_and_held_to_its_promise(20.0);
}

fn adopted_and_held_to_its_promise(watchdog: f64) {
    let promise = format!("watchdog = '{}ms'\n", watchdog * 1e3);
    let house = House::new(&(notifying("--heartbeat 50 --tell STATUS=old") + &promise));
    house.run(&["start"]).exits(0);
    let first = house.pid("a");
    let supervisor = house.supervisor();
    signal(supervisor, Signal::SIGKILL);
    until("it is gone", || !alive(supervisor));
    house.run(&["start"]).exits(0);
    assert_eq!(house.pid("a"), first, "it was adopted");
    let uptime = || house.service("a")["uptime_s"].as_f64().expect("it runs");
    let heard_until = uptime() + 2.5 * watchdog;
    until("it has lived through more intervals", || uptime() > heard_until);
    assert_eq!(house.pid("a"), first, "it is heard");
    signal(first, Signal::SIGSTOP);
    until("its promise is broken, and another run is there", || {
        house.running("a").is_some_and(|pid| pid != first)
    });
    house.run(&["events", "-n", "50"]).exits(0).says("watchdog");
}

#[test]
fn one_that_uses_too_much_memory_is_restarted_and_one_that_does_not_is_not() {
    let services = "[alerts]\nkinds = ['memory']\ngroup = '50ms'\n\
                    command = ['sh', '-c', 'echo $SENTINEL_ALERT_KINDS $SENTINEL_ALERT_SERVICES >> told']\n\
                    [services.greedy]\ncommand = 'chaos --eat 200'\nmemory_max = '100MiB'\nmemory_max_for = '200ms'\nmin_uptime = '10ms'\n\
                    [services.modest]\ncommand = 'chaos --eat 20'\nmemory_max = '100MiB'\nmemory_max_for = '200ms'\nmin_uptime = '10ms'\n";
    let house = House::new(services);
    house.run(&["start"]).exits(0);
    until("it was restarted", || {
        house.service("greedy")["restarts"].as_u64() > Some(0)
    });
    let modest = house.service("modest");
    assert_eq!(modest["restarts"], 0);
    let used = modest["tree_memory_bytes"].as_u64().expect("weighed");
    assert!((20 << 20..100 << 20).contains(&used), "{used}");
    let events = house
        .run(&["events", "-n", "50"])
        .exits(0)
        .says("memory_max is 100.0 MiB");
    // It may be weighed while it still eats.
    let used = events.out.split_once("memory: its processes use ");
    let used = used.and_then(|(_, rest)| rest.split_once(" MiB")?.0.parse::<f64>().ok());
    assert!(
        used.is_some_and(|used| (100.0..300.0).contains(&used)),
        "{events:#?}"
    );
    until("somebody was told", || {
        std::fs::read_to_string(house.path("told")).is_ok_and(|told| told.starts_with("memory greedy"))
    });
    house.run(&["shutdown"]).exits(0);
    house.is_empty();
}
