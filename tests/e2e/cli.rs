//! The command line: exit codes, JSON, and words that people rely on.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};

use crate::house::{House, alive, free_port, until};
use crate::trouble::{let_go, plain, slow, web};

#[test]
fn wrong_usage_is_told() {
    let house = House::new(&plain("web", ""));
    house.run(&["explode"]).exits(2);
    house.run(&["status", "--colour"]).exits(2);
    for verb in ["status", "start", "restart", "logs", "flush"] {
        house.run(&[verb, "webb"]).exits(2).says("did you mean `web`?");
    }
    house.run(&["run", "webb"]).exits(2).says("no service `webb`");
    house.run(&["--version"]).exits(0).says(env!("CARGO_PKG_VERSION"));
    house.run(&["help"]).exits(0).says("restart");
}

#[test]
fn without_a_supervisor_there_is_exit_code_four() {
    let house = House::new(&plain("web", ""));
    for arguments in [
        &["status"][..],
        &["stop"],
        &["shutdown"],
        &["restart", "web"],
        &["reload"],
    ] {
        house.run(arguments).exits(4);
    }
    let status = house.run(&["--json", "status"]).exits(4).json();
    assert_eq!(status["supervisor"]["state"], "absent");
    assert!(status["supervisor"]["pid"].is_null());
    assert_eq!(status["services"][0]["state"], "STOPPED");
}

#[test]
fn the_status_has_every_field_of_the_contract() {
    let house = House::new(&web("web", free_port()));
    house.run(&["start"]).exits(0);
    let status = house.run(&["status", "--json"]).exits(0).json();
    assert_eq!(status["ok"], true);
    let has = |value: &serde_json::Value, fields: &[&str]| {
        for field in fields {
            assert!(value.get(field).is_some(), "{field} is missing in {value}");
        }
    };
    has(
        &status["supervisor"],
        &["state", "pid", "version", "uptime_s", "config"],
    );
    has(
        &status["services"][0],
        &[
            "name",
            "state",
            "pid",
            "uptime_s",
            "restarts",
            "last_exit",
            "reason",
            "cpu_percent",
            "memory_bytes",
            "ports",
            "health",
        ],
    );
    has(
        &status["services"][0]["health"],
        &["status", "kind", "latency_ms", "error", "detail"],
    );
    has(
        &status["ports"][0],
        &["port", "service", "state", "pid", "command"],
    );
    assert_eq!(status["ports"][0]["state"], "ok");
    assert_eq!(status["ports"][0]["command"], "chaos");
}

#[test]
fn status_tells_the_troubles_apart() {
    let port = free_port();
    let services = format!(
        "[services.web]\ncommand = \"chaos --listen {port} --sick-after 0\"\nports = [{port}]\n\
         health = {{ http = \"http://127.0.0.1:{port}/\", every = \"1h\" }}\n"
    );
    let house = House::new(&services);
    house.run(&["restart"]).exits(1).says("503");
    house.run(&["status"]).exits(6).says("503");
    house.run(&["stop", "web"]).exits(0);
    house.run(&["status"]).exits(3);
    house.run(&["shutdown"]).exits(0);

    let house = House::new(&slow());
    let mut starting = house
        .command(&["start"])
        .stdout(Stdio::null())
        .spawn()
        .expect("it runs");
    until("it is starting", || house.run(&["status"]).code == 8);
    let_go(&house);
    starting.wait().expect("it ends");
    house.write("nonsense");
    house.run(&["status"]).exits(5).says("services.toml:1:");
}

#[test]
fn check_names_every_mistake_at_once() {
    let house = House::new(
        "[services.web]\ncomand = \"chaos\"\nports = [0]\n[services.b]\ncommand = \"x\"\nafter = [\"wob\"]\n",
    );
    let ran = house.run(&["check"]).exits(5);
    let text = ran.out.clone() + &ran.err;
    for words in [
        "services.toml:2:1",
        "did you mean `command`",
        "services.toml:3:",
        "services.toml:6:",
        "wob",
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }
    house.write(&plain("web", ""));
    house.run(&["check"]).exits(0);
    house.run(&["check", "--json"]).exits(0).json();
}

#[test]
fn flush_frees_listeners_and_spares_clients() {
    let port = free_port();
    let chaos = std::path::Path::new(env!("CARGO_BIN_EXE_sentinel")).with_file_name("chaos");
    let house = House::new(&web("web", port));
    let mut stranger = Command::new(chaos)
        .args(["--listen", &port.to_string()])
        .stdin(Stdio::null())
        .spawn()
        .expect("it starts");
    let mut client = None;
    until("the stranger listens", || {
        client = TcpStream::connect(("127.0.0.1", port)).ok();
        client.is_some()
    });
    let plan = house.run(&["flush", "--dry-run", "--json"]).exits(0).json();
    assert_eq!(plan["ports"][0]["outcome"], "would_free");
    assert_eq!(plan["ports"][0]["holders"][0]["kind"], "foreign");
    assert_eq!(
        stranger.try_wait().expect("a child"),
        None,
        "a dry run touches nothing"
    );
    let report = house.run(&["flush", "--json"]).exits(0).json();
    assert_eq!(report["ok"], true);
    assert_eq!(report["ports"][0]["outcome"], "freed");
    assert_eq!(report["ports"][0]["holders"][0]["signal"], "SIGTERM");
    assert!(stranger.try_wait().expect("a child").is_some());
    let mut client = client.expect("connected");
    let _ = client.write_all(b"still here");
    let mut rest = Vec::new();
    let _ = client.read_to_end(&mut rest);
    assert_eq!(
        house.run(&["flush", "--json"]).exits(0).json()["ports"][0]["outcome"],
        "free"
    );
    house.run(&["flush", "4711"]).exits(1).says("4711");
}

