//! As whom services run, with which limits, and what is said when that cannot be.

use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::house::{House, Ran, finish, until};

/// Another user, whom every system has.
const NOBODY: u32 = 65534;

/// Says so when a test needs root: nobody should think that it ran.
pub fn is_root(what: &str) -> bool {
    let root = nix::unistd::geteuid().is_root();
    if !root {
        eprintln!("SKIPPED: only root can {what}");
    }
    root
}

/// Lets everybody look into the house and its folder.
pub fn open_to_all(house: &House) {
    let folder = house.path("");
    for path in folder
        .ancestors()
        .filter(|path| path.starts_with("/tmp/") && *path != Path::new("/tmp"))
    {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).expect("ours");
    }
}

/// Runs `sentinel` as nobody.
pub fn as_nobody(house: &House, arguments: &[&str]) -> Ran {
    let mut command = house.command(arguments);
    command.uid(NOBODY).gid(NOBODY).current_dir("/");
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    finish(child.expect("it runs"))
}

/// Gives the house to nobody.
pub fn give_away(house: &House) {
    for path in [house.path(""), house.path("services.toml")] {
        std::os::unix::fs::chown(path, Some(NOBODY), Some(NOBODY)).expect("given away");
    }
}

fn shell(script: &str) -> String {
    format!("[services.a]\ncommand = ['sh', '-c', '''{script}''']\nmin_uptime = '10ms'\n")
}

#[test]
fn a_service_has_the_umask_the_niceness_and_the_limits_that_it_declares() {
    let script = "echo umask $(umask); echo nice $(nice); echo files $(ulimit -n) $(ulimit -Hn); echo core $(ulimit -c); echo oom $(cat /proc/self/oom_score_adj); grep NoNewPrivs /proc/self/status; exec sleep 600";
    let keys = "umask = '027'\nnice = 5\noom_score_adjust = 300\nno_new_privs = true\n\
                limits = { open_files = 123, core = 0, memory = '4GiB' }\n";
    let house = House::new(&(shell(script) + keys));
    house.run(&["start"]).exits(0);
    until("it has said it all", || house.log("a").contains("NoNewPrivs"));
    let log = house.log("a");
    for words in [
        "umask 0027",
        "nice 5",
        "files 123 123",
        "core 0",
        "oom 300",
        "NoNewPrivs:\t1",
    ] {
        assert!(log.contains(words), "{words:?} is not in {log}");
    }
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", house.pid("a"))).expect("its limits");
    let memory = limits.lines().find(|line| line.starts_with("Max address space"));
    assert!(
        memory.is_some_and(|line| line.matches("4294967296").count() == 2),
        "{limits}"
    );
    house.run(&["shutdown"]).exits(0);
    house.is_empty();
}

#[test]
fn a_service_runs_as_its_user_with_all_that_belongs_to_one() {
    if !is_root("run a service as another user") {
        return;
    }
    let script = "id; env | sort; exec sleep 600";
    let house = House::new(
        &(shell(script)
            + "user = 'nobody'\ncwd = '/'\nhealth = { exec = ['sh', '-c', 'test $(id -un) = nobody'], every = '50ms' }\n"),
    );
    house.run(&["start"]).exits(0);
    until("it has said it all", || house.log("a").contains("USER="));
    let log = house.log("a");
    for words in [
        "uid=65534(nobody)",
        "USER=nobody",
        "LOGNAME=nobody",
        "HOME=/",
        "SHELL=/",
    ] {
        assert!(log.contains(words), "{words:?} is not in {log}");
    }
    assert!(!log.contains("0(root)"), "no group of root's is left: {log}");
    until("its probe runs as the same user", || {
        house.service("a")["health"]["status"] == "healthy"
    });
    house.run(&["restart", "a"]).exits(0);
    house.run(&["shutdown"]).exits(0);
    house.is_empty();
}

