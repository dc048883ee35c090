//! Alerts from outside: each way to a real listener, also after it was down, and across supervisors.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::house::{House, PATIENCE, alive, free_port, signal, until};
use crate::trouble::plain;

/// A service that is given up at once.
fn doomed(name: &str) -> String {
    format!(
        "[services.{name}]\ncommand = \"chaos --exit-after 0 --code 3\"\nmax_restarts = 0\nmin_uptime = \"20ms\"\n"
    )
}

/// Quick to group, quick to try again; and whatever the disk of the tests is like, it is not their subject.
const QUICK: &str = "disk_free = \"0%\"\ngroup = \"50ms\"\nretry = \"100ms\"\nretry_max = \"200ms\"\n";

/// Answers one request with this status, and gives its head and its JSON.
pub fn take(listener: &TcpListener, status: &str) -> (String, Value) {
    listener.set_nonblocking(true).expect("set");
    let mut delivery = None;
    until("a delivery", || {
        delivery = listener.accept().ok();
        delivery.is_some()
    });
    let (stream, _) = delivery.expect("accepted");
    stream.set_nonblocking(false).expect("set");
    stream.set_read_timeout(Some(PATIENCE)).expect("set");
    read_request(&stream, status)
}

fn read_request(mut stream: &TcpStream, status: &str) -> (String, Value) {
    let mut reader = BufReader::new(stream);
    let (mut head, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).expect("a line");
        let lower = line.to_ascii_lowercase();
        if let Some(number) = lower.strip_prefix("content-length:") {
            length = number.trim().parse().expect("a number");
        }
        if line.trim().is_empty() {
            break;
        }
        head += &line;
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).expect("a body");
    write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    )
    .expect("answered");
    (head, serde_json::from_slice(&body).expect("JSON"))
}

pub fn listen(port: u16) -> TcpListener {
    TcpListener::bind(("127.0.0.1", port)).expect("bound")
}

#[test]
fn a_webhook_gets_the_alert_and_the_recovery_and_its_secret_is_never_shown() {
    let port = free_port();
    let listener = listen(port);
    let hook = format!(
        "webhook = \"http://127.0.0.1:{port}/hook/${{TOKEN}}\"\nheaders = {{ X-Key = \"${{TOKEN}}\" }}\n"
    );
    let house = House::new(&format!(
        "[alerts]\n{QUICK}[alerts.to.chat]\n{hook}{}",
        doomed("web")
    ));
    fs::write(house.path("env"), "TOKEN=s3cr3t-t0ken\n").expect("written");
    let mut permissions = fs::metadata(house.path("env")).expect("there").permissions();
    std::os::unix::fs::PermissionsExt::set_mode(&mut permissions, 0o600);
    fs::set_permissions(house.path("env"), permissions).expect("set");
    let text = fs::read_to_string(house.path("services.toml")).expect("there");
    house.write(&format!("[sentinel]\nenv_file = \"env\"\n{text}"));
    house.run(&["start"]).exits(1);
    let (head, alert) = take(&listener, "200 OK");
    assert!(head.starts_with("POST /hook/s3cr3t-t0ken HTTP/1.1"), "{head}");
    assert!(
        head.to_ascii_lowercase().contains("x-key: s3cr3t-t0ken"),
        "{head}"
    );
    assert_eq!(
        (&alert["alerts"][0]["kind"], &alert["alerts"][0]["state"]),
        (&"fatal".into(), &"firing".into()),
        "{alert}"
    );
    assert!(
        alert["text"]
            .as_str()
            .is_some_and(|text| text.contains("web: FATAL: given up")),
        "{alert}"
    );
    house.run(&["alert", "list"]).exits(0).says("web: fatal");
    house.run(&["stop", "web"]).exits(0);
    let (_, over) = take(&listener, "204 No Content");
    assert_eq!(over["alerts"][0]["state"], "resolved", "{over}");
    drop(listener);
    house
        .run(&["alert", "test"])
        .exits(1)
        .says("not delivered")
        .says("refused");
    let mut seen = house.run(&["status", "-v"]).out + &house.run(&["events", "-n", "99"]).out;
    for file in [
        "logs/sentinel.log",
        ".sentinel/alerts.json",
        ".sentinel/events.jsonl",
        ".sentinel/state.json",
    ] {
        seen += &fs::read_to_string(house.path(file)).unwrap_or_default();
    }
    assert!(!seen.contains("s3cr3t"), "{seen}");
}

