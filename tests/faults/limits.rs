//! The kernel refuses: no descriptor is left, no process may be made.

use std::fmt::Write;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::process::{Command, Output};

use crate::house::{House, until};
use crate::kernel::skip;

/// A user whom nobody else is.
const SOMEBODY: u32 = 54_321;

/// `sentinel` below a shell's `ulimit`.
fn limited(house: &House, limit: &str, arguments: &[&str]) -> Command {
    let sentinel = house.command(arguments);
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("ulimit {limit} && exec \"$@\""), "sh"]);
    shell.arg(sentinel.get_program()).args(sentinel.get_args());
    for (name, value) in sentinel.get_envs() {
        match value {
            Some(value) => shell.env(name, value),
            None => shell.env_remove(name),
        };
    }
    shell.stdin(std::process::Stdio::null());
    shell
}

fn text(output: &Output) -> String {
    [&output.stdout[..], &output.stderr]
        .concat()
        .iter()
        .map(|&byte| char::from(byte))
        .collect()
}

/// As the user whose process it is: root may lack the right to do it to others.
fn prlimit(user: u32, arguments: &[&str]) -> bool {
    let mut prlimit = Command::new("prlimit");
    prlimit
        .args(arguments)
        .uid(user)
        .gid(user)
        .stderr(std::process::Stdio::null());
    prlimit.status().is_ok_and(|status| status.success())
}

#[test]
fn descriptors_run_out_clearly_and_what_runs_goes_on() {
    let mut services = String::new();
    for number in 0..40 {
        let _ = writeln!(
            services,
            "[services.s{number:02}]\ncommand = \"chaos\"\nmin_uptime = \"10ms\"\nmax_restarts = 0"
        );
    }
    let house = House::new(&services);
    let output = limited(&house, "-n 64", &["start"]).output().expect("it runs");
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    assert!(text(&output).contains("64 descriptors"), "{}", text(&output));
    let status = house.status();
    let running = |status: &serde_json::Value| {
        let services = status["services"].as_array().expect("services");
        services
            .iter()
            .filter(|service| service["state"] == "RUNNING")
            .count()
    };
    let up = running(&status);
    assert!((5..40).contains(&up), "{up} run: {status}");
    assert_eq!(house.marked().len(), up, "nothing is lost, nothing is left over");
    // It still obeys, and room that is made is used.
    house.run(&["stop", "s00"]).exits(0);
    house.run(&["start", "s00"]).exits(0);
    let supervisor = house.supervisor();
    let own = nix::unistd::geteuid().as_raw();
    if !prlimit(own, &["--pid", &supervisor.to_string(), "--nofile=1024:1024"]) {
        return skip("prlimit cannot lift the limit");
    }
    house.run(&["start"]).exits(0);
    assert_eq!(house.marked().len(), 40);
    house.run(&["shutdown"]).exits(0);
    house.is_empty();
}

#[test]
fn fork_fails_clearly_and_works_again_when_it_may() {
    if !nix::unistd::geteuid().is_root() {
        return skip("only root can be another user, who has a limit of his own");
    }
    let house = House::new(
        "[services.one]\ncommand = \"chaos\"\nmin_uptime = \"10ms\"\n\
         [services.two]\ncommand = \"chaos\"\nmin_uptime = \"10ms\"\nmax_restarts = 1000\n",
    );
    for path in ["", "services.toml"] {
        chown(house.path(path), Some(SOMEBODY), Some(SOMEBODY)).expect("given away");
    }
    std::fs::set_permissions(house.path(""), std::fs::Permissions::from_mode(0o755)).expect("our own");
    let run = |limit: &str, arguments: &[&str]| {
        limited(&house, limit, arguments)
            .uid(SOMEBODY)
            .gid(SOMEBODY)
            .output()
            .expect("it runs")
    };
    let output = run("-n 512", &["start"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    let supervisor = house.supervisor().to_string();
    assert!(prlimit(SOMEBODY, &["--pid", &supervisor, "--nproc=1:100"]));
    let two = house.pid("two");
    crate::house::signal(two, nix::sys::signal::Signal::SIGKILL);
    until("it says why", || {
        let two = house.service("two");
        two["reason"]
            .as_str()
            .is_some_and(|reason| reason.contains("limit of processes is reached"))
    });
    assert!(house.running("one").is_some(), "the other one goes on");
    assert!(prlimit(SOMEBODY, &["--pid", &supervisor, "--nproc=100:100"]));
    let _ = run("-n 512", &["start", "two"]);
    until("it runs again", || house.running("two").is_some());
    let output = run("-n 512", &["shutdown"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    house.is_empty();
}
