//! What a person sees when a worker misbehaves, and that nothing is left behind.

use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::json;

use crate::house::{House, alive, finish, free_port, one_of_three, signal, until};

/// Another user, whom every system has.
const NOBODY: u32 = 65534;

/// A service that listens, and is ready when it does.
pub fn web(name: &str, port: u16) -> String {
    format!("[services.{name}]\ncommand = [\"chaos\", \"--listen\", \"{port}\"]\nports = [{port}]\n")
}

/// A service without ports that is ready at once.
pub fn plain(name: &str, arguments: &str) -> String {
    format!("[services.{name}]\ncommand = \"chaos {arguments}\"\nmin_uptime = \"20ms\"\n")
}

/// A service that counts as ready only when the test lets it: `let_go`.
pub fn slow() -> String {
    "[services.slow]\ncommand = \"chaos\"\nready = { exec = [\"test\", \"-e\", \"go\"] }\nstart_timeout = \"5m\"\n"
        .into()
}

/// Lets the service of `slow` be ready.
pub fn let_go(house: &House) {
    std::fs::write(house.path("go"), "").expect("written");
}

#[test]
fn a_killed_worker_is_back_before_the_next_command() {
    let house = House::new(&(web("web", free_port()) + "min_uptime = \"100ms\"\n"));
    house.run(&["restart"]).exits(0);
    let first = house.pid("web");
    until("it is proven", || {
        house.service("web")["uptime_s"].as_f64() > Some(0.2)
    });
    signal(first, Signal::SIGKILL);
    until("it is back", || {
        let status = house.status();
        assert_ne!(
            status["ports"][0]["state"], "stray",
            "the new run is no leftover of the old: {status}"
        );
        let web = &status["services"][0];
        web["state"] == "RUNNING" && web["pid"].as_i64() != Some(first.into())
    });
    let web = house.service("web");
    assert_eq!(web["restarts"], 1);
    assert_eq!(web["last_exit"]["signal"], "SIGKILL");
    assert_eq!(web["reason"], json!(null), "it runs as wanted");
    house.run(&["status"]).exits(0).says("web runs");
    house.run(&["shutdown"]).exits(0);
    house.is_empty();
}

#[test]
fn a_worker_that_exits_at_once_is_given_up_with_its_reason() {
    let services = "[services.crash]\ncommand = \"chaos --exit-after 0 --code 3 --complain 'no database'\"\nmax_restarts = 2\n";
    let house = House::new(services);
    house
        .run(&["restart"])
        .exits(1)
        .says("crash: given up after 3 failed runs in a row: ended with exit code 3")
        .says("  crash: ended with exit code 3")
        .says("its last line: no database")
        .says("sentinel logs crash");
    let crash = house.service("crash");
    assert_eq!(crash["state"], "FATAL");
    assert_eq!(crash["last_exit"]["code"], 3);
    house.run(&["status"]).exits(3).says("FATAL").says("exit code 3");
    assert!(house.log("crash").contains("stderr F no database"));
    house.run(&["shutdown"]).exits(0);
    house.is_empty();
}

#[test]
fn a_worker_that_ignores_sigterm_is_killed_after_its_grace() {
    let services = plain("deaf", "--ignore-term") + "stop = { timeout = \"300ms\" }\n";
    let house = House::new(&services);
    house.run(&["start"]).exits(0);
    let pid = house.pid("deaf");
    let ran = house.run(&["stop", "deaf"]).exits(0);
    assert!(
        ran.took >= Duration::from_millis(300),
        "no SIGKILL before its grace is over: {:?}",
        ran.took
    );
    assert!(!alive(pid));
    assert_eq!(house.service("deaf")["last_exit"]["signal"], "SIGKILL");
    house.run(&["status"]).exits(3).says("stopped on request");
    house.run(&["shutdown"]).exits(0);
    house.is_empty();
}

#[test]
fn descendants_go_with_their_worker_wherever_they_hid() {
    let services =
        plain("tree", "--leave group --leave session --leave daemon") + "stop = { timeout = \"300ms\" }\n";
    let house = House::new(&services);
    house.run(&["start"]).exits(0);
    until("all four live", || house.marked().len() == 4);
    house.run(&["stop"]).exits(0);
    assert_eq!(house.marked(), Vec::<i32>::new());
    house.run(&["start"]).exits(0);
    until("all four live", || house.marked().len() == 4);
    let first = house.pid("tree");
    signal(first, Signal::SIGKILL);
    until("a new run stands alone", || {
        let tree = house.service("tree");
        tree["state"] == "RUNNING" && tree["pid"].as_i64() != Some(first.into()) && house.marked().len() == 4
    });
}

