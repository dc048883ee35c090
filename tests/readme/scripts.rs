//! A checkout of one test: `scripts/restart` and services.toml as shipped, with free ports and a `cargo` that
//! only notes what it was asked for.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use crate::house::{House, Ran, finish, free_port};
use crate::read;

/// What other supervisors read, for the commands that import it.
const OTHERS: [(&str, &str); 3] = [
    (
        "supervisord.conf",
        "[program:web]\ncommand=/bin/cat --port 8080\nenvironment=DB_PASSWORD=\"x\"\n",
    ),
    (
        "Procfile",
        "web: python3 -m http.server $PORT\nworker: /bin/cat\n",
    ),
    (
        "ecosystem.json",
        r#"{"apps": [{"name": "api", "script": "/bin/cat", "max_restarts": 3}]}"#,
    ),
];

/// A folder like a fresh clone in which everything is built.
pub struct Checkout {
    house: House,
}

impl Checkout {
    /// As after a build.
    pub fn new() -> Self {
        let checkout = Self::unbuilt();
        let built = Path::new(env!("CARGO_BIN_EXE_sentinel"))
            .parent()
            .expect("a folder");
        let target = checkout.house.path("target");
        fs::create_dir(&target).expect("a folder");
        symlink(built, target.join("release")).expect("a link");
        checkout
    }

    /// As cloned.
    pub fn unbuilt() -> Self {
        let house = House::new(&on_free_ports(&read("services.toml")));
        let checkout = Self { house };
        checkout.install("scripts/restart", &read("scripts/restart"));
        for (name, text) in OTHERS {
            fs::write(checkout.house.path(name), text).expect("written");
        }
        checkout.install(
            "tools/cargo",
            "#!/bin/sh\necho \"$@\" >>\"$(dirname \"$0\")/asked\"\n",
        );
        checkout
    }

    fn install(&self, name: &str, text: &str) {
        let path = self.house.path(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(&path, text).expect("written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("executable");
    }

    /// Runs commands of the README, with the ports of this checkout.
    pub fn sh(&self, commands: &str) -> Ran {
        let services = fs::read_to_string(self.house.path("services.toml")).expect("it is there");
        let mut commands = commands.to_string();
        for (shipped, port) in SHIPPED.iter().zip(ports(&services)) {
            commands = commands.replace(shipped, &port);
        }
        let folder = self.house.path(".");
        let path = format!(
            "{0}/tools:{0}/target/release:{1}",
            self.house.path("").display(),
            std::env::var("PATH").unwrap_or_default()
        );
        let began = Instant::now();
        let child = Command::new("sh")
            .args(["-euc", &commands])
            .current_dir(folder)
            .env("PATH", path)
            .env("NO_COLOR", "1")
            .env_remove("CARGO_TARGET_DIR")
            .env_remove("SENTINEL_CONFIG")
            .env_remove("ALPACA_DATA_URL")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("sh");
        let mut ran = finish(child);
        ran.took = began.elapsed();
        ran
    }

    /// What cargo was asked for.
    fn asked(&self) -> Vec<String> {
        let asked = fs::read_to_string(self.house.path("tools/asked")).unwrap_or_default();
        asked.lines().map(str::to_string).collect()
    }
}

/// The ports of the shipped services.toml, in its order.
const SHIPPED: [&str; 4] = ["8764", "8765", "8766", "3000"];

/// The shipped services.toml on other ports.
fn on_free_ports(shipped: &str) -> String {
    let [sim, stream, proxy, pages] = [free_port(), free_port(), free_port(), free_port()];
    let commands = [
        (
            r#"["market-sim"]"#,
            format!(r#"["market-sim", "--port", "{sim}"]"#),
        ),
        (
            r#"["trade-stream", "--feed", "iex"]"#,
            format!(r#"["trade-stream", "--feed", "iex", "--port", "{stream}"]"#),
        ),
        (
            r#"["browser-proxy"]"#,
            format!(r#"["browser-proxy", "--port", "{proxy}", "--backend", "ws://127.0.0.1:{stream}"]"#),
        ),
        (
            r#"["main-app"]"#,
            format!(r#"["main-app", "--port", "{pages}", "--stream-port", "{proxy}"]"#),
        ),
    ];
    let mut text = shipped.to_string();
    for (from, to) in &commands {
        assert!(text.contains(from), "services.toml has no {from}");
        text = text.replace(from, to);
    }
    for (from, to) in SHIPPED.iter().zip([sim, stream, proxy, pages]) {
        text = text.replace(from, &to.to_string());
    }
    text
}

/// The ports that a services.toml assigns.
fn ports(services: &str) -> impl Iterator<Item = String> {
    services
        .lines()
        .filter_map(|line| Some(line.strip_prefix("ports = [")?.split_once(']')?.0.to_string()))
}

#[test]
fn only_what_starts_things_builds() {
    let checkout = Checkout::new();
    for words in ["status", "logs", "flush --dry-run", "check", "help"] {
        let _ = checkout.sh(&format!("scripts/restart {words}"));
    }
    assert_eq!(checkout.asked(), [] as [&str; 0]);
    let restart = checkout.sh("scripts/restart quick");
    assert_eq!(restart.code, 0, "{restart:#?}");
    let [build] = &checkout.asked()[..] else {
        panic!("{:?}", checkout.asked())
    };
    assert!(build.starts_with("build --quiet --release --locked"), "{build}");
}

#[test]
fn without_a_build_nothing_is_asked_and_the_first_one_is_shown() {
    let checkout = Checkout::unbuilt();
    let status = checkout.sh("scripts/restart status");
    assert_eq!(status.code, 4, "{status:?}");
    assert!(status.err.contains("nothing is built here"), "{status:?}");
    let help = checkout.sh("scripts/restart help");
    assert!(help.code == 0 && help.out.contains("emergency"), "{help:?}");
    assert_eq!(checkout.asked(), [] as [&str; 0]);

    let restart = checkout.sh("scripts/restart");
    assert_ne!(restart.code, 0, "this cargo builds nothing");
    assert!(
        checkout.asked()[0].starts_with("build --release"),
        "{:?}",
        checkout.asked()
    );
}

#[test]
fn a_build_that_fails_touches_nothing() {
    let checkout = Checkout::new();
    assert_eq!(checkout.sh("scripts/restart").code, 0);
    let before = checkout.house.pid("trade_stream");
    checkout.install("tools/cargo", "#!/bin/sh\nexit 101\n");
    let ran = checkout.sh("scripts/restart emergency");
    assert_eq!(ran.code, 101, "{ran:?}");
    assert_eq!(checkout.house.pid("trade_stream"), before);
}
