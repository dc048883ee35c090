//! `sentinel run` as PID 1 of a pid namespace, as in a container: orphans, signals, exit codes, no restart of it.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use nix::sys::signal::Signal;

use crate::house::{House, Ran, finish, one_of_three, pids, signal, until};
use crate::trouble::plain;

/// A pid namespace with a supervisor in it. Its init dies with `unshare`, and all others with its init.
struct Container<'h> {
    house: &'h House,
    unshare: Child,
    /// Its first process, as pids count out here.
    init: i32,
}

/// Who is not root is so in a user namespace of their own.
fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

fn unshare(program: &Command) -> Command {
    let user: &[&str] = if is_root() {
        &[]
    } else {
        &["--user", "--map-root-user"]
    };
    let mut unshare = Command::new("unshare");
    let flags = ["--pid", "--fork", "--kill-child", "--mount-proc", "--"];
    unshare.args(user).args(flags);
    unshare.arg(program.get_program()).args(program.get_args());
    unshare.stdin(Stdio::null()).stdout(Stdio::null());
    unshare
}

/// Says loudly when the kernel forbids it: nobody should think that the test ran.
fn possible() -> bool {
    let possible = unshare(&Command::new("true")).stderr(Stdio::null()).status();
    let possible = possible.is_ok_and(|status| status.success());
    if !possible {
        use std::io::Write;
        let _ = writeln!(
            std::io::stderr(),
            "\nSKIPPED: no pid namespace to be had (unshare)\n"
        );
    }
    possible
}

impl<'h> Container<'h> {
    /// One that runs this program, up.
    fn of(house: &'h House, program: &Command) -> Self {
        let container = Self::begin(house, program);
        until("it answers", || [0, 3].contains(&container.run(&["status"]).code));
        container
    }

    /// One that runs this program.
    fn begin(house: &'h House, program: &Command) -> Self {
        let said = std::fs::File::options()
            .create(true)
            .append(true)
            .open(house.path("container.log"));
        let unshare = unshare(program)
            .stderr(said.expect("a file"))
            .spawn()
            .expect("unshare runs");
        let parent = unshare.id().cast_signed();
        let mut container = Self {
            house,
            unshare,
            init: 0,
        };
        let is_init = |pid: &i32| {
            let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
            let line = |name: &str| {
                status
                    .lines()
                    .find_map(|line| line.strip_prefix(name).map(str::trim))
            };
            line("PPid:") == Some(&parent.to_string())
                && line("NSpid:").is_some_and(|pids| pids.ends_with("\t1"))
        };
        until("it has an init", || {
            container.init = pids().into_iter().find(is_init).unwrap_or_default();
            container.init != 0
        });
        container
    }

    /// Runs a program inside; its children that outlive it are strangers' orphans.
    fn enter(&self, program: &Command) -> Ran {
        let mut nsenter = Command::new("nsenter");
        if !is_root() {
            nsenter.args(["--user", "--preserve-credentials"]);
        }
        nsenter.args(["--target", &self.init.to_string(), "--pid", "--mount", "--"]);
        nsenter.arg(program.get_program()).args(program.get_args());
        nsenter.env("NO_COLOR", "1").stdin(Stdio::null());
        nsenter.stdout(Stdio::piped()).stderr(Stdio::piped());
        finish(nsenter.spawn().expect("nsenter runs"))
    }

    fn run(&self, arguments: &[&str]) -> Ran {
        self.enter(&self.house.command(arguments))
    }

    fn service(&self, name: &str) -> serde_json::Value {
        self.run(&["status", "--json", name]).json()["services"][0].clone()
    }

    /// A file of its /proc.
    fn proc(&self, path: &str) -> PathBuf {
        format!("/proc/{}/root/proc/{path}", self.init).into()
    }

    /// The exit code after this signal.
    fn ends_by(mut self, by: Signal) -> Option<i32> {
        signal(self.init, by);
        self.unshare.wait().expect("it ends").code()
    }
}

impl Drop for Container<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let said = std::fs::read_to_string(self.house.path("container.log"));
            let ended = self.unshare.try_wait();
            eprintln!("--- container (ended: {ended:?})\n{}", said.unwrap_or_default());
            eprintln!("--- status\n{:#?}", self.run(&["status"]));
        }
        let _ = self.unshare.kill();
        let _ = self.unshare.wait();
        until("all of it is gone", || self.house.marked().is_empty());
    }
}

