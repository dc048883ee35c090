//! `sentinel export`: every target's text to the letter, proven by the target's own reader where there is one.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

use tempfile::TempDir;

const SERVICES: &str = r#"
[sentinel]
env_file = "keys.env"

[services.market_sim]
command = ["/bin/cat"]
ports = [8764]
ready = { tcp = "127.0.0.1:8764" }
restart = "on-failure"

[services.trade_stream]
sockets = ["127.0.0.1:8765"]
command = ["/bin/cat", "--key", "${ALPACA_SECRET_KEY}", "--url", "postgres://me:hunter2@db/x", "50% of $HOME; \"all\" #1"]
ports = [8765]
after = ["market_sim"]
env = { FEED = "iex", GREETING = "hello $you, 100%" }
ready = { notify = true }
health = { ws = "ws://127.0.0.1:8765", every = "10s", timeout = "2s", failures = 3 }
stop = { signal = "SIGINT", timeout = "2500ms" }
max_restarts = 7

[services.web]
command = ["/bin/cat"]
cwd = "sub"
health = { http = "http://127.0.0.1:8080/health?x=1" }
ports = [8080]
after = ["trade_stream", "market_sim"]

[services.bounded]
command = ["/bin/cat"]
user = "root"
unix_group = "0"
umask = "027"
nice = 5
limits = { open_files = 1024, memory = "8GiB", processes = 64, core = "unlimited" }
oom_score_adjust = 100
memory_max = "2GiB"
no_new_privs = true
watchdog = "30s"

[services.once]
command = ["/bin/true"]
restart = "never"
autostart = false

[schedules.nightly]
cron = "0 4 * * *"
do = "restart web"

[alerts]
syslog = "/dev/log"
"#;

fn house() -> TempDir {
    let folder = tempfile::Builder::new()
        .prefix("house")
        .tempdir()
        .expect("a folder");
    let keys = folder.path().join("keys.env");
    fs::write(folder.path().join("services.toml"), SERVICES).expect("written");
    fs::write(&keys, "ALPACA_SECRET_KEY=very-secret\nMODE=paper\n").expect("written");
    fs::set_permissions(&keys, fs::Permissions::from_mode(0o600)).expect("closed");
    fs::create_dir(folder.path().join("sub")).expect("made");
    folder
}

fn export(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_sentinel"))
        .arg("export")
        .args(arguments)
        .current_dir(folder)
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("HOME", "/home/me")
        .output()
        .expect("sentinel runs")
}

