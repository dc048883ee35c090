//! A restart is one transaction with one truthful result, and it leaves nothing behind.

use std::fs;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::house::{House, alive, finish, free_port, signal, until};
use crate::trouble::{let_go, plain, slow, web};

#[test]
fn every_mode_brings_everything_up_anew() {
    let house = House::new(&(web("web", free_port()) + &plain("watch", "") + "after = [\"web\"]\n"));
    let mut last = (0, 0);
    for mode in [
        &["restart"][..],
        &["restart", "full"],
        &["restart", "quick"],
        &["restart", "force"],
    ] {
        house.run(mode).exits(0);
        house.run(&["status"]).exits(0);
        let now = (house.supervisor(), house.pid("web"));
        assert!(
            now.0 != last.0 && now.1 != last.1,
            "{mode:?}: {now:?} after {last:?}"
        );
        assert_eq!(house.marked().len(), 2);
        last = now;
    }
    house.run(&["shutdown"]).exits(0);
    house.is_empty();
    house.run(&["status"]).exits(4);
}

#[test]
fn many_rounds_leave_nothing_and_fail_never() {
    let house = House::new(&(web("web", free_port()) + &plain("watch", "")));
    for round in 0..15 {
        let ran = house.run(&["restart", "--json"]);
        assert_eq!(ran.code, 0, "round {round}: {ran:?}");
        assert_eq!(house.marked().len(), 2, "round {round}");
    }
    house.run(&["shutdown"]).exits(0);
    house.is_empty();
}

#[test]
fn restarting_services_again_and_again_costs_the_supervisor_nothing() {
    let house = House::new(&web("web", free_port()));
    house.run(&["start"]).exits(0);
    let supervisor = house.supervisor();
    let descriptors = || {
        fs::read_dir(format!("/proc/{supervisor}/fd"))
            .expect("it lives")
            .count()
    };
    house.run(&["restart", "web"]).exits(0);
    let before = descriptors();
    for _ in 0..10 {
        house.run(&["restart", "web"]).exits(0);
    }
    until("descriptors are back to what they were", || {
        descriptors() <= before
    });
    assert_eq!(house.supervisor(), supervisor);
}