#[test]
fn a_worker_that_never_becomes_ready_fails_the_restart_in_time() {
    one_of_three(never_ready_in_time);
}

fn never_ready_in_time() {
    let port = free_port();
    let services =
        plain("mute", "") + &format!("ports = [{port}]\nstart_timeout = \"300ms\"\nmax_restarts = 0\n");
    let services = services + &plain("web", "") + "after = [\"mute\"]\n";
    let house = House::new(&services);
    let ran = house.run(&["restart", "--json"]).exits(1);
    assert!(ran.took < Duration::from_secs(10), "{:?}", ran.took);
    let services = ran.json()["services"].clone();
    let reason = |index: usize| services[index]["reason"].as_str().unwrap_or_default().to_owned();
    assert!(reason(0).contains("not ready after 0.3 s"), "{services}");
    assert!(reason(0).contains(&format!("port {port}")), "{services}");
    assert!(reason(1).contains("needs mute"), "{services}");
    until("it is given up", || house.service("mute")["state"] == "FATAL");
    house
        .run(&["status"])
        .exits(3)
        .says("not ready after 0.3 s")
        .says("waits for mute");
    house.run(&["shutdown"]).exits(0);
    house.is_empty();
}

#[test]
fn a_stranger_on_the_port_is_named_and_a_restart_frees_it() {
    let port = free_port();
    let chaos = std::path::Path::new(env!("CARGO_BIN_EXE_sentinel")).with_file_name("chaos");
    let house = House::new(&(web("web", port) + "max_restarts = 1\n"));
    let mut stranger = Command::new(chaos)
        .args(["--listen", &port.to_string()])
        .stdin(Stdio::null())
        .spawn()
        .expect("it starts");
    until("the stranger listens", || {
        std::net::TcpStream::connect(("127.0.0.1", port)).is_ok()
    });
    house
        .run(&["start"])
        .exits(1)
        .says(&format!("port {port} is held by chaos"));
    let ports = house.status()["ports"].clone();
    assert_eq!(ports[0]["state"], "foreign", "{ports}");
    house.run(&["restart"]).exits(0);
    assert_eq!(house.status()["ports"][0]["state"], "ok");
    assert!(
        stranger.try_wait().expect("a child").is_some(),
        "the stranger is gone"
    );
    house.run(&["shutdown"]).exits(0);
    house.is_empty();
}

#[test]
fn a_leftover_on_the_port_is_told_from_a_stranger_and_a_restart_takes_it_down() {
    let port = free_port();
    let house = House::new(&web("web", port));
    house.run(&["restart"]).exits(0);
    let leftover = house.pid("web");
    let supervisor = house.supervisor();
    signal(supervisor, Signal::SIGKILL);
    until("it is gone", || !alive(supervisor));
    house.run(&["status"]).exits(4).says(&format!(
        "port {port} is held by chaos (pid {leftover}), a leftover of ours"
    ));
    house
        .run(&["flush"])
        .exits(0)
        .says(&format!("port {port}: freed from chaos (pid {leftover}"));
    assert!(!alive(leftover));
    house.run(&["restart"]).exits(0);
    house.run(&["shutdown"]).exits(0);
    house.is_empty();
}

#[test]
fn a_folder_that_may_not_be_entered_is_named_before_anything_is_stopped() {
    if !nix::unistd::geteuid().is_root() {
        return eprintln!("skipped: only root can run a house as another user");
    }
    let house = House::new(&plain("web", ""));
    let private = house.path("private");
    std::fs::create_dir(&private).expect("made");
    std::fs::set_permissions(&private, std::os::unix::fs::PermissionsExt::from_mode(0o700)).expect("ours");
    for path in [house.path(""), house.path("services.toml")] {
        std::os::unix::fs::chown(path, Some(NOBODY), Some(NOBODY)).expect("given away");
    }
    let as_nobody = |arguments: &[&str]| {
        let mut command = house.command(arguments);
        command.uid(NOBODY).gid(NOBODY).current_dir("/");
        finish(
            command
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .expect("it runs"),
        )
    };
    as_nobody(&["restart"]).exits(0);
    let pid = house.pid("web");
    house.write(&(plain("web", "") + "cwd = \"private\"\n"));
    as_nobody(&["restart"])
        .exits(1)
        .says("private")
        .says("may not be entered")
        .says("nothing was stopped");
    assert_eq!(house.pid("web"), pid, "the running system was left alone");
    as_nobody(&["shutdown"]).exits(0);
    house.is_empty();
}

