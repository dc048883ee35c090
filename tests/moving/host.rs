//! The trading host of docs/examples, run as it stands with stand-in servers: restart, quick, emergency, status,
//! flush; a server that is killed, one that is ill, and a stranger on a port.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::house::{House, free_port, until};

const SERVICES: [(&str, &str); 8] = [
    ("main_app", "3000"),
    ("trade_manager", "4000"),
    ("active_trade_supervisor", "6000"),
    ("trade_executor", "8001"),
    ("btc_price_watchdog", "8002"),
    ("db_poller", "8003"),
    ("kalshi_account_sync", "8004"),
    ("kalshi_api_watchdog", "8005"),
];

/// The example in a folder of its own, on free ports.
struct Host {
    house: House,
    ports: BTreeMap<&'static str, u16>,
}

impl Host {
    fn new() -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let example = root.join("docs/examples/trading_host/services.toml");
        let mut text = fs::read_to_string(example).expect("the example");
        let mut ports = BTreeMap::new();
        for (name, port) in SERVICES {
            let declared = format!("ports = [{port}]");
            assert!(text.contains(&declared), "{name} is not on {port}");
            let free = free_port();
            text = text.replace(&declared, &format!("ports = [{free}]"));
            ports.insert(name, free);
        }
        let house = House::new(&text);
        fs::create_dir_all(house.path("venv/bin")).expect("made");
        symlink(python(), house.path("venv/bin/python")).expect("linked");
        fs::create_dir(house.path("backend")).expect("made");
        for (name, _) in SERVICES {
            let program = house.path(&format!("backend/{name}.py"));
            fs::copy(root.join("tests/moving/inputs/stand_in.py"), program).expect("copied");
        }
        Self { house, ports }
    }

    /// Pids by name; every one runs and holds its port.
    #[track_caller]
    fn all_well(&self) -> BTreeMap<String, i64> {
        let status = self.house.run(&["status", "--json"]).exits(0).json();
        assert_eq!(status["ok"], true, "{status}");
        let ports = status["ports"].as_array().expect("ports");
        assert_eq!(ports.len(), 8, "{status}");
        assert!(ports.iter().all(|port| port["state"] == "ok"), "{status}");
        let services = status["services"].as_array().expect("services");
        let pid = |service: &Value| {
            assert_eq!(service["state"], "RUNNING", "{service}");
            let name = service["name"].as_str().expect("a name").to_owned();
            (name, service["pid"].as_i64().expect("a pid"))
        };
        services.iter().map(pid).collect()
    }

    /// Asks a server, on a connection that stays open.
    fn ask(&self, name: &str, path: &str) -> TcpStream {
        let mut connection = TcpStream::connect(("127.0.0.1", self.ports[name])).expect("it listens");
        write!(connection, "GET {path} HTTP/1.1\r\nHost: here\r\n\r\n").expect("asked");
        let mut first = [0; 9];
        connection.read_exact(&mut first).expect("answered");
        assert_eq!(&first, b"HTTP/1.0 ");
        connection
    }
}

/// Without the wrappers that some hosts put before it.
pub fn python() -> PathBuf {
    let asked = Command::new("python3")
        .args(["-c", "import sys; print(sys.executable)"])
        .output();
    let said = asked.expect("python3: needed by the stand-ins").stdout;
    String::from_utf8(said).expect("a path").trim().into()
}

/// A process that is not ours and listens on a port.
fn stranger(host: &Host, port: u16) -> Child {
    let child = Command::new(python())
        .arg(host.house.path("backend/main_app.py"))
        .env("PORT", port.to_string())
        .stdout(Stdio::null())
        .spawn()
        .expect("python");
    until("the stranger listens", || {
        TcpStream::connect(("127.0.0.1", port)).is_ok()
    });
    child
}

/// Whether each service started after those it needs.
fn started_in_order(log: &str) {
    let at = |name: &str| log.find(&format!("RUNNING service={name}")).expect("it ran");
    assert!(
        at("db_poller") < at("main_app") && at("main_app") < at("trade_manager"),
        "{log}"
    );
    assert!(at("trade_executor") < at("active_trade_supervisor"), "{log}");
}

#[test]
fn the_trading_host_through_its_days() {
    let host = Host::new();
    let house = &host.house;
    let db_poller = host.ports["db_poller"];

    // "FATAL: port already in use" was this; a restart ends it, and proves everything.
    let mut stranger = stranger(&host, db_poller);
    house.run(&["restart"]).exits(0).says("restarted 8 services");
    stranger.wait().expect("it was ended");
    let first = host.all_well();
    started_in_order(&house.log("sentinel"));

    small_troubles(&host, &first);
    harder_ways(&host, &first);

    // A browser is connected to main_app; a flush frees the ports, and leaves it alone.
    let browser = host.ask("main_app", "/health");
    house.run(&["flush", "--dry-run"]).exits(0).says("would be freed");
    host.all_well();
    house.run(&["flush"]).exits(0).says("8 ports are free");
    house.run(&["status"]).exits(3);
    drop(browser);

    house
        .run(&["schedule"])
        .exits(0)
        .says("weekly")
        .says("before_the_session");
    house.run(&["start"]).exits(0);
    host.all_well();
    house.run(&["shutdown"]).exits(0);
    house.is_empty();
}

/// A server that dies, one that is ill, and a restart of some.
fn small_troubles(host: &Host, first: &BTreeMap<String, i64>) {
    let house = &host.house;
    // A server that dies comes back by itself; its dependents stay.
    let victim = i32::try_from(first["trade_manager"]).expect("a pid");
    kill(Pid::from_raw(victim), Signal::SIGKILL).expect("killed");
    until("it is back", || {
        house.running("trade_manager").is_some_and(|pid| pid != victim)
    });
    assert_eq!(host.all_well()["trade_executor"], first["trade_executor"]);

    // Ill: status says so, with its own code.
    let _ = host.ask("main_app", "/break");
    house.run(&["status"]).exits(6).says("503");
    let _ = host.ask("main_app", "/mend");

    house.run(&["restart", "@servers"]).exits(0);
    let servers = host.all_well();
    assert_ne!(servers["main_app"], first["main_app"]);
    assert_eq!(
        servers["db_poller"], first["db_poller"],
        "background processes were not asked for"
    );
}

/// A restart of all without the flush, and one although the supervisor hangs.
fn harder_ways(host: &Host, first: &BTreeMap<String, i64>) {
    let house = &host.house;
    house
        .run(&["restart", "quick"])
        .exits(0)
        .says("restarted 8 services");
    let quick = host.all_well();
    assert_ne!(quick["db_poller"], first["db_poller"]);

    // The supervisor hangs; only an emergency helps.
    kill(Pid::from_raw(house.supervisor()), Signal::SIGSTOP).expect("stopped");
    house
        .run(&["restart", "emergency"])
        .exits(0)
        .says("restarted 8 services");
    let fresh = host.all_well();
    assert!(
        quick.iter().all(|(name, pid)| fresh[name] != *pid),
        "{quick:?} {fresh:?}"
    );
}