#[test]
fn sockets_are_handed_to_another_user_too() {
    if !is_root("run a service as another user") {
        return;
    }
    let port = crate::house::free_port();
    let house = House::new(&format!(
        "[services.a]\ncommand = ['/bin/sh', '-c', 'echo got $LISTEN_FDS as $(id -un); test $LISTEN_PID = $$ && echo mine; exec sleep 600']\n\
         sockets = ['127.0.0.1:{port}']\nuser = 'nobody'\ncwd = '/'\n"
    ));
    house.run(&["start"]).exits(0);
    until("it has said it all", || house.log("a").contains("mine"));
    assert!(house.log("a").contains("got 1 as nobody"), "{}", house.log("a"));
    house.run(&["shutdown"]).exits(0);
    house.is_empty();
}

#[test]
fn who_may_not_become_another_is_told_before_anything_is_stopped() {
    if !is_root("run a house as another user") {
        return;
    }
    let house = House::new(&shell("exec sleep 600"));
    open_to_all(&house);
    give_away(&house);
    as_nobody(&house, &["restart"]).exits(0);
    let pid = house.pid("a");
    for (keys, words) in [
        ("user = 'root'\n", "only root can run it as user root"),
        ("nice = -5\n", "only root can set nice = -5"),
        (
            "oom_score_adjust = -500\n",
            "only root can set oom_score_adjust = -500",
        ),
        (
            "limits = { open_files = 1000000000 }\n",
            "limits.open_files is above the hard limit",
        ),
        (
            "user = 'no-such-user'\n",
            "there is no user `no-such-user` on this host",
        ),
    ] {
        house.write(&(shell("exec sleep 600") + keys));
        as_nobody(&house, &["restart"])
            .exits(1)
            .says(words)
            .says("nothing was stopped");
        as_nobody(&house, &["reload"]).exits(1).says(words);
    }
    assert_eq!(house.pid("a"), pid, "the running system was left alone");
    house.write(&(shell("exec sleep 600") + "user = 'nobody'\n"));
    as_nobody(&house, &["restart"]).exits(0);
    as_nobody(&house, &["shutdown"]).exits(0);
    house.is_empty();
}

#[test]
fn a_stage_that_fails_is_named() {
    let house = House::new(&(shell("exec sleep 600") + "cwd = 'gone'\nmax_restarts = 0\n"));
    std::fs::create_dir(house.path("gone")).expect("made");
    house.run(&["start"]).exits(0);
    std::fs::remove_dir(house.path("gone")).expect("removed");
    house
        .run(&["restart", "a"])
        .exits(1)
        .says("cannot enter its folder")
        .says("(chdir)");
    assert!(
        house.service("a")["reason"]
            .as_str()
            .unwrap_or_default()
            .contains("(chdir)")
    );
}

/// Root of a user namespace only: the preflight believes it, the kernel does not.
#[test]
fn whatever_the_kernel_refuses_is_named_with_its_stage() {
    let possible = Command::new("unshare")
        .args(["--user", "--map-root-user", "true"])
        .status();
    if !possible.is_ok_and(|status| status.success()) {
        return eprintln!("SKIPPED: no user namespace to be had (unshare)");
    }
    let keys = [
        ("group", "user = 'nobody'", "(setgroups)"),
        ("limit", "limits = { open_files = 1048576 }", "(setrlimit)"),
        ("oom", "oom_score_adjust = -900", "(oom_score_adj)"),
        ("nice", "nice = -10", "(setpriority)"),
    ];
    let service = |(name, key, _): &(&str, &str, &str)| {
        format!("[services.{name}]\ncommand = 'sleep 600'\nmax_restarts = 0\n{key}\n")
    };
    let house = House::new(&keys.iter().map(service).collect::<String>());
    let sentinel = |arguments: &[&str]| {
        let inner = house.command(arguments);
        let mut outer = Command::new("unshare");
        outer.args([
            "--user",
            "--map-root-user",
            "sh",
            "-c",
            "ulimit -n 512; exec \"$@\"",
            "sh",
        ]);
        outer.arg(inner.get_program()).args(inner.get_args());
        outer
            .env("NO_COLOR", "1")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        finish(outer.spawn().expect("it runs"))
    };
    let mut ran = sentinel(&["start"]).exits(1);
    for (name, _, stage) in keys {
        ran = ran.says(stage);
        let reason = sentinel(&["status", name]).out;
        assert!(reason.contains(stage), "{name}: {reason}");
    }
    sentinel(&["shutdown"]).exits(0);
    house.is_empty();
}