#[test]
fn flush_stops_a_managed_holder_through_the_supervisor() {
    let port = free_port();
    let house = House::new(&web("web", port));
    house.run(&["start"]).exits(0);
    let pid = house.pid("web");
    house.run(&["flush", "--strays"]).exits(0);
    assert!(alive(pid), "--strays leaves it alone");
    let report = house.run(&["flush", "web", "--json"]).exits(0).json();
    assert_eq!(report["ports"][0]["holders"][0]["kind"], "managed");
    assert_eq!(
        house.service("web")["state"],
        "STOPPED",
        "it does not bounce back"
    );
}

#[test]
fn logs_are_whole_lines_with_stream_and_time_and_can_be_followed() {
    let house = House::new(
        &(plain(
            "talk",
            "--say one --say two --complain oh --mutter unfinished --exit-after 50",
        ) + "restart = \"never\"\n"),
    );
    house.run(&["start"]).exits(0);
    until("it has ended", || house.service("talk")["state"] == "EXITED");
    let log = house.log("talk");
    let texts: Vec<&str> = log
        .lines()
        .filter_map(|line| line.splitn(4, ' ').nth(3))
        .collect();
    assert!(
        ["one", "two", "oh", "unfinished"]
            .iter()
            .all(|text| texts.contains(text)),
        "{log}"
    );
    assert!(
        log.contains("stdout F one") && log.contains("stderr F oh"),
        "{log}"
    );
    house.run(&["logs", "talk"]).exits(0).says("one");
    let last = house.run(&["logs", "talk", "-n", "1"]).exits(0);
    assert_eq!(last.out.lines().count(), 1, "{last:?}");
    house.run(&["logs", "nobody"]).exits(2);

    let house = House::new(&plain("chatty", "--chatter 20"));
    house.run(&["start"]).exits(0);
    let mut follow = house
        .command(&["logs", "-f"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("it runs");
    let mut seen = [0; 64];
    let mut out = follow.stdout.take().expect("piped");
    let mut text = String::new();
    until("it follows", || {
        let read = out.read(&mut seen).expect("readable");
        text.push_str(&String::from_utf8_lossy(&seen[..read]));
        text.matches("line").count() > 12
    });
    follow.kill().expect("killed");
    follow.wait().expect("reaped");
}

#[test]
fn the_callers_environment_stays_outside() {
    let house = House::new(
        "[services.env]\ncommand = [\"sh\", \"-c\", \"env; exec sleep 60\"]\nmin_uptime = \"50ms\"\nenv = { COLOUR = \"blue\" }\n",
    );
    let status = house
        .command(&["start"])
        .env("SECRET_OF_THE_CALLER", "1")
        .status()
        .expect("it runs");
    assert!(status.success());
    let log = house.log("env");
    assert!(
        log.contains("COLOUR=blue") && log.contains("PATH=") && log.contains("SENTINEL_RUN="),
        "{log}"
    );
    assert!(!log.contains("SECRET_OF_THE_CALLER"), "{log}");
    let pid = house.pid("env");
    assert_eq!(
        fs::read_link(format!("/proc/{pid}/fd/0"))
            .expect("it lives")
            .to_str(),
        Some("/dev/null")
    );
    let open = fs::read_dir(format!("/proc/{pid}/fd")).expect("it lives").count();
    assert_eq!(
        open, 3,
        "a worker inherits standard input, output and error, and nothing else"
    );
}

#[test]
fn the_first_service_file_up_the_tree_is_found() {
    let house = House::new(&plain("web", ""));
    let below = house.path("deep/down");
    fs::create_dir_all(&below).expect("made");
    let sentinel = env!("CARGO_BIN_EXE_sentinel");
    let ran = Command::new(sentinel)
        .arg("check")
        .current_dir(&below)
        .env_remove("SENTINEL_CONFIG")
        .output();
    assert!(ran.expect("it runs").status.success());
    let elsewhere = tempfile::tempdir().expect("a temporary folder");
    for (named, code) in [(house.path("services.toml"), 0), (std::path::PathBuf::new(), 5)] {
        let ran = Command::new(sentinel)
            .arg("check")
            .current_dir(&elsewhere)
            .env("SENTINEL_CONFIG", &named)
            .output();
        assert_eq!(ran.expect("it runs").status.code(), Some(code), "{named:?}");
    }
}
