//! What a valid services.toml means.

use std::time::Duration;

use serde_json::json;

use super::{House, valid};
use crate::service::{
    Backoff, Exit, Health, OnUnhealthy, Probe, Ready, Recovery, RestartPolicy, Spec, Stop, StopSignal, Via,
    signal_name,
};

/// The only service of a text with these lines.
fn service(lines: &str) -> Spec {
    let config = valid(&format!("[services.a]\n{lines}\n"));
    let [spec] = &config.services[..] else {
        panic!("one service");
    };
    (**spec).clone()
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn defaults_fill_what_is_left_out() {
    let house = House::new("[services.a]\ncommand = 'x'");
    let config = house.load().expect("valid");
    assert_eq!(config.log_dir, house.root().join("logs"));
    assert_eq!(config.protected_ports, [5000, 7000, 9000, 10000]);
    assert_eq!(config.paths.root, house.root());
    let spec = &config.services[0];
    assert_eq!(spec.name.as_str(), "a");
    assert_eq!(spec.command, ["x"]);
    assert_eq!(spec.cwd, house.root());
    assert_eq!(spec.env.len(), 0);
    assert_eq!(spec.ports, [0u16; 0]);
    assert_eq!(spec.after, []);
    assert_eq!(spec.restart, RestartPolicy::Always);
    assert_eq!(
        (spec.min_uptime, spec.start_timeout, spec.max_restarts),
        (seconds(1), seconds(30), 5)
    );
    assert_eq!((&spec.ready, &spec.health), (&None, &None));
    assert_eq!(
        spec.stop,
        Stop {
            signal: StopSignal::TERM,
            timeout: seconds(10)
        }
    );
}

/// The keys' table says the same as the code, for the schema and the guide go by it.
#[test]
fn documented_defaults_are_the_real_ones() {
    use crate::config::keys::SECTIONS;
    let documented = |section: &str, key: &str| {
        let section = SECTIONS
            .iter()
            .find(|known| known.name == section)
            .expect("a section");
        section.key(key).and_then(|key| key.default)
    };
    assert_eq!(
        documented("[sentinel]", "protected_ports"),
        Some("[5000, 7000, 9000, 10000]")
    );
    assert_eq!(documented("[sentinel]", "log_dir"), Some("logs"));
    assert_eq!(documented("[services.NAME]", "restart"), Some("always"));
    assert_eq!(documented("stop", "signal"), Some("SIGTERM"));
}

#[test]
fn every_key_of_a_service() {
    let house = House::new(
        r#"
        [sentinel]
        log_dir = "/var/log/house"
        protected_ports = []
        [services.b]
        command = "y"
        [services.a]
        command = ["x", "--one two"]
        ports = [80, 65535]
        after = ["b", "b"]
        restart = "on-failure"
        cwd = "app"
        min_uptime = "0s"
        start_timeout = "1.5s"
        max_restarts = 0
        ready = { log = "^listening on [0-9]+$" }
        health = { tcp = "localhost:80", every = "250ms", timeout = "5m", failures = 1 }
        stop = { signal = "int", timeout = "1h" }
        "#,
    );
    let config = house.load().expect("valid");
    assert_eq!(config.log_dir.to_str(), Some("/var/log/house"));
    assert_eq!(config.protected_ports, [0u16; 0]);
    let spec = &config.services[1];
    assert_eq!(spec.command, ["x", "--one two"]);
    assert_eq!(spec.cwd, house.root().join("app"));
    assert_eq!(spec.ports, [80, 65535]);
    assert_eq!(spec.after, [config.services[0].name.clone()]);
    assert_eq!(spec.restart, RestartPolicy::OnFailure);
    assert_eq!(spec.min_uptime, Duration::ZERO);
    assert_eq!(spec.start_timeout, Duration::from_millis(1500));
    assert_eq!(spec.max_restarts, 0);
    assert_eq!(spec.ready, Some(Ready::Log("^listening on [0-9]+$".into())));
    let probe = Probe::Tcp {
        address: "localhost:80".into(),
    };
    let every = Duration::from_millis(250);
    assert_eq!(
        spec.health,
        Some(Box::new(Health {
            probe,
            every,
            timeout: seconds(300),
            failures: 1,
            on_unhealthy: OnUnhealthy::Restart,
            via: Via::default(),
        }))
    );
    assert_eq!(
        spec.stop,
        Stop {
            signal: StopSignal(2),
            timeout: seconds(3600)
        }
    );
    assert_eq!(
        service("command = 'x'\nrestart = 'never'").restart,
        RestartPolicy::Never
    );
}

#[test]
fn every_kind_of_probe() {
    let ready = |table: &str| {
        service(&format!("command = 'x'\nready = {table}"))
            .ready
            .expect("a probe")
    };
    let probe = |probe| Ready::Probe(Box::new(probe));
    assert_eq!(ready("{ notify = true }"), Ready::Notify);
    assert_eq!(
        ready("{ ws = 'ws://[::1]:1/x?y', send = { action = 'health' }, expect = { n = 1, b = true } }"),
        probe(Probe::Ws {
            url: "ws://[::1]:1/x?y".into(),
            send: Some(json!({"action": "health"})),
            expect: Some(json!({"n": 1, "b": true})),
        })
    );
    assert_eq!(
        ready("{ http = 'http://localhost/health', status = 204 }"),
        probe(Probe::Http {
            url: "http://localhost/health".into(),
            status: Some(204),
            expect: None
        })
    );
    assert_eq!(
        ready("{ tcp = '[::1]:80' }"),
        probe(Probe::Tcp {
            address: "[::1]:80".into()
        })
    );
    assert_eq!(
        ready("{ exec = \"check 'a b'\" }"),
        probe(Probe::Exec {
            command: vec!["check".into(), "a b".into()]
        })
    );
    let health = service("command = 'x'\nhealth = { exec = ['y'] }")
        .health
        .expect("a probe");
    assert_eq!(
        (health.every, health.timeout, health.failures),
        (seconds(10), seconds(2), 3)
    );
}

#[test]
fn toml_becomes_json() {
    let text =
        "{ ws = 'ws://h', expect = { s = 'é', i = -0x0f, f = 1.5, d = 1979-05-27, a = [1, { x = false }] } }";
    let text = text.replace("-0x0f", "0x0f");
    let expected = json!({"s": "é", "i": 15, "f": 1.5, "d": "1979-05-27", "a": [1, {"x": false}]});
    let probe = Probe::Ws {
        url: "ws://h".into(),
        send: None,
        expect: Some(expected),
    };
    let ready = service(&format!("command = 'x'\nready = {text}")).ready;
    assert_eq!(ready, Some(Ready::Probe(Box::new(probe))));
}

#[test]
fn signals_by_name_and_number() {
    let signal = |text: &str| {
        service(&format!("command = 'x'\nstop = {{ signal = {text} }}"))
            .stop
            .signal
    };
    let cases = [
        ("'SIGTERM'", 15),
        ("'HUP'", 1),
        ("'sigusr1'", 10),
        ("9", 9),
        ("34", 34),
        ("64", 64),
        ("'SIGSYS'", 31),
    ];
    for (text, number) in cases {
        assert_eq!(signal(text), StopSignal(number), "{text}");
    }
    for number in 1..=31 {
        assert_eq!(StopSignal::parse(&signal_name(number)), Some(StopSignal(number)));
    }
}

/// A string is split like a shell would, but no shell runs it.
#[test]
fn commands_are_split() {
    let command = |text: &str| service(&format!("command = {text}")).command;
    assert_eq!(
        command(r#""x --name 'a b' \"c d\" e\\ f""#),
        ["x", "--name", "a b", "c d", "e f"]
    );
    assert_eq!(
        command(r#""x $HOME ; rm * > y""#),
        ["x", "$HOME", ";", "rm", "*", ">", "y"]
    );
}

#[test]
fn a_program_with_a_slash_is_relative_to_the_file() {
    let house = House::new("[services.a]\ncommand = 'bin/x y/z'\ncwd = 'app'\nready = { exec = './check' }");
    let config = house.load().expect("valid");
    let spec = &config.services[0];
    assert_eq!(
        spec.command,
        [house.root().join("bin/x").to_str().expect("UTF-8"), "y/z"]
    );
    let check = house.root().join("check").to_str().expect("UTF-8").to_owned();
    let probe = Probe::Exec { command: vec![check] };
    assert_eq!(spec.ready, Some(Ready::Probe(Box::new(probe))));
}

#[test]
fn services_come_in_the_order_in_which_they_start() {
    let order = |text: &str| -> String {
        let mut lines = String::new();
        for service in text.split(' ') {
            let (name, after) = service.split_once('<').unwrap_or((service, ""));
            let after: Vec<_> = after
                .split(',')
                .filter(|name| !name.is_empty())
                .map(|name| format!("'{name}'"))
                .collect();
            lines += &format!(
                "[services.{name}]\ncommand = 'x'\nafter = [{}]\n",
                after.join(", ")
            );
        }
        let config = valid(&lines);
        config
            .services
            .iter()
            .map(|spec| spec.name.as_str())
            .collect::<Vec<_>>()
            .join(" ")
    };
    assert_eq!(order("z y x"), "z y x");
    assert_eq!(order("c<b b<a a"), "a b c");
    assert_eq!(order("d<b,c c b<c a"), "c b d a");
    assert_eq!(order("proxy<stream stream<sim log sim"), "log sim stream proxy");
}

#[test]
fn one_table_may_be_written_in_every_way_toml_has() {
    let dotted = service("command = 'x'\nstop.timeout = '3s'\nstop.signal = 2");
    let inline = service("command = 'x'\nstop = { timeout = '3s', signal = 2 }");
    let header = service("command = 'x'\n[services.a.stop]\ntimeout = '3s'\nsignal = 2");
    assert_eq!(dotted.stop, inline.stop);
    assert_eq!(header.stop, inline.stop);
}

#[test]
fn failures_have_a_policy_with_defaults() {
    assert_eq!(*service("command = 'x'").recovery, Recovery::default());
    let declared = service(
        "command = 'x'\nbackoff = { min = '1s' }\nrestart_window = '10m'\nretry_fatal = 'never'\n\
         success_exit = [0, 'SIGTERM']\nfatal_exit = []",
    );
    let expected = Recovery {
        backoff: Backoff {
            min: seconds(1),
            max: seconds(30),
        },
        window: seconds(600),
        retry_fatal: None,
        success_exit: Some(vec![Exit::Code(0), Exit::Signal(15)]),
        fatal_exit: Vec::new(),
    };
    assert_eq!(*declared.recovery, expected);
}

#[test]
fn patterns_are_relative_to_the_file() {
    let watch = service("command = 'x'\nwatch = ['./src/**', '/etc/hosts']").watch;
    assert!(
        watch[0].starts_with('/') && watch[0].ends_with("/src/**"),
        "{watch:?}"
    );
    assert_eq!(watch[1], "/etc/hosts");
}

/// The hops of the first service of a text, each with what it is asked.
fn hops(text: &str) -> (bool, Vec<String>) {
    let config = valid(text);
    let proxy = config.services.iter().find(|spec| spec.name.as_str() == "proxy");
    let via = proxy
        .and_then(|spec| spec.health.clone())
        .expect("it has a health check")
        .via;
    let words = via
        .hops
        .iter()
        .map(|hop| format!("{} {}", hop.name, hop.probe.kind()));
    (via.declared, words.collect())
}

#[test]
fn hops_are_services_with_what_stands_behind_them_or_probes() {
    let backends = "[services.a]\ncommand = 'x'\nhealth = { http = 'http://127.0.0.1:1', via = ['b'] }\n\
                    [services.b]\ncommand = 'x'\nports = [2]\n[services.c]\ncommand = 'x'\n";
    let proxy = |rest: &str| format!("{backends}[services.proxy]\ncommand = 'x'\n{rest}");
    assert_eq!(
        hops(&proxy("health = { tcp = '127.0.0.1:1', via = ['a'] }")),
        (true, vec!["a http".into(), "b tcp".into()])
    );
    assert_eq!(
        hops(&proxy(
            "health = { tcp = '127.0.0.1:1', via = { far = { ws = 'ws://127.0.0.1:9' } } }"
        )),
        (true, vec!["far ws".into()])
    );
    assert_eq!(
        hops(&proxy(
            "after = ['a', 'b', 'c']\nhealth = { tcp = '127.0.0.1:1' }"
        )),
        (false, vec!["a http".into()]),
        "of what it is after, those with a health check"
    );
    assert_eq!(
        hops(&proxy(
            "after = ['a']\nhealth = { tcp = '127.0.0.1:1', via = [] }"
        )),
        (true, Vec::new())
    );
}
