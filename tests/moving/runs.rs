//! What was imported runs: every input is started, seen running, and stopped, its programs played by stand-ins.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::house::{House, free_port, until};

/// A stand-in for any program: it writes down what it was called with, holds the ports that it is told of, and stays.
const STAND_IN: &str = r#"#!PYTHON
import os, signal, socket, sys
with open(os.environ["STAND_IN_LOG"], "a") as log:
    log.write(f"{sys.argv}\n")
held = []
for port in filter(None, os.environ.get("STAND_IN_PORTS", "").split(",")):
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", int(port)))
    listener.listen()
    held.append(listener)
signal.pause()
"#;

fn inputs(folder: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/moving/inputs")
        .join(folder)
}

/// The imported services.toml with its programs, folders, users, ports and probes made those of a test host.
fn on_this_host(house: &House, services: &str) -> String {
    let mut table: toml::Table = services.parse().expect("TOML");
    let stand_in = house.path("stand_in").display().to_string();
    let log = house.path("called").display().to_string();
    let services = table["services"].as_table_mut().expect("services");
    for (_, service) in services.iter_mut() {
        let service = service.as_table_mut().expect("a table");
        let command = service["command"].as_array_mut().expect("words");
        command[0] = stand_in.clone().into();
        for key in [
            "cwd",
            "user",
            "unix_group",
            "ready",
            "health",
            "nice",
            "oom_score_adjust",
            "limits",
            "watchdog",
        ] {
            service.remove(key);
        }
        // Nothing here ends by itself.
        service.insert("min_uptime".into(), "50ms".into());
        let mut held = Vec::new();
        if let Some(ports) = service.get_mut("ports").and_then(toml::Value::as_array_mut) {
            for port in ports.iter_mut() {
                // A sum over instances becomes ports that nobody else has, by the same rule.
                let free = free_port();
                held.push(free.to_string());
                *port = i64::from(free).into();
            }
        }
        if service.contains_key("instances") {
            service.remove("ports");
            held.clear();
        }
        let env = service.entry("env").or_insert_with(|| toml::Table::new().into());
        let env = env.as_table_mut().expect("a table");
        env.insert("STAND_IN_LOG".into(), log.clone().into());
        env.insert("STAND_IN_PORTS".into(), held.join(",").into());
    }
    table.to_string()
}

/// Imports, starts, looks and stops.
#[track_caller]
fn runs(files: &[PathBuf]) {
    let house = House::new("");
    fs::remove_file(house.path("services.toml")).expect("removed");
    let shown: Vec<String> = files.iter().map(|file| file.display().to_string()).collect();
    let import = Command::new(env!("CARGO_BIN_EXE_sentinel"))
        .arg("import")
        .args(&shown)
        .current_dir(house.path(""))
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("HOME", "/home/me")
        .output()
        .expect("sentinel runs");
    assert_eq!(import.status.code(), Some(0), "{shown:?}: {import:?}");
    let path = house.path("stand_in");
    // By its place: some inputs set a PATH of their own.
    let python = crate::host::python();
    fs::write(&path, STAND_IN.replace("PYTHON", &python.display().to_string())).expect("written");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("executable");
    let imported = fs::read_to_string(house.path("services.toml")).expect("services.toml");
    house.write(&on_this_host(&house, &imported));

    let check = house.run(&["check"]);
    assert_eq!(check.code, 0, "{shown:?}: {check:?}\n{imported}");
    let start = house.run(&["start"]);
    assert_eq!(start.code, 0, "{shown:?}: {start:?}\n{imported}");
    let status = house.run(&["status", "--json"]).exits(0).json();
    let services = status["services"].as_array().expect("services");
    let (by_name, services): (Vec<&Value>, Vec<&Value>) =
        services.iter().partition(|service| service["autostart"] == false);
    let all = |state: &str, of: &[&Value]| of.iter().all(|service| service["state"] == state);
    assert!(
        !services.is_empty() && all("RUNNING", &services) && all("STOPPED", &by_name),
        "{status}"
    );
    // Each was called once, by its own words; an interpreter takes its time to begin.
    let called = || fs::read_to_string(house.path("called")).unwrap_or_default();
    until("each was called", || called().lines().count() >= services.len());
    assert_eq!(
        called().lines().count(),
        services.len(),
        "{shown:?}: {}",
        called()
    );
    house.run(&["stop"]).exits(0);
    let stopped = house.status();
    let states: BTreeSet<&str> = stopped["services"]
        .as_array()
        .expect("services")
        .iter()
        .filter_map(|one| one["state"].as_str())
        .collect();
    assert_eq!(states, ["STOPPED"].into(), "{stopped}");
    house.run(&["shutdown"]).exits(0);
    house.is_empty();
}

#[test]
fn ten_supervisord_confs_run() {
    let mut confs: Vec<PathBuf> = fs::read_dir(inputs("supervisord"))
        .expect("inputs")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|end| end == "conf"))
        .collect();
    confs.sort();
    assert_eq!(confs.len(), 10);
    for conf in confs {
        runs(&[conf]);
    }
}

#[test]
fn ten_procfiles_run() {
    let mut procfiles: Vec<PathBuf> = fs::read_dir(inputs("procfile"))
        .expect("inputs")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|end| end == "Procfile"))
        .collect();
    procfiles.push(inputs("procfile/07/Procfile"));
    procfiles.sort();
    assert_eq!(procfiles.len(), 10);
    for file in procfiles {
        let folder = tempfile::tempdir().expect("a folder");
        let procfile = folder.path().join("Procfile");
        fs::copy(&file, &procfile).expect("copied");
        if file.with_file_name(".env").is_file() {
            fs::copy(file.with_file_name(".env"), folder.path().join(".env")).expect("copied");
        }
        runs(&[procfile]);
    }
}

#[test]
fn the_other_formats_run() {
    for name in ["ecosystem.json", "docker-compose.yml", "process-compose.yaml"] {
        runs(&[inputs("other").join(name)]);
    }
    runs(&[inputs("other/stream.service"), inputs("other/cache.service")]);
}
