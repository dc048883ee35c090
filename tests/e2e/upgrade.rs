//! The supervisor is replaced in place: same process, same children, and nobody notices.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::house::{House, alive, free_port, signal, until};
use crate::trouble::{let_go, plain, slow, web};

fn upgrades(house: &House) -> Value {
    house.status()["supervisor"]["upgrades"].clone()
}

/// The lines of one stream of a log, joined where a record says that its line goes on.
pub fn lines(log: &str, stream: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let mut begun = String::new();
    for record in log.lines() {
        let mut fields = record.splitn(4, ' ').skip(1);
        let (of, tag, text) = (fields.next(), fields.next(), fields.next());
        if of != Some(stream) {
            continue;
        }
        begun += text.unwrap_or_default();
        if tag != Some("P") {
            lines.push(std::mem::take(&mut begun));
        }
    }
    lines
}

/// A program that says yes when it is tried, and does this when it is to take over.
fn impostor(house: &House, then: &str) -> PathBuf {
    let real = env!("CARGO_BIN_EXE_sentinel");
    script(
        house,
        &format!("case \"$*\" in *can-resume*) exec {real} \"$@\";; esac\n{then}"),
    )
}

fn script(house: &House, text: &str) -> PathBuf {
    let path = house.path("new");
    fs::write(&path, format!("#!/bin/sh\n{text}\n")).expect("written");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("ours");
    path
}

fn upgrade_to(house: &House, binary: &Path) -> crate::house::Ran {
    house.run(&["upgrade", "--binary", &binary.display().to_string()])
}

#[test]
fn ten_times_over_no_line_is_lost_and_nobody_is_restarted() {
    // One file to read at the end, however much that is.
    let services = "[sentinel]\nlog_max_total = \"1TiB\"\n[logs]\nmax_size = \"100GiB\"\n".to_owned()
        + &plain("busy", "--chatter 0")
        + &plain("calm", "--chatter 1 --complain oops");
    let house = House::new(&services);
    house.run(&["start"]).exits(0);
    let before = (house.supervisor(), house.pid("busy"), house.pid("calm"));
    for count in 1..=10 {
        house.run(&["upgrade"]).exits(0).says("took over from");
        assert_eq!(upgrades(&house), json!(count));
        assert_eq!((house.supervisor(), house.pid("busy"), house.pid("calm")), before);
    }
    house.run(&["shutdown"]).exits(0);
    for service in ["busy", "calm"] {
        let lines = lines(&house.log(service), "stdout");
        assert!(lines.len() > 100, "{service} wrote {} lines", lines.len());
        let last = lines.len() - 1;
        for (number, line) in lines.iter().enumerate() {
            // The last one may be cut by its writer's end.
            assert!(
                number == last || *line == format!("line {number}"),
                "{service}: {line} is number {number}"
            );
        }
    }
}

#[test]
fn clients_of_services_and_of_the_supervisor_wait_and_are_answered() {
    let port = free_port();
    let services = format!(
        "[services.web]\ncommand = \"chaos --activated\"\nsockets = [\"127.0.0.1:{port}\"]\n\
         ready = {{ http = \"http://127.0.0.1:{port}/\" }}\n"
    );
    let house = House::new(&services);
    house.run(&["start"]).exits(0);
    let socket = inode(port);
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let asking = scope.spawn(|| {
            let mut asked = 0;
            while !done.load(Ordering::Relaxed) {
                house.run(&["status"]).exits(0);
                asked += 1;
            }
            asked
        });
        let connecting = scope.spawn(|| {
            let mut connected = 0;
            while !done.load(Ordering::Relaxed) {
                TcpStream::connect(("127.0.0.1", port)).expect("never refused");
                connected += 1;
            }
            connected
        });
        for _ in 0..5 {
            house.run(&["upgrade"]).exits(0);
        }
        done.store(true, Ordering::Relaxed);
        assert!(asking.join().expect("every status is good") > 0);
        assert!(connecting.join().expect("nobody is refused") > 0);
    });
    assert_eq!(inode(port), socket, "the very same socket");
    house.run(&["restart", "web"]).exits(0);
    assert_eq!(inode(port), socket, "and it is kept across restarts");
}

/// The socket that listens on a port, by its inode.
fn inode(port: u16) -> String {
    let table = fs::read_to_string("/proc/net/tcp").expect("/proc");
    let local = format!("0100007F:{port:04X}");
    let fields = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let listening = |fields: &Vec<String>| fields[1] == local && fields[3] == "0A";
    let found = table.lines().map(fields).find(listening);
    found.unwrap_or_else(|| panic!("nobody listens on {port}"))[9].clone()
}

#[test]
fn what_was_going_on_goes_on() {
    // On a slow machine it may be over before it is looked at.
    for grace in ["1500ms", "15s"] {
        if std::panic::catch_unwind(|| goes_on_within(grace)).is_ok() {
            return;
        }
    }
    goes_on_within("60s");
}

