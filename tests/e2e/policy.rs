//! Probes that compare, act and name the broken hop; failures that are paused, given up and tried again.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};

use crate::house::{House, free_port, until};
use crate::trouble::plain;

/// Answers every HTTP request with what it is told to.
struct Oracle {
    port: u16,
    answer: Arc<Mutex<Value>>,
}

impl Oracle {
    fn new(answer: Value) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let answer = Arc::new(Mutex::new(answer));
        let told = answer.clone();
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let mut request = [0; 1024];
                let _ = stream.read(&mut request);
                let body = told.lock().expect("not poisoned").to_string();
                let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close";
                let _ = write!(stream, "{head}\r\ncontent-length: {}\r\n\r\n{body}", body.len());
            }
        });
        Self { port, answer }
    }

    fn say(&self, answer: Value) {
        *self.answer.lock().expect("not poisoned") = answer;
    }

    fn health(&self, rest: &str) -> String {
        format!(
            "health = {{ http = \"http://127.0.0.1:{}\", every = \"30ms\", failures = 2, {rest} }}\n",
            self.port
        )
    }
}

#[test]
fn a_comparison_that_fails_restarts_and_leaves_the_words_of_the_probe() {
    let oracle = Oracle::new(json!({"silence_s": 3.5, "totals": {"clients": 2}, "state": "open"}));
    let expect = "expect = { silence_s = \"< 120\", totals = { clients = \">= 1\" }, state = \"!= dead\" }";
    let house = House::new(&(plain("web", "") + &oracle.health(expect)));
    house.run(&["start"]).exits(0);
    until("it is healthy", || {
        house.service("web")["health"]["status"] == "healthy"
    });
    let first = house.pid("web");
    oracle.say(json!({"silence_s": 141, "totals": {"clients": 0}, "state": "dead"}));
    // Between two runs nobody is asked.
    until("each comparison that fails is told", || {
        let service = house.service("web");
        let error = service["health"]["error"].as_str().unwrap_or_default();
        let told = |words| error.contains(words);
        told("silence_s is 141, wanted < 120")
            && told("totals.clients is 0, wanted >= 1")
            && told("state is \"dead\", wanted != dead")
    });
    until("it is restarted", || {
        house.service("web")["run"].as_u64() > Some(1)
    });
    oracle.say(json!({"silence_s": 1, "totals": {"clients": 1}, "state": "open"}));
    until("it is back", || {
        house.running("web").is_some_and(|pid| pid != first)
    });
    let cause = house.service("web")["last_cause"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    assert!(
        cause.starts_with("unhealthy: ") && cause.contains("silence_s is 141, wanted < 120"),
        "{cause}"
    );
    house
        .run(&["events", "-n", "100"])
        .exits(0)
        .says("silence_s is 141, wanted < 120");
}

#[test]
fn a_probe_that_is_to_alert_leaves_its_service_alone() {
    let oracle = Oracle::new(json!({"ok": false}));
    let health = oracle.health("expect = { ok = true }, on_unhealthy = \"alert\"");
    let house = House::new(&(plain("web", "") + &health));
    house.run(&["start"]).exits(1);
    let log = || std::fs::read_to_string(house.path("logs/sentinel.log")).unwrap_or_default();
    until("it is told", || log().contains("not restarted for it"));
    let web = house.service("web");
    assert_eq!(
        (&web["state"], &web["run"], &web["health"]["status"]),
        (&json!("RUNNING"), &json!(1), &json!("unhealthy"))
    );
    house.run(&["status"]).exits(6).says("ok is false, wanted true");
}

#[test]
fn the_broken_hop_is_named_and_the_service_before_it_is_not_restarted() {
    let (proxy, backend) = (Oracle::new(json!({"ok": false})), free_port());
    let via = format!("expect = {{ ok = true }}, via = {{ backend = {{ tcp = \"127.0.0.1:{backend}\" }} }}");
    let house = House::new(&(plain("web", "") + &proxy.health(&via)));
    house.run(&["start"]).exits(1);
    let log = || std::fs::read_to_string(house.path("logs/sentinel.log")).unwrap_or_default();
    until("it is told", || log().contains("not restarted for it"));
    let words = format!("web answers, backend behind it does not: 127.0.0.1:{backend}: connection refused");
    house.run(&["status"]).exits(6).says(&words);
    let health = house.service("web")["health"].clone();
    assert_eq!(
        (&health["hops"][0]["name"], &health["hops"][0]["status"]),
        (&json!("backend"), &json!("unhealthy"))
    );
    assert_eq!(house.service("web")["run"], 1);
    // The backend is there: the fault is its own, and it is restarted for it.
    let _backend = TcpListener::bind(("127.0.0.1", backend)).expect("free");
    until("it is restarted", || {
        house.service("web")["run"].as_u64() > Some(1)
    });
}

#[test]
fn one_that_was_given_up_is_tried_again_and_stays_fatal_meanwhile() {
    let crash = plain("crash", "--exit-after 0 --code 3") + "max_restarts = 0\nretry_fatal = \"400ms\"\n";
    let house = House::new(&crash);
    house.run(&["start"]).exits(1);
    until("it is tried again", || {
        house.service("crash")["run"].as_u64() > Some(2)
    });
    until("it is FATAL", || {
        let crash = house.service("crash");
        crash["state"] == "FATAL" && crash["retry_in_s"].as_f64().is_some_and(|time| time <= 0.4)
    });
    house.write(&crash.replace("400ms", "5m"));
    house.run(&["reload"]).exits(0);
    until("it has failed once more", || {
        house.service("crash")["state"] == "FATAL"
    });
    house.run(&["status"]).exits(3).says("tries again in 4m");
    house.write(&crash.replace("400ms", "never"));
    house.run(&["reload"]).exits(0);
    assert_eq!(house.service("crash")["retry_in_s"], Value::Null);
}

#[test]
fn ends_that_mean_something_are_not_followed_by_another_run() {
    let services = plain("job", "--exit-after 0 --code 3")
        + "success_exit = [0, 3]\n"
        + &plain("fatal", "--exit-after 0 --code 9")
        + "fatal_exit = [9]\n"
        + &plain("ended", "")
        + "success_exit = [\"SIGTERM\"]\n";
    let house = House::new(&services);
    house.run(&["start"]).exits(1);
    until("both are over", || {
        house.service("job")["state"] == "EXITED" && house.service("fatal")["state"] == "FATAL"
    });
    crate::house::signal(house.pid("ended"), nix::sys::signal::Signal::SIGTERM);
    until("it is left alone", || house.service("ended")["state"] == "EXITED");
    let fatal = house.service("fatal");
    assert_eq!((&fatal["run"], &fatal["retry_in_s"]), (&json!(1), &Value::Null));
    house
        .run(&["status"])
        .exits(3)
        .says("`fatal_exit` says not to try again");
    house.run(&["status", "job", "ended"]).exits(0);
}

#[test]
fn one_that_has_just_ended_is_judged_once_what_it_left_is_down() {
    let leaves = "(trap 'sleep 1; exit' TERM; while :; do sleep 0.05; done) & echo open; sleep 0.1; exit 0";
    let slow = "sleep 0.3; echo open; exec sleep 1000";
    let service = |name: &str, script: &str| {
        format!(
            "[services.{name}]\ncommand = [\"sh\", \"-c\", \"{script}\"]\nready = {{ log = \"open\" }}\n\
             restart = \"never\"\nmin_uptime = \"1ms\"\n"
        )
    };
    let house = House::new(&(service("task", leaves) + &service("web", slow)));
    let ran = house.run(&["start"]).exits(0).says("verify: 2 services good");
    assert!(ran.took > Duration::from_millis(900), "{ran:?}");
    assert_eq!(house.service("task")["state"], "EXITED");
}