#[test]
fn strangers_orphans_are_reaped() {
    if !possible() {
        return;
    }
    let house = House::new(&plain("web", ""));
    let container = Container::of(&house, &house.command(&["run"]));
    let mut script = Command::new("sh");
    script.args(["-c", "sleep 600 >/dev/null 2>&1 & echo $!"]);
    let orphan = container.enter(&script).out.trim().to_owned();
    let stat = std::fs::read_to_string(container.proc(&format!("{orphan}/status"))).expect("it lives");
    assert!(stat.contains("PPid:\t1\n"), "not an orphan: {stat}");
    let mut kill = Command::new("kill");
    kill.args(["-9", &orphan]);
    container.enter(&kill).exits(0);
    // A zombie that nobody waits for would stay.
    until("it is reaped", || !container.proc(&orphan).exists());
    assert_eq!(container.service("web")["state"], "RUNNING");
}

#[test]
fn signals_end_it_in_order_or_do_nothing() {
    if !possible() {
        return;
    }
    for by in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGQUIT] {
        let house = House::new(&plain("web", ""));
        let container = Container::of(&house, &house.command(&["run"]));
        until("it is up", || container.service("web")["state"] == "RUNNING");
        signal(container.init, Signal::SIGUSR1);
        signal(container.init, Signal::SIGUSR2);
        assert_eq!(container.run(&["status"]).code, 0);
        assert_eq!(container.ends_by(by), Some(0));
        let events = house.run(&["events"]);
        assert!(events.out.contains(&format!("{by}: leave")), "{events:#?}");
        house.is_empty();
    }
}

#[test]
fn told_to_leave_while_it_takes_the_house_over_it_leaves() {
    one_of_three(told_to_leave_it_leaves_at_once);
}

fn told_to_leave_it_leaves_at_once() {
    if !possible() {
        return;
    }
    let house = House::new(&plain("web", ""));
    // A leftover of a service that is gone, deaf to SIGTERM: it takes seconds to take it down.
    let leftover = "trap 'touch told' TERM; while :; do sleep 0.05; done";
    let script = format!(
        "cd {}; env SENTINEL_RUN=1:gone:$PWD/.sentinel sh -c \"{leftover}\" & exec \"$@\"",
        house.path("").display()
    );
    let supervisor = house.command(&["run"]);
    let mut init = Command::new("sh");
    init.args(["-c", &script, "sh"]).arg(supervisor.get_program());
    init.args(supervisor.get_args());
    let container = Container::begin(&house, &init);
    until("it takes down what was left", || house.path("told").exists());
    let began = std::time::Instant::now();
    assert_eq!(container.ends_by(Signal::SIGTERM), Some(0));
    assert!(began.elapsed() < std::time::Duration::from_secs(2), "at once");
    assert!(!house.path("logs/web.log").exists(), "nothing was started");
}

#[test]
fn it_ends_with_1_when_a_service_was_given_up() {
    if !possible() {
        return;
    }
    let bad = plain("bad", "--exit-after 0 --code 9") + "fatal_exit = [9]\n";
    let house = House::new(&(plain("web", "") + &bad));
    let container = Container::of(&house, &house.command(&["run"]));
    until("it is given up", || container.service("bad")["state"] == "FATAL");
    assert_eq!(container.ends_by(Signal::SIGTERM), Some(1));
}

#[test]
fn no_restart_ends_the_container() {
    if !possible() {
        return;
    }
    let house = House::new(&plain("web", ""));
    let as_init = house.command(&["run"]);
    // As with tini: the supervisor is the one child of the container's init, and in its session.
    let mut below_init = Command::new("sh");
    below_init.args(["-c", "\"$@\"; exit $?", "sh"]);
    below_init.arg(as_init.get_program()).args(as_init.get_args());
    for program in [as_init, below_init] {
        let container = Container::of(&house, &program);
        until("it is up", || container.service("web")["state"] == "RUNNING");
        // Until its start is over it works, and every other order is told to wait.
        let lock = house.path(".sentinel/operation.lock");
        until("its start is over", || !lock.exists());
        let before = container.service("web")["pid"].clone();
        for mode in ["master", "quick", "emergency"] {
            let refused = container.run(&["restart", mode]).exits(1);
            refused
                .says("would end the container")
                .says("sentinel restart '*'");
        }
        assert_eq!(container.service("web")["pid"], before);
        container.run(&["restart", "*"]).exits(0);
        assert_ne!(container.service("web")["pid"], before);
    }
}