fn goes_on_within(grace: &str) {
    let services = plain("stopped", "")
        + "[services.crash]\ncommand = \"chaos --exit-after 0 --code 3\"\nmax_restarts = 0\n"
        + &plain("tree", "--leave session")
        + &format!("stop = {{ timeout = \"{grace}\" }}\n");
    let house = House::new(&services);
    house.run(&["start", "stopped", "crash", "tree"]).exits(1);
    house.run(&["stop", "stopped"]).exits(0);
    until("the descendant lives", || house.marked().len() == 2);
    let supervisor = house.supervisor();
    let tree = house.pid("tree");
    signal(tree, Signal::SIGKILL);
    until("its descendant is being taken down", || {
        house.service("tree")["state"] == "STOPPING"
    });
    let shown = |name: &str| {
        let service = house.service(name);
        let reason = service["reason"].as_str().unwrap_or_default();
        // It tells when the next try is, which comes nearer.
        let reason = reason.split("; tries again").next().unwrap_or_default();
        let fields = ["state", "restarts", "run", "wanted", "last_exit"];
        (fields.map(|field| service[field].clone()), reason.to_owned())
    };
    let before = ["stopped", "crash"].map(shown);
    house.run(&["upgrade"]);
    assert_eq!(house.supervisor(), supervisor);
    assert_eq!(upgrades(&house), 1);
    assert_eq!(["stopped", "crash"].map(shown), before);
    assert_eq!(house.service("tree")["state"], "STOPPING");
    until("a new run stands alone", || {
        house.running("tree").is_some_and(|pid| pid != tree) && house.marked().len() == 2
    });
    assert_eq!(house.service("tree")["restarts"], 1);
}

#[test]
fn a_start_that_is_under_way_is_not_disturbed() {
    let house = House::new(&slow());
    let start = house.command(&["start"]).spawn().expect("it runs");
    until("it is starting", || house.run(&["status"]).code == 8);
    house
        .run(&["upgrade"])
        .exits(75)
        .says("another operation is under way: `sentinel start`");
    let_go(&house);
    crate::house::finish(start).exits(0);
    house.run(&["upgrade"]).exits(0);
}

#[test]
fn a_service_that_restarts_by_itself_becomes_ready_under_the_next_image() {
    let port = free_port();
    let services = format!(
        "[services.late]\ncommand = \"chaos --say up --listen-after 600 --listen {port}\"\nports = [{port}]\n\
         ready = {{ log = \"up\" }}\n"
    );
    let house = House::new(&services);
    house.run(&["start"]).exits(0);
    let first = house.pid("late");
    signal(first, Signal::SIGKILL);
    until("it has said that it is up", || {
        lines(&house.log("late"), "stdout").len() == 2 && house.service("late")["pid"].is_number()
    });
    let second = house.pid("late");
    house.run(&["upgrade"]);
    until("its port is the last proof", || {
        house.running("late") == Some(second)
    });
}

#[test]
fn a_binary_that_cannot_take_over_changes_nothing() {
    let house = House::new(&web("web", free_port()));
    house.run(&["start"]).exits(0);
    let before = (house.supervisor(), house.pid("web"));
    let cases = [
        ("kill -SEGV $$", "it crashed when it was tried (SIGSEGV)"),
        (
            "echo 'sentinel: does not know the state of sentinel 9' >&2; exit 1",
            "does not know the state of sentinel 9",
        ),
        ("echo hello", "it says \"hello\""),
        ("exit 7", "it failed when it was tried (exit code 7)"),
        ("exec sleep 600", "it does not answer within 5 s"),
    ];
    for (text, why) in cases {
        let said = upgrade_to(&house, &script(&house, text)).exits(1);
        said.says("the new binary cannot take over")
            .says(why)
            .says("goes on as before");
    }
    let plain_file = house.path("services.toml");
    upgrade_to(&house, &plain_file).exits(1).says("Permission denied");
    upgrade_to(&house, &house.path("nowhere"))
        .exits(1)
        .says("nowhere");
    assert_eq!((house.supervisor(), house.pid("web")), before);
    assert_eq!(upgrades(&house), 0);
    house.run(&["status"]).exits(0);
    let failure = house
        .run(&["upgrade", "--binary", "/bin/true", "--json"])
        .exits(1)
        .json();
    assert_eq!(failure["phases"][0]["phase"], "check", "{failure}");
    assert!(failure["error"]["message"].is_string(), "{failure}");
    assert!(house.marked().len() == 1, "nothing that was tried is left");
}

