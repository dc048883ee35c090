//! The program itself: settings, log, signals, exit code.

mod common;

use std::process::Stdio;

use common::{TOKEN, soon};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;

fn program(arguments: &[&str], environment: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_main-app"));
    command
        .args(arguments)
        .env_clear()
        .envs(environment.iter().copied())
        .kill_on_drop(true);
    command
}

/// Exit code and log of a program that ends by itself.
async fn ended(arguments: &[&str], environment: &[(&str, &str)]) -> (Option<i32>, String) {
    let output = soon("exit", program(arguments, environment).output())
        .await
        .expect("starts");
    (
        output.status.code(),
        String::from_utf8_lossy(&output.stderr).into_owned(),
    )
}

#[tokio::test]
async fn says_where_it_listens_and_ends_cleanly_on_sigterm() {
    let environment = [
        ("SENTINEL_CONFIG", "/desk/services.toml"),
        ("MAIN_APP_TOKEN", TOKEN),
    ];
    let mut child = program(&["--port", "0"], &environment)
        .stderr(Stdio::piped())
        .spawn()
        .expect("starts");
    let mut lines = BufReader::new(child.stderr.take().expect("piped")).lines();
    let line = soon("a line", lines.next_line())
        .await
        .expect("readable")
        .expect("a line");
    assert!(line.contains("listens on http://127.0.0.1:"), "{line}");
    assert!(
        line.contains("supervisor /desk/.sentinel/sock") && !line.contains(TOKEN),
        "{line}"
    );
    let pid = i32::try_from(child.id().expect("running")).expect("a pid");
    kill(Pid::from_raw(pid), Signal::SIGTERM).expect("ours");
    assert_eq!(soon("exit", child.wait()).await.expect("waited").code(), Some(0));
}

#[tokio::test]
async fn a_weak_token_is_a_mistake_of_the_settings() {
    let (code, log) = ended(&[], &[("MAIN_APP_TOKEN", "short")]).await;
    assert_eq!(code, Some(78), "{log}");
    assert!(
        log.contains("MAIN_APP_TOKEN must have at least 16 characters"),
        "{log}"
    );
}

#[tokio::test]
async fn a_stream_that_is_no_address_and_a_taken_port_are_named() {
    let (code, log) = ended(&["--stream-url", "ws://desk; script-src *"], &[]).await;
    assert_eq!(code, Some(2), "{log}");
    assert!(log.contains("must be ws:// or wss://"), "{log}");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = taken.local_addr().expect("bound").port().to_string();
    let (code, log) = ended(&["--port", &port], &[]).await;
    assert_eq!(code, Some(1), "{log}");
    assert!(
        log.contains(&format!("cannot listen on 127.0.0.1:{port}")),
        "{log}"
    );
}