/// The export, with the house's place taken out.
fn text(folder: &Path, target: &str) -> String {
    let output = export(folder, &[target]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    for secret in ["very-secret", "hunter2"] {
        assert!(!text.contains(secret), "{target} gives {secret} away:\n{text}");
    }
    let root = folder.canonicalize().expect("it");
    let name = folder
        .file_name()
        .expect("a name")
        .to_string_lossy()
        .to_lowercase();
    let slug: String = name
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
        .collect();
    text.replace(&*root.to_string_lossy(), "[HOUSE]")
        .replace(slug.trim_matches('-'), "house")
}

#[test]
fn every_target_to_the_letter_and_no_secret_in_any() {
    let house = house();
    for target in [
        "systemd",
        "supervisord",
        "procfile",
        "launchd",
        "compose",
        "kubernetes",
        "nomad",
    ] {
        insta::assert_snapshot!(format!("export_{target}"), text(house.path(), target));
    }
}

#[test]
fn yaml_is_yaml_with_the_fields_that_count() {
    let house = house();
    let compose: serde_json::Value = serde_saphyr::from_str(&text(house.path(), "compose")).expect("YAML");
    let stream = &compose["services"]["trade_stream"];
    assert_eq!(stream["command"][5], "50% of $$HOME; \"all\" #1");
    assert_eq!(stream["environment"]["GREETING"], "hello $$you, 100%");
    let kubernetes: Vec<serde_json::Value> =
        serde_saphyr::from_multiple(&text(house.path(), "kubernetes")).expect("YAML");
    let kinds: Vec<&str> = kubernetes
        .iter()
        .map(|document| document["kind"].as_str().expect("a kind"))
        .collect();
    assert_eq!(
        kinds,
        [
            "Deployment",
            "Service",
            "Deployment",
            "Service",
            "Deployment",
            "Service",
            "Deployment",
            "Job"
        ]
    );
    let pod = &kubernetes[2]["spec"]["template"]["spec"];
    assert_eq!(pod["terminationGracePeriodSeconds"], 3);
    let secret = &pod["containers"][0]["env"][0]["valueFrom"]["secretKeyRef"];
    assert_eq!(secret["key"], "ALPACA_SECRET_KEY");
}

#[test]
fn the_shipped_house_grows_past_one_machine() {
    let folder = tempfile::tempdir().expect("a folder");
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("services.toml");
    fs::copy(shipped, folder.path().join("services.toml")).expect("copied");
    let kubernetes: Vec<serde_json::Value> =
        serde_saphyr::from_multiple(&text(folder.path(), "kubernetes")).expect("YAML");
    let named = |kind: &str, name: &str| {
        let found = kubernetes
            .iter()
            .find(|document| document["kind"] == kind && document["metadata"]["name"] == name);
        found.unwrap_or_else(|| panic!("no {kind} {name}")).clone()
    };
    // One holder of the key; what it publishes is served by as many as are needed, and those are asked.
    let holder = named("Deployment", "trade-stream");
    assert_eq!(
        (&holder["spec"]["replicas"], &holder["spec"]["strategy"]["type"]),
        (&1.into(), &"Recreate".into())
    );
    let redis = |deployment: &serde_json::Value| {
        let variables = &deployment["spec"]["template"]["spec"]["containers"][0]["env"];
        let variables = variables.as_array().expect("variables").clone();
        variables
            .into_iter()
            .any(|one| one["name"] == "STREAM_REDIS_URL" && one["value"] == "redis://redis:6379")
    };
    let fan = named("Deployment", "trade-stream-fan");
    assert!(redis(&holder) && redis(&fan));
    assert_eq!(fan["spec"]["replicas"], 2);
    assert_eq!(
        fan["spec"]["template"]["spec"]["containers"][0]["args"],
        serde_json::json!(["--feed", "iex", "--host", "0.0.0.0", "--from-redis"])
    );
    named("Deployment", "redis");
    named("Service", "redis");
    named("Service", "trade-stream-fan");
    let proxy = named("Deployment", "browser-proxy");
    assert_eq!(
        proxy["spec"]["template"]["spec"]["containers"][0]["args"],
        serde_json::json!(["--host", "0.0.0.0", "--backend", "ws://trade-stream-fan:8765"])
    );
    let nomad = text(folder.path(), "nomad");
    for needed in [
        "group \"redis\"",
        "nomadService \"redis\"",
        "group \"trade_stream-fan\"",
    ] {
        assert!(nomad.contains(needed), "no {needed} in {nomad}");
    }
}

#[test]
fn every_target_carries_sockets_or_says_that_it_does_not() {
    let house = house();
    for target in [
        "supervisord",
        "procfile",
        "launchd",
        "compose",
        "kubernetes",
        "nomad",
    ] {
        let said = text(house.path(), target);
        assert!(
            said.contains("not carried: sockets: 127.0.0.1:8765"),
            "{target}: {said}"
        );
        assert!(
            said.contains("not carried: [schedules.nightly]"),
            "{target}: {said}"
        );
    }
    assert!(text(house.path(), "systemd").contains("ListenStream=127.0.0.1:8765\n"));
}

#[test]
fn what_supervisord_gets_comes_back_the_same() {
    let house = house();
    fs::write(
        house.path().join("supervisord.conf"),
        text(house.path(), "supervisord"),
    )
    .expect("written");
    let environment = [
        ("HOME".to_owned(), "/home/me".to_owned()),
        ("ALPACA_SECRET_KEY".to_owned(), "x".to_owned()),
        ("TRADE_STREAM_SECRET_2".to_owned(), "x".to_owned()),
    ]
    .into();
    let import =
        sentinel::moving::import(&[house.path().join("supervisord.conf")], &environment).expect("read");
    let stream = import
        .draft
        .services
        .iter()
        .find(|service| service.name == "trade_stream")
        .expect("it");
    assert_eq!(
        stream.command,
        [
            "/bin/cat",
            "--key",
            "${ALPACA_SECRET_KEY}",
            "--url",
            "${TRADE_STREAM_SECRET_2}",
            "50% of $HOME; \"all\" #1"
        ]
    );
    assert!(
        stream
            .env
            .contains(&("GREETING".into(), "hello $you, 100%".into())),
        "{:?}",
        stream.env
    );
    assert_eq!(stream.restart, Some("always"));
}

#[test]
fn units_pass_systemds_own_check() {
    if Command::new("systemd-analyze").arg("--version").output().is_err() {
        eprintln!("skipped: no systemd-analyze on this host");
        return;
    }
    let house = house();
    let units = house.path().join("units");
    let output = export(house.path(), &["systemd", "-o", "units"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let files = fs::read_dir(&units)
        .expect("units")
        .map(|entry| entry.expect("an entry").path());
    let verified = Command::new("systemd-analyze")
        .arg("verify")
        .args(files)
        .output()
        .expect("it runs");
    let said = String::from_utf8_lossy(&verified.stderr);
    let about_ours: Vec<&str> = said.lines().filter(|line| line.contains("units/")).collect();
    assert!(verified.status.success() && about_ours.is_empty(), "{said}");
    // A second time, they are there.
    assert_eq!(
        export(house.path(), &["systemd", "-o", "units"]).status.code(),
        Some(2)
    );
    assert_eq!(
        export(house.path(), &["systemd", "-o", "units", "--force"])
            .status
            .code(),
        Some(0)
    );
}