#[test]
fn a_protected_port_is_refused_before_anything_is_stopped() {
    let (own, port) = (free_port(), free_port());
    let house = House::new(&web("web", own));
    house.run(&["restart"]).exits(0);
    let pid = house.pid("web");
    let _stranger = TcpListener::bind(("127.0.0.1", port)).expect("free");
    let protect = format!("[sentinel]\nprotected_ports = [{port}]\n");
    house.write(&(protect + &web("web", own) + &web("other", port)));
    house
        .run(&["restart"])
        .exits(1)
        .says(&format!("port {port} is listed in protected_ports"))
        .says("nothing was stopped");
    assert_eq!(house.pid("web"), pid, "the running system was left alone");
}

#[test]
fn a_full_disk_under_the_logs_stops_no_service() {
    let house = House::new(&plain("chatty", "--chatter 5"));
    std::fs::create_dir_all(house.path("logs")).expect("made");
    std::os::unix::fs::symlink("/dev/full", house.path("logs/chatty.log")).expect("linked");
    house.run(&["restart"]).exits(0);
    until("the loss is told", || {
        house.service("chatty")["log_loss"].is_string()
    });
    house.run(&["status"]).exits(0).says("No space left on device");
    assert_eq!(house.service("chatty")["state"], "RUNNING");
    house.run(&["shutdown"]).exits(0);
    house.is_empty();
}

#[test]
fn an_unhealthy_worker_is_restarted_with_the_probes_words() {
    let port = free_port();
    let services = format!(
        "[services.web]\ncommand = [\"chaos\", \"--listen\", \"{port}\", \"--sick-while\", \"sick\"]\nports = [{port}]\n\
         health = {{ http = \"http://127.0.0.1:{port}/\", every = \"50ms\", failures = 2 }}\n"
    );
    let house = House::new(&services);
    house.run(&["start"]).exits(0);
    std::fs::write(house.path("sick"), "").expect("written");
    until("it was restarted", || {
        house.service("web")["restarts"].as_u64() > Some(0)
    });
    let log = std::fs::read_to_string(house.path("logs/sentinel.log")).expect("a log");
    assert!(log.contains("503"), "{log}");
}

#[test]
fn every_kind_of_proof_of_readiness_is_awaited() {
    let (late, http, tcp) = (free_port(), free_port(), free_port());
    let services = format!(
        "[services.late]\ncommand = \"chaos --listen {late} --listen-after 150\"\nports = [{late}]\n\
         [services.http]\ncommand = \"chaos --listen {http}\"\nready = {{ http = \"http://127.0.0.1:{http}/\", expect = {{ healthy = true }} }}\n\
         [services.tcp]\ncommand = \"chaos --listen {tcp} --listen-after 100\"\nready = {{ tcp = \"127.0.0.1:{tcp}\" }}\n\
         [services.exec]\ncommand = \"chaos\"\nready = {{ exec = [\"true\"] }}\n\
         [services.notify]\ncommand = \"chaos --notify-after 100\"\nready = {{ notify = true }}\n\
         [services.log]\ncommand = \"chaos --say 'open for business'\"\nready = {{ log = \"open for \\\\w+\" }}\n"
    );
    let house = House::new(&services);
    let ran = house.run(&["restart", "--json"]).exits(0);
    let outcome = ran.json();
    for service in outcome["services"].as_array().expect("services") {
        assert_eq!(service["result"], json!("done"), "{outcome}");
    }
}

#[test]
fn a_failing_exec_probe_tells_its_last_words() {
    // A slow machine may not come to the probe in less.
    let is_told = |time: &str| {
        let ready = "ready = { exec = [\"ls\", \"/nowhere\"] }";
        let house = House::new(&format!(
            "{}start_timeout = \"{time}\"\n{ready}\n",
            plain("web", "")
        ));
        house.run(&["restart"]).exits(1).err.contains("/nowhere")
    };
    assert!(["300ms", "5s", "30s"].into_iter().any(is_told));
}