#[test]
fn one_that_dies_once_it_has_taken_over_is_replaced_by_the_one_before() {
    let port = free_port();
    let house = House::new(&(web("web", port) + &plain("down", "")));
    house.run(&["start"]).exits(0);
    house.run(&["stop", "down"]).exits(0);
    for (then, alive_after) in [
        ("exit 1", false),
        ("kill -SEGV $$", false),
        ("exec sleep 600", false),
    ] {
        let (supervisor, web) = (house.supervisor(), house.pid("web"));
        let said = upgrade_to(&house, &impostor(&house, then)).exits(1);
        said.says("the old one stood by and has adopted the services");
        assert_eq!(alive(supervisor), alive_after, "{then}");
        assert_eq!(house.pid("web"), web, "{then}: nothing was restarted");
        assert_eq!(house.service("down")["wanted"], json!(false));
        assert_eq!(house.run(&["upgrade"]).code, 0, "and all goes on from there");
    }
}

#[test]
fn who_stands_by_starts_nothing_when_nothing_was_up() {
    let house = House::new(&(plain("web", "") + &plain("other", "")));
    house.run(&["start"]).exits(0);
    house.run(&["stop"]).exits(0);
    let supervisor = house.supervisor();
    upgrade_to(&house, &impostor(&house, "exit 1")).exits(1);
    assert_ne!(house.supervisor(), supervisor, "the one that stood by is there");
    for name in ["web", "other"] {
        let service = house.service(name);
        assert_eq!(
            (&service["state"], &service["wanted"], &service["pid"]),
            (&json!("STOPPED"), &json!(false), &Value::Null)
        );
    }
    house.run(&["start"]).exits(0);
}

#[test]
fn an_edited_services_toml_is_not_taken_in_by_the_way() {
    let house = House::new(&plain("web", ""));
    house.run(&["start"]).exits(0);
    house.write(&(plain("web", "") + &plain("other", "")));
    house.run(&["upgrade"]).exits(1).says("sentinel reload");
    house.write("[services.web]\n");
    house.run(&["upgrade"]).exits(5);
    house.write(&plain("web", ""));
    house.run(&["upgrade"]).exits(0);
}

#[test]
fn probes_go_on_and_what_they_said_is_remembered() {
    let probe = "health = { exec = [\"sh\", \"-c\", \"echo asked >> probes; test ! -e sick\"], every = \"100ms\", failures = 9999 }\n";
    let house = House::new(&(plain("web", "") + probe));
    let asked = || {
        fs::read_to_string(house.path("probes"))
            .unwrap_or_default()
            .lines()
            .count()
    };
    let told = |words: &str| {
        let log = fs::read_to_string(house.path("logs/sentinel.log")).expect("a log");
        log.matches(words).count()
    };
    house.run(&["start"]).exits(0);
    until("it is healthy", || told("health: healthy") == 1);
    for verdict in ["health: healthy", "health: unhealthy"] {
        for _ in 0..2 {
            let before = asked();
            house.run(&["upgrade", "-q"]);
            until("it is asked under the next image", || asked() > before + 2);
        }
        assert_eq!(
            told(verdict),
            1,
            "nothing has changed, so there is nothing to tell"
        );
        fs::write(house.path("sick"), "").expect("written");
        until("it is sick", || told("health: unhealthy") == 1);
    }
}

#[test]
fn who_watches_is_told_to_connect_again() {
    let house = House::new(&plain("web", ""));
    house.run(&["start"]).exits(0);
    let mut watching = watch(&house);
    house.run(&["upgrade"]).exits(0);
    let mut rest = String::new();
    watching.read_to_string(&mut rest).expect("it ends");
    assert!(rest.contains("\"event\":\"upgrading\""), "{rest}");
    assert!(
        rest.trim_end().ends_with('0'),
        "and the answer is whole: {rest:?}"
    );
    drop(watch(&house));
}

/// A watcher of `/v1/events` whose watching has begun.
fn watch(house: &House) -> UnixStream {
    let mut stream = UnixStream::connect(house.path(".sentinel/sock")).expect("somebody listens");
    stream
        .write_all(b"GET /v1/events HTTP/1.1\r\nhost: x\r\n\r\n")
        .expect("written");
    let mut head = [0; 15];
    stream.read_exact(&mut head).expect("answered");
    assert_eq!(&head, b"HTTP/1.1 200 OK");
    stream
}

#[test]
fn signals_and_deaths_meanwhile_are_not_missed() {
    let house = House::new(&(plain("web", "") + &plain("other", "")));
    house.run(&["start"]).exits(0);
    for _ in 0..3 {
        let web = house.pid("web");
        std::thread::scope(|scope| {
            let killing = scope.spawn(|| signal(web, Signal::SIGKILL));
            house.run(&["upgrade"]);
            killing.join().expect("signalled");
        });
        until("it is back", || {
            house.running("web").is_some_and(|pid| pid != web)
        });
    }
    let supervisor = house.supervisor();
    let upgrade = house.command(&["upgrade", "-q"]).spawn().expect("it runs");
    signal(supervisor, Signal::SIGTERM);
    let _ = upgrade.wait_with_output();
    until("it has left, whichever image heard it", || !alive(supervisor));
    house.is_empty();
}
