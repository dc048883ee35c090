//! A secret is planted wherever one can be, and every output and every file of the house is searched for it.

use std::fs::{self, Permissions};
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use nix::sys::signal::Signal;

use crate::house::{House, free_port, signal, until};

/// Planted, each in another place.
const SECRETS: [&str; 9] = [
    "envfile-s3cret-value",
    "shrt7",
    "plain-env-s3cret",
    "0ption-s3cret",
    "urlpass-s3cret",
    "query-s3cret",
    "message-s3cret",
    "inherited-s3cret",
    "quote\\\"d-s3cret",
];

fn services(port: u16) -> String {
    format!(
        r#"[sentinel]
env_file = ".env"
pass_env = ["PLANTED_*"]

[services.web]
command = ["chaos", "--listen", "{port}"]
ports = [{port}]
env = {{ DB_PASSWORD = "plain-env-s3cret", QUOTED_KEY = 'quote\"d-s3cret', DB = "postgres://me:urlpass-s3cret@127.0.0.1/x" }}
health = {{ http = "http://127.0.0.1:{port}/?token=query-s3cret", every = "100ms", expect = {{ healthy = "envfile-s3cret-value" }} }}

[services.crash]
command = ["chaos", "--complain", "login failed: shrt7 envfile-s3cret-value 0ption-s3cret", "--exit-after", "0", "--code", "3"]
max_restarts = 1

[services.probed]
command = ["sh", "-c", "sleep 60", "x", "--api-token=0ption-s3cret"]
ready = {{ exec = ["sh", "-c", "echo cannot use $ANYTHING $PLANTED_TOKEN >&2; exit 1"] }}
start_timeout = "300ms"
max_restarts = 0

[services.asked]
command = "chaos"
min_uptime = "10ms"
health = {{ ws = "ws://127.0.0.1:1/?key=query-s3cret", send = {{ action = "auth", secret = "message-s3cret" }}, every = "100ms" }}
"#
    )
}

#[test]
fn no_output_and_no_file_of_ours_holds_a_secret() {
    let port = free_port();
    let house = House::new(&services(port));
    fs::write(
        house.path(".env"),
        "ANYTHING=envfile-s3cret-value\nPIN_TOKEN=shrt7\n",
    )
    .expect("written");
    fs::set_permissions(house.path(".env"), Permissions::from_mode(0o600)).expect("our own");
    let mut said = String::new();
    let mut run = |arguments: &[&str]| {
        let output = house
            .command(arguments)
            .env("PLANTED_TOKEN", "inherited-s3cret")
            .env("RUST_LOG", "trace")
            .output()
            .expect("it runs");
        let text = [output.stdout, output.stderr].concat();
        let text = String::from_utf8_lossy(&text).into_owned();
        said += &format!("--- {arguments:?}\n{text}\n");
        text
    };
    let mut events = house.command(&["-q", "start", "asked"]);
    events
        .env("PLANTED_TOKEN", "inherited-s3cret")
        .env("RUST_LOG", "trace");
    events.output().expect("it runs");
    let stream = listen(&house);
    let restarted = run(&["-v", "start"]);
    assert!(restarted.contains("[redacted]"), "{restarted}");
    run(&["--json", "restart", "crash"]);
    run(&["restart", "probed"]);
    until("its health is known", || {
        house.run(&["status", "--json"]).out.contains("unhealthy")
    });
    for verb in ["status", "check", "reload"] {
        run(&[verb]);
        run(&["-v", verb]);
        run(&["--json", verb]);
    }
    run(&["flush", "--dry-run"]);
    run(&["logs", "sentinel", "-n", "10000"]);
    signal(house.supervisor(), Signal::SIGKILL);
    run(&["status", "--json"]);
    run(&["restart"]);
    run(&["restart", "emergency", "--json"]);
    let broken = services(port)
        + "[services.other]\n0ption-s3cret = 1\nenv = { envfile-s3cret-value = 1 }\nafter = [\"plain-env-s3cret\"]\n";
    house.write(&broken);
    assert!(run(&["check"]).contains("[redacted]"));
    house.write(&services(port));
    let files = files(&house.path(""));
    assert!(files.iter().any(|(path, _)| path.ends_with("logs/sentinel.log")));
    run(&["shutdown"]);
    hold_no_secret(&said, &stream(), &files);
    assert!(house.log("crash").contains("shrt7"), "its own words are its own");
}

fn hold_no_secret(said: &str, heard: &str, files: &[(PathBuf, String)]) {
    for secret in SECRETS {
        assert!(!said.contains(secret), "{secret} was said:\n{said}");
        assert!(!heard.contains(secret), "{secret} was an event:\n{heard}");
        for (path, text) in files {
            assert!(!text.contains(secret), "{secret} is in {}", path.display());
        }
    }
}

/// Every event that the supervisor tells, from now on until it is gone.
fn listen(house: &House) -> impl FnOnce() -> String + use<> {
    use std::io::Write;
    let mut stream =
        std::os::unix::net::UnixStream::connect(house.path(".sentinel/sock")).expect("connected");
    stream
        .write_all(b"GET /v1/events HTTP/1.1\r\nHost: x\r\n\r\n")
        .expect("sent");
    let reader = std::thread::spawn(move || {
        let mut heard = Vec::new();
        let _ = stream.read_to_end(&mut heard);
        String::from_utf8_lossy(&heard).into_owned()
    });
    || {
        let heard = reader.join().expect("no panic");
        assert!(heard.contains("[redacted]"), "{heard}");
        heard
    }
}

/// What the house holds, but for what people wrote and the services' own logs.
fn files(folder: &Path) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder").flatten() {
        let (path, kind) = (entry.path(), entry.file_type().expect("a type"));
        let name = entry.file_name().to_string_lossy().into_owned();
        let theirs = matches!(name.as_str(), ".env" | "services.toml")
            || (path.parent().is_some_and(|parent| parent.ends_with("logs"))
                && !name.starts_with("sentinel"));
        if kind.is_dir() {
            found.extend(files(&path));
        } else if kind.is_file() && !theirs {
            found.push((
                path.clone(),
                String::from_utf8_lossy(&fs::read(path).expect("readable")).into_owned(),
            ));
        }
    }
    found
}