#[test]
fn what_nobody_takes_waits_on_disk_for_the_next_supervisor_and_is_told_in_order() {
    let port = free_port();
    let alerts = format!("[alerts]\nwebhook = \"http://127.0.0.1:{port}/\"\n{QUICK}");
    let house = House::new(&(alerts + &doomed("a") + &plain("b", "")));
    house.run(&["start"]).exits(1);
    until("the delivery was tried", || {
        house.status()["alerts"]["trouble"].is_string()
    });
    house
        .run(&["status"])
        .says("1 alert waiting: webhook: 127.0.0.1")
        .says("refused");
    let mode = fs::metadata(house.path(".sentinel/alerts.json")).expect("kept");
    assert_eq!(
        std::os::unix::fs::PermissionsExt::mode(&mode.permissions()) & 0o777,
        0o600
    );
    let supervisor = house.supervisor();
    signal(supervisor, Signal::SIGKILL);
    until("the supervisor is gone", || !alive(supervisor));
    let listener = listen(port);
    house.run(&["start"]);
    let (_, refused) = take(&listener, "503 Service Unavailable");
    let (_, first) = take(&listener, "200 OK");
    assert_eq!(refused["id"], first["id"], "tried again until it is taken");
    assert_eq!(first["alerts"][0]["service"], "a", "{first}");
    let (_, second) = take(&listener, "200 OK");
    let kinds: Vec<&str> = second["alerts"]
        .as_array()
        .expect("alerts")
        .iter()
        .filter_map(|told| told["kind"].as_str())
        .collect();
    assert!(
        kinds.contains(&"supervisor"),
        "that it died is told too: {second}"
    );
    until("nothing waits", || house.status()["alerts"]["waiting"] == 0);
}

#[test]
fn several_at_once_become_one_message() {
    // A slow machine may take longer for the three.
    for group in ["1s", "10s"] {
        if std::panic::catch_unwind(|| several_within(group)).is_ok() {
            return;
        }
    }
    several_within("60s");
}

fn several_within(group: &str) {
    let port = free_port();
    let listener = listen(port);
    let alerts = format!(
        "[alerts]\nwebhook = \"http://127.0.0.1:{port}/\"\nformat = \"slack\"\ngroup = \"{group}\"\ndisk_free = \"0%\"\n"
    );
    let house = House::new(&(alerts + &doomed("a") + &doomed("b") + &doomed("c")));
    house.run(&["start"]).exits(1);
    let (_, alert) = take(&listener, "200 OK");
    assert_eq!(
        alert.as_object().map(serde_json::Map::len),
        Some(1),
        "Slack knows `text` alone: {alert}"
    );
    let text = alert["text"].as_str().expect("text");
    assert!(
        text.contains("3 alerts\n- ") && text.contains("\n- c: FATAL"),
        "{text}"
    );
}

#[test]
fn a_command_gets_json_on_its_input_and_the_gist_in_its_environment() {
    let script = "cat > got.json; echo $SENTINEL_ALERT_KINDS $SENTINEL_ALERT_SERVICES >> got.txt";
    let alerts = format!("[alerts.to.pager]\ncommand = [\"sh\", \"-c\", \"{script}\"]\n[alerts]\n{QUICK}");
    let house = House::new(&(alerts + &doomed("web")));
    house.run(&["start"]).exits(1);
    until("it ran", || {
        fs::read_to_string(house.path("got.txt")).is_ok_and(|text| text.ends_with('\n'))
    });
    assert_eq!(
        fs::read_to_string(house.path("got.txt")).expect("there"),
        "fatal web\n"
    );
    let got: Value = serde_json::from_slice(&fs::read(house.path("got.json")).expect("there")).expect("JSON");
    assert_eq!(got["alerts"][0]["service"], "web");
}

