//! Metrics from outside: on the socket, over TCP, and as Prometheus' own reader takes them.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};

use nix::sys::signal::Signal;

use crate::house::{House, free_port, signal, until};
use crate::trouble::{plain, web};

/// The value of one sample.
fn value(text: &str, sample: &str) -> Option<f64> {
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(sample)?.strip_prefix(' '));
    line.and_then(|number| number.parse().ok())
}

fn get(port: u16, path: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("connected");
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    )
    .expect("asked");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("answered");
    answer
}

#[test]
fn they_tell_state_health_restarts_use_ports_and_events() {
    let (port, listen) = (free_port(), free_port());
    let health = format!("health = {{ http = \"http://127.0.0.1:{port}/\", every = \"20ms\" }}\n");
    let metrics = format!("[metrics]\nlisten = \"127.0.0.1:{listen}\"\n");
    let house = House::new(&(metrics + &web("web", port) + &health + &plain("job", "")));
    house.run(&["metrics"]).exits(4);
    house.run(&["start"]).exits(0);
    signal(house.pid("job"), Signal::SIGKILL);
    until("it was restarted and asked", || {
        let text = house.run(&["metrics"]).exits(0).out;
        value(
            &text,
            "sentinel_service_restarts_total{service=\"job\",cause=\"exit\"}",
        ) == Some(1.0)
            && value(&text, "sentinel_service_healthy{service=\"web\"}") == Some(1.0)
    });
    let answer = get(listen, "/metrics");
    let (head, text) = answer.split_once("\r\n\r\n").expect("an answer");
    assert!(
        head.starts_with("HTTP/1.1 200") && head.contains("text/plain; version=0.0.4"),
        "{head}"
    );
    let port_state = format!("sentinel_port_state{{port=\"{port}\",service=\"web\",state=\"ok\"}}");
    for (sample, least) in [
        ("sentinel_service_state{service=\"web\",state=\"RUNNING\"}", 1.0),
        ("sentinel_service_memory_bytes{service=\"web\"}", 1000.0),
        ("sentinel_service_uptime_seconds{service=\"web\"}", 0.001),
        ("sentinel_service_cpu_seconds_total{service=\"web\"}", 0.0),
        ("sentinel_service_probe_latency_seconds{service=\"web\"}", 0.0),
        (
            "sentinel_service_probes_total{service=\"web\",result=\"good\"}",
            1.0,
        ),
        ("sentinel_events_total{event=\"started\"}", 3.0),
        ("sentinel_alerts_waiting", 0.0),
        ("sentinel_log_bytes_total{service=\"web\"}", 0.0),
        ("sentinel_log_lost_bytes_total{service=\"web\"}", 0.0),
        ("sentinel_service_error_lines{service=\"web\"}", 0.0),
        (&port_state, 1.0),
    ] {
        assert!(
            value(text, sample).is_some_and(|value| value >= least),
            "{sample}: {text}"
        );
    }
    assert_eq!(
        value(text, "sentinel_service_state{service=\"web\",state=\"FATAL\"}"),
        Some(0.0)
    );
    assert!(get(listen, "/v1/stop").starts_with("HTTP/1.1 404"));
    taken_by_prometheus(text);
    house.write(&(web("web", port) + &plain("job", "")));
    house.run(&["reload"]).exits(0);
    until("nobody listens any more", || {
        TcpStream::connect(("127.0.0.1", listen)).is_err()
    });
}

/// `promtool check metrics`, where it is installed.
fn taken_by_prometheus(text: &str) {
    let promtool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn();
    let Ok(mut promtool) = promtool else { return };
    promtool
        .stdin
        .take()
        .expect("piped")
        .write_all(text.as_bytes())
        .expect("written");
    let output = promtool.wait_with_output().expect("it ends");
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn other_hosts_are_let_in_by_word_only() {
    let house = House::new(&(plain("web", "") + "[metrics]\nlisten = \"0.0.0.0:9109\"\n"));
    house
        .run(&["check"])
        .exits(5)
        .says("open to other hosts")
        .says("allow_remote = true");
    house.write(&(plain("web", "") + "[metrics]\nlisten = \"0.0.0.0:9109\"\nallow_remote = true\n"));
    house.run(&["check"]).exits(0);
    house.write(&(plain("web", "") + "[alerts]\nwebhook = \"https://h/${NO_SUCH}\"\nkinds = [\"fatl\"]\nrepeat = \"x\"\ndisk_free = \"much\"\n[alerts.to.a]\nsyslog = \"ftp://x\"\n[alerts.to.b]\n"));
    let said = house.run(&["check"]).exits(5);
    for words in [
        "NO_SUCH",
        "did you mean \"fatal\"?",
        "\"x\" is not a duration",
        "\"much\" is no amount of room",
        "no way to a syslog",
        "`b` says no way",
    ] {
        assert!(
            said.out.contains(words) || said.err.contains(words),
            "{words}: {said:#?}"
        );
    }
}