#[test]
fn two_at_once_the_second_is_told_who_is_first() {
    let house = House::new(&slow());
    let first = house
        .command(&["restart"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it runs");
    until("the first holds the lock", || {
        house.path(".sentinel/operation.lock").exists()
    });
    house.run(&["restart"]).exits(75).says("restart").says("pid");
    house.run(&["stop", "slow"]).exits(75);
    let_go(&house);
    finish(first).exits(0);
    house.run(&["restart", "slow"]).exits(0);
}

#[test]
fn a_caller_who_leaves_abandons_the_wait_and_not_the_work() {
    let house = House::new(&slow());
    let mut first = house
        .command(&["restart"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it runs");
    until("it works", || house.path(".sentinel/operation.lock").exists());
    signal(first.id().cast_signed(), Signal::SIGINT);
    first.wait().expect("it ends");
    let_go(&house);
    until("the work is done", || house.run(&["status"]).code == 0);
}

#[test]
fn the_daemon_keeps_nothing_of_its_caller() {
    let house = House::new(&plain("web", ""));
    let (reader, writer) = std::io::pipe().expect("a pipe");
    let mut command = house.command(&["restart"]);
    let kept = writer.try_clone().expect("a descriptor");
    command.stdout(writer).stderr(kept).process_group(0);
    let status = command.status().expect("it runs");
    drop(command);
    assert!(status.success());
    // Ends only when nobody holds the other end any more.
    let said = std::io::read_to_string(reader).expect("readable");
    assert!(!said.is_empty());
    let supervisor = house.supervisor();
    let stat = fs::read_to_string(format!("/proc/{supervisor}/stat")).expect("it lives");
    let fields: Vec<&str> = stat
        .rsplit_once(')')
        .expect("a name")
        .1
        .split_whitespace()
        .collect();
    assert_eq!(fields[3], supervisor.to_string(), "a session of its own");
    assert_eq!(
        fs::read_link(format!("/proc/{supervisor}/cwd"))
            .expect("it lives")
            .to_str(),
        Some("/")
    );
}

#[test]
fn what_cannot_start_is_refused_and_the_running_system_left_alone() {
    let port = free_port();
    let good = web("web", port);
    let house = House::new(&good);
    house.run(&["restart"]).exits(0);
    let pid = house.pid("web");

    house.write(&good.replace("ports", "prots"));
    house
        .run(&["restart"])
        .exits(5)
        .says("services.toml:3:1")
        .says("did you mean `ports`");
    house.run(&["reload"]).exits(5).says("prots");
    house.write(&good.replace("\"chaos\"", "\"no-such-program\""));
    house
        .run(&["restart"])
        .exits(1)
        .says("no-such-program")
        .says("nothing was stopped");
    house.run(&["reload"]).exits(1).says("no-such-program");
    house.write(&(good.clone() + "cwd = \"nowhere\"\n"));
    house.run(&["restart"]).exits(1).says("nowhere");
    house.write(&good);
    assert_eq!(house.pid("web"), pid);
    house.run(&["status"]).exits(0);
}

#[test]
fn a_long_path_is_no_obstacle() {
    let house = House::new(&plain("web", ""));
    let deep = house.path(&["a-folder-with-a-long-name"; 6].join("/"));
    fs::create_dir_all(&deep).expect("made");
    let file = deep.join("services.toml");
    assert!(file.as_os_str().len() > 150);
    fs::write(&file, plain("web", "")).expect("written");
    let file = file.to_str().expect("text");
    for verb in ["restart", "status", "shutdown"] {
        let ran = Command::new(env!("CARGO_BIN_EXE_sentinel"))
            .args(["-c", file, verb])
            .output()
            .expect("it runs");
        assert!(ran.status.success(), "{verb}: {ran:?}");
    }
}

#[test]
fn restart_of_one_leaves_the_others_alone_and_order_holds() {
    let house = House::new(&(web("base", free_port()) + &web("top", free_port()) + "after = [\"base\"]\n"));
    house.run(&["start"]).exits(0);
    let (base, top) = (house.pid("base"), house.pid("top"));
    house.run(&["restart", "base"]).exits(0);
    assert!(house.pid("base") != base && house.pid("top") == top);
    house.run(&["stop", "base"]).exits(0);
    assert!(alive(top));
    house.run(&["restart", "top"]).exits(0);
    assert_eq!(
        house.service("base")["state"],
        "RUNNING",
        "what a service needs is started with it"
    );
    house.run(&["restart", "nobody"]).exits(2).says("nobody");
}

#[test]
fn reload_touches_only_what_differs() {
    let (a, b, c) = (
        web("a", free_port()),
        web("b", free_port()),
        web("c", free_port()),
    );
    let house = House::new(&(a.clone() + &b));
    house.run(&["start"]).exits(0);
    let (pid_a, pid_b) = (house.pid("a"), house.pid("b"));
    house.run(&["reload"]).exits(0);
    house.write(&(a.clone() + "env = { COLOUR = \"blue\" }\n" + &c));
    house.run(&["reload"]).exits(0);
    assert_ne!(house.pid("a"), pid_a, "its environment differs");
    assert!(!alive(pid_b), "it is declared no more");
    assert_eq!(house.service("c")["state"], "RUNNING");
    let names: Vec<String> = house.status()["services"]
        .as_array()
        .expect("services")
        .iter()
        .map(|service| service["name"].as_str().unwrap_or_default().to_owned())
        .collect();
    assert_eq!(names, ["a", "c"]);
    let pid_a = house.pid("a");
    house.write(&(a + "env = { COLOUR = \"blue\" }\nmin_uptime = \"2s\"\n" + &c));
    house.run(&["reload"]).exits(0);
    assert_eq!(house.pid("a"), pid_a, "a policy is no reason for a restart");
}

#[test]
fn an_idle_supervisor_is_not_woken() {
    let quick = "min_uptime = \"20ms\"\n";
    let house = House::new(&(web("web", free_port()) + quick + &plain("watch", "")));
    house.run(&["start"]).exits(0);
    let supervisor = house.supervisor();
    let switches = || {
        let status = fs::read_to_string(format!("/proc/{supervisor}/status")).expect("it lives");
        status
            .lines()
            .filter(|line| line.contains("ctxt_switches"))
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    // Once the runs are proven, the last question is answered and, two seconds later, what is needed no more
    // was given back, nothing happens any more.
    let (mut before, mut since) = (switches(), Instant::now());
    until("it was not woken for longer than that", || {
        std::thread::park_timeout(Duration::from_millis(50));
        if std::mem::replace(&mut before, switches()) != before {
            since = Instant::now();
        }
        since.elapsed() > Duration::from_millis(2600)
    });
}