#[test]
fn a_command_that_fails_is_tried_again_until_it_does_not() {
    let script = "echo try >> tries; test -e up || { echo the pager is down >&2; exit 3; }; cat > got.json";
    let alerts = format!("[alerts]\ncommand = [\"sh\", \"-c\", \"{script}\"]\n{QUICK}");
    let house = House::new(&(alerts + &doomed("web")));
    house.run(&["start"]).exits(1);
    until("it was tried twice", || {
        fs::read_to_string(house.path("tries")).is_ok_and(|text| text.lines().count() > 1)
    });
    house.run(&["status"]).says("exit status: 3: the pager is down");
    fs::write(house.path("up"), "").expect("written");
    until("it was taken", || house.status()["alerts"]["waiting"] == 0);
    assert!(house.path("got.json").exists());
}

#[test]
fn syslog_is_told_on_a_socket_over_udp_and_over_tcp() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("log");
    let local = UnixDatagram::bind(&path).expect("bound");
    let udp = UdpSocket::bind("127.0.0.1:0").expect("bound");
    let tcp = TcpListener::bind("127.0.0.1:0").expect("bound");
    for socket in [
        local.set_read_timeout(Some(PATIENCE)),
        udp.set_read_timeout(Some(PATIENCE)),
    ] {
        socket.expect("set");
    }
    let (udp_at, tcp_at) = (udp.local_addr().expect("bound"), tcp.local_addr().expect("bound"));
    let alerts = format!(
        "[alerts]\nsyslog = \"{}\"\n{QUICK}[alerts.to.far]\nsyslog = \"udp://{udp_at}\"\n[alerts.to.sure]\nsyslog = \"tcp://{tcp_at}\"\n",
        path.display()
    );
    let house = House::new(&(alerts + &doomed("web")));
    house.run(&["start"]).exits(1);
    let mut buffer = [0; 2048];
    let length = local.recv(&mut buffer).expect("a line");
    let line = String::from_utf8_lossy(&buffer[..length]).into_owned();
    assert!(line.starts_with("<26>") && line.contains(" sentinel["), "{line}");
    assert!(line.contains("web: FATAL: given up"), "{line}");
    let length = udp.recv(&mut buffer).expect("a datagram");
    let line = String::from_utf8_lossy(&buffer[..length]).into_owned();
    assert!(
        line.starts_with("<26>1 ") && line.contains(" fatal - web: FATAL"),
        "{line}"
    );
    let mut text = String::new();
    tcp.accept()
        .expect("a connection")
        .0
        .read_to_string(&mut text)
        .expect("read");
    let (count, rest) = text.split_once(' ').expect("a count");
    assert_eq!(count.parse::<usize>().expect("a number"), rest.len(), "{text}");
}

#[test]
fn a_test_says_of_each_target_whether_it_took_it() {
    let port = free_port();
    let listener = listen(port);
    let house = House::new(&plain("web", ""));
    house.run(&["alert", "test"]).exits(1).says("names nobody");
    let alerts = format!(
        "[alerts.to.chat]\nwebhook = \"http://127.0.0.1:{port}/\"\n[alerts.to.dead]\nsyslog = \"/nowhere/log\"\n"
    );
    house.write(&(plain("web", "") + &alerts));
    let taking = std::thread::spawn(move || take(&listener, "200 OK"));
    house
        .run(&["alert", "test"])
        .exits(1)
        .says("chat (webhook): delivered")
        .says("dead (syslog): not delivered: /nowhere/log");
    assert_eq!(taking.join().expect("taken").1["alerts"][0]["state"], "test");
    house
        .run(&["alert", "test", "char"])
        .exits(2)
        .says("there are chat, dead");
}

