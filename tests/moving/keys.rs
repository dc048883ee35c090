//! Every key that each format documents, alone and with every kind of value: carried or listed, and the result checks.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use sentinel::config;
use sentinel::moving::{self, Draft, Ledger};
use serde_json::{Value, json};
use tempfile::TempDir;

/// The keys in one of the lists.
fn keys(list: &str) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/moving/inputs/keys")
        .join(list);
    let text = fs::read_to_string(path).expect("a list");
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.flat_map(str::split_whitespace).map(str::to_owned).collect()
}

/// What people write, and what they should not.
const TEXTS: [&str; 20] = [
    "x",
    "",
    "0",
    "1",
    "10",
    "true",
    "false",
    "-1",
    "1.5",
    "a b",
    "5s",
    "%(here)s",
    "${X:-1}",
    "~",
    "99999999999",
    "a,b",
    "NAME=value",
    "\"",
    "/x/y",
    "yes",
];

fn trees() -> Vec<Value> {
    vec![
        json!("x"),
        json!(""),
        json!(0),
        json!(1),
        json!(-1),
        json!(1.5),
        json!(true),
        json!(false),
        json!(null),
        json!([]),
        json!(["a"]),
        json!(["a b", "c"]),
        json!([1, 2]),
        json!({}),
        json!({"a": "b"}),
        json!({"a": null}),
        json!({"a": {"b": "c"}}),
        json!("5s"),
        json!("10s"),
        json!("a b"),
        json!("8080:80"),
        json!([["a"]]),
        json!([{"a": "b"}]),
        json!("99999999999"),
    ]
}

/// One input in a folder of its own.
struct Input {
    folder: TempDir,
    file: PathBuf,
}

impl Input {
    fn new(name: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join(name);
        Self { folder, file }
    }

    /// Imports this text: the key is told of, and what comes of it has no mistake.
    #[track_caller]
    fn tells_of(&self, key: &str, text: &str) {
        fs::write(&self.file, text).expect("written");
        let environment: BTreeMap<String, String> = [("HOME".to_owned(), "/home/me".to_owned())].into();
        let import = moving::import(std::slice::from_ref(&self.file), &environment);
        let import = import.unwrap_or_else(|error| panic!("{error:?}: {text}"));
        let told: BTreeSet<&str> = import
            .ledger
            .entries
            .iter()
            .flat_map(|entry| &entry.path)
            .map(String::as_str)
            .collect();
        assert!(told.contains(key), "{key} is nowhere in {told:?} of\n{text}");
        self.checks(import.draft, import.ledger, &environment, text);
    }

    fn checks(
        &self,
        mut draft: Draft,
        mut ledger: Ledger,
        environment: &BTreeMap<String, String>,
        text: &str,
    ) {
        if draft.services.iter().all(|service| service.parked.is_some()) {
            // Only comments: the command refuses to write those, and says why.
            return;
        }
        moving::settle(&mut draft, environment);
        moving::fold(&mut draft, &mut ledger);
        let written = moving::write(&draft, &ledger, self.folder.path(), "services.env");
        let services = self.folder.path().join("services.toml");
        fs::write(&services, &written.services).expect("written");
        if let Some(env) = written.env_file {
            let path = self.folder.path().join("services.env");
            fs::write(&path, env).expect("written");
            fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).expect("closed");
        }
        let mistakes = config::load(&services, environment).err();
        assert!(mistakes.is_none(), "{mistakes:?}\n{text}\n{}", written.services);
    }
}

#[test]
fn supervisord() {
    let input = Input::new("a.conf");
    for key in keys("supervisord") {
        let command = if key == "command" {
            ""
        } else {
            "command=/bin/cat\n"
        };
        for value in TEXTS {
            let text = format!("[program:p]\n{command}{key}={value}\n[program:q]\ncommand=/bin/cat\n");
            input.tells_of(&key, &text);
        }
    }
    for key in keys("supervisord_itself") {
        input.tells_of(
            &key,
            &format!("[supervisord]\n{key}=x\n[program:q]\ncommand=/bin/cat\n"),
        );
    }
    for section in [
        "unix_http_server",
        "inet_http_server",
        "supervisorctl",
        "eventlistener:x",
        "fcgi-program:y",
        "odd",
    ] {
        for key in ["file", "port", "username", "events", "socket", "command"] {
            let text = format!("[{section}]\n{key}=x\n[program:q]\ncommand=/bin/cat\n");
            input.tells_of(key, &text);
        }
    }
}

/// A table of processes under `root`, the first with this key beside `own`.
fn every_tree(file: &str, root: &str, list: &str, own: &Value) {
    let input = Input::new(file);
    for key in keys(list) {
        for value in trees() {
            let mut first = own.clone();
            first[&key] = value;
            let processes = match root {
                "apps" => json!([first, {"name": "q", "script": "/bin/cat"}]),
                _ => json!({"p": first, "q": {"command": "cat"}}),
            };
            input.tells_of(&key, &json!({ root: processes }).to_string());
        }
    }
}

#[test]
fn pm2() {
    every_tree(
        "ecosystem.json",
        "apps",
        "pm2",
        &json!({"name": "p", "script": "/bin/cat"}),
    );
}

#[test]
fn compose() {
    every_tree(
        "docker-compose.yml",
        "services",
        "compose",
        &json!({"command": "/bin/cat"}),
    );
}

#[test]
fn process_compose() {
    let own = json!({"command": "/bin/cat"});
    every_tree("process-compose.yaml", "processes", "process_compose", &own);
}

#[test]
fn systemd() {
    let input = Input::new("p.service");
    for section in ["Unit", "Service", "Install"] {
        for key in keys(&format!("systemd_{}", section.to_lowercase())) {
            for value in TEXTS {
                let line = format!("{key}={value}\n");
                let text = match (section, key.as_str()) {
                    ("Service", "ExecStart") => format!("[Service]\n{line}"),
                    ("Service", _) => format!("[Service]\nExecStart=/bin/cat\n{line}"),
                    _ => format!("[{section}]\n{line}[Service]\nExecStart=/bin/cat\n"),
                };
                input.tells_of(&key, &text);
            }
        }
    }
}
