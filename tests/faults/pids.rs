//! A recycled pid is never signalled: pids are really recycled, in a pid namespace where they can be chosen.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use nix::sys::signal::Signal;

use crate::house::{House, alive, signal, until};
use crate::kernel::in_a_pid_namespace;

fn plain(name: &str, more: &str) -> String {
    format!(
        "[services.{name}]\ncommand = \"chaos\"\nmin_uptime = \"20ms\"\nstop = {{ timeout = \"300ms\" }}\n{more}"
    )
}

/// Ends the process with this pid and gives the pid to a stranger: the same program, but not ours.
fn recycle(pid: i32) -> Child {
    if alive(pid) {
        signal(pid, Signal::SIGKILL);
    }
    until("the pid is free", || !Path::new(&format!("/proc/{pid}")).exists());
    take(pid)
}

/// A stranger with this pid.
fn take(pid: i32) -> Child {
    let chaos = Path::new(env!("CARGO_BIN_EXE_sentinel")).with_file_name("chaos");
    let mut stranger = None;
    until("a stranger has the pid", || {
        fs::write("/proc/sys/kernel/ns_last_pid", (pid - 1).to_string()).expect("pids can be chosen here");
        let mut child = Command::new(&chaos)
            .stdin(Stdio::null())
            .spawn()
            .expect("it starts");
        if child.id().cast_signed() == pid {
            stranger = Some(child);
            return true;
        }
        let _ = child.kill();
        let _ = child.wait();
        false
    });
    stranger.expect("found")
}

/// The stranger was not signalled, and nobody takes it for a service.
#[track_caller]
fn is_unharmed(stranger: &mut Child, house: &House, after: &str) {
    assert!(
        matches!(stranger.try_wait(), Ok(None)),
        "the stranger was ended by {after}"
    );
    let pid = i64::from(stranger.id());
    let status = house.status();
    for service in status["services"].as_array().expect("services") {
        assert_ne!(
            service["pid"].as_i64(),
            Some(pid),
            "taken over by {after}: {status}"
        );
    }
}

fn end(mut stranger: Child) {
    let _ = stranger.kill();
    let _ = stranger.wait();
}

#[test]
fn of_a_child_that_ended() {
    if !in_a_pid_namespace("pids::of_a_child_that_ended") {
        return;
    }
    let house = House::new(&(plain("web", "restart = \"never\"\n") + &plain("other", "")));
    house.run(&["start"]).exits(0);
    let mut stranger = recycle(house.pid("web"));
    for verb in [
        &["stop", "web"][..],
        &["restart", "web"],
        &["stop"],
        &["start"],
        &["restart"],
        &["shutdown"],
    ] {
        house.run(verb).exits(0);
        is_unharmed(&mut stranger, &house, &verb.join(" "));
    }
    end(stranger);
}

#[test]
fn of_an_adopted_run_while_the_supervisor_looks_away() {
    if !in_a_pid_namespace("pids::of_an_adopted_run_while_the_supervisor_looks_away") {
        return;
    }
    let house = House::new(&plain("web", ""));
    house.run(&["start"]).exits(0);
    let web = house.pid("web");
    bereave(&house);
    house.run(&["start"]).exits(0);
    assert_eq!(house.pid("web"), web, "adopted");
    let supervisor = house.supervisor();
    signal(supervisor, Signal::SIGSTOP);
    // Init reaps it, so that the pid is free while the supervisor still believes in it.
    let mut stranger = recycle(web);
    let stop = house.command(&["stop", "web"]).spawn().expect("it runs");
    signal(supervisor, Signal::SIGCONT);
    crate::house::finish(stop);
    house.run(&["restart", "web"]).exits(0);
    is_unharmed(&mut stranger, &house, "stop of what was adopted");
    house.run(&["shutdown"]).exits(0);
    assert!(matches!(stranger.try_wait(), Ok(None)));
    end(stranger);
}

#[test]
fn of_a_state_file_whose_supervisor_is_dead() {
    if !in_a_pid_namespace("pids::of_a_state_file_whose_supervisor_is_dead") {
        return;
    }
    let house = House::new(&(plain("web", "") + &plain("other", "")));
    for verb in [
        &["start"][..],
        &["restart", "quick"],
        &["restart"],
        &["restart", "emergency"],
    ] {
        house.run(&["start"]);
        let (web, other) = (house.pid("web"), house.pid("other"));
        let supervisor = bereave(&house);
        let recorded = fs::read_to_string(house.path(".sentinel/state.json")).expect("it is there");
        assert!(recorded.contains(&format!("\"pid\":{web}")), "{recorded}");
        let mut strangers = [recycle(web), recycle(supervisor)];
        house.run(verb).exits(0);
        for stranger in &mut strangers {
            is_unharmed(stranger, &house, &verb.join(" "));
        }
        assert_eq!(
            alive(other),
            verb != ["restart"] && verb != ["restart", "emergency"],
            "{verb:?}"
        );
        strangers.into_iter().for_each(end);
    }
}

fn bereave(house: &House) -> i32 {
    let supervisor = house.supervisor();
    signal(supervisor, Signal::SIGKILL);
    until("the supervisor is gone", || !alive(supervisor));
    supervisor
}