#[test]
fn a_reload_changes_who_is_told_and_restarts_nothing() {
    let port = free_port();
    let listener = listen(port);
    let house = House::new(&(plain("web", "") + &doomed("bad")));
    house.run(&["start"]).exits(1);
    let pid = house.pid("web");
    house.write(
        &(plain("web", "")
            + &doomed("bad")
            + &format!("[alerts]\nwebhook = \"http://127.0.0.1:{port}/\"\n{QUICK}")),
    );
    house.run(&["reload"]).exits(0);
    house.run(&["restart", "bad"]).exits(1);
    assert_eq!(take(&listener, "200 OK").1["alerts"][0]["service"], "bad");
    assert_eq!(house.pid("web"), pid);
}

#[test]
fn a_stranger_on_a_port_a_silent_stream_and_a_flapping_service_are_told() {
    let (hook, taken, health) = (free_port(), free_port(), free_port());
    let (listener, _stranger) = (listen(hook), listen(taken));
    let body = r#"{"healthy":false,"silence_s":500,"market":"open","flapping":true}"#;
    let probe = TcpListener::bind(("127.0.0.1", health)).expect("bound");
    std::thread::spawn(move || {
        for stream in probe.incoming().flatten() {
            let mut line = String::new();
            let _ = BufReader::new(&stream).read_line(&mut line);
            let _ = write!(
                &stream,
                "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                body.len()
            );
        }
    });
    let services = format!(
        "[alerts]\nwebhook = \"http://127.0.0.1:{hook}/\"\n{QUICK}\
         [services.squat]\ncommand = \"chaos --listen {taken}\"\nports = [{taken}]\n\
         {}health = {{ http = \"http://127.0.0.1:{health}/\", expect = {{ healthy = true }}, every = \"50ms\", failures = 100000 }}\n\
         [services.flap]\ncommand = \"chaos --exit-after 60\"\nmin_uptime = \"1ms\"\nmax_restarts = 1000\n",
        plain("feed", "")
    );
    let house = House::new(&services);
    drop(
        house
            .command(&["-q", "start"])
            .spawn()
            .map(|mut child| child.wait()),
    );
    let mut kinds: Vec<String> = Vec::new();
    while !["port", "silence", "flapping"]
        .iter()
        .all(|kind| kinds.iter().any(|seen| seen == kind))
    {
        let (_, alert) = take(&listener, "200 OK");
        let told = alert["alerts"].as_array().expect("alerts").clone();
        kinds.extend(
            told.iter()
                .filter_map(|told| told["kind"].as_str().map(str::to_owned)),
        );
    }
    let silent = house.run(&["events", "feed", "--json"]).exits(0);
    assert!(
        silent.out.contains("no data for 500 s, market open"),
        "{silent:?}"
    );
    assert!(
        silent
            .out
            .contains("connected anew more than 3 times within 10 min"),
        "{silent:?}"
    );
}

/// The whole minute, in real time: `cargo test --test e2e -- --ignored a_listener_that_is_down`.
#[test]
#[ignore = "takes a minute and more, on purpose"]
fn a_listener_that_is_down_for_a_minute_gets_everything_afterwards() {
    let (port, log) = (free_port(), tempfile::tempdir().expect("a folder"));
    let socket = log.path().join("log");
    let alerts = format!(
        "[alerts]\nwebhook = \"http://127.0.0.1:{port}/\"\nsyslog = \"{}\"\ncommand = [\"sh\", \"-c\", \"test -e up && cat > got.json\"]\ngroup = \"1s\"\ndisk_free = \"0%\"\n",
        socket.display()
    );
    let house = House::new(&(alerts + &doomed("web")));
    house.run(&["start"]).exits(1);
    std::thread::park_timeout(Duration::from_secs(60));
    assert_eq!(house.status()["alerts"]["waiting"], 3);
    let (listener, syslog) = (listen(port), UnixDatagram::bind(&socket).expect("bound"));
    fs::write(house.path("up"), "").expect("written");
    assert_eq!(take(&listener, "200 OK").1["alerts"][0]["kind"], "fatal");
    syslog
        .set_read_timeout(Some(Duration::from_secs(70)))
        .expect("set");
    assert!(syslog.recv(&mut [0; 2048]).expect("a line") > 0);
    until("nothing waits", || house.status()["alerts"]["waiting"] == 0);
    assert!(house.path("got.json").exists());
}
