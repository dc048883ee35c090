//! The program itself: flags, log, signals, exit code.

mod common;

use std::net::SocketAddr;
use std::process::Stdio;

use common::{backend_side, browser, expect_close, listen, soon};
use futures_util::{SinkExt, StreamExt};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio_tungstenite::tungstenite::Message;

/// The program with these arguments, and the address that its first line of log names.
async fn spawn(arguments: &[&str]) -> (Child, SocketAddr) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_browser-proxy"))
        .args(arguments)
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("starts");
    let mut lines = BufReader::new(child.stderr.take().expect("piped")).lines();
    let line = soon("a first line", lines.next_line())
        .await
        .expect("readable")
        .expect("a line");
    let address = line.split("ws://").nth(1).and_then(|rest| rest.split(',').next());
    let address = address
        .and_then(|address| address.parse().ok())
        .unwrap_or_else(|| panic!("{line}"));
    // Keeps reading, so that the program never waits for its log.
    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    (child, address)
}

#[tokio::test]
async fn forwards_and_ends_cleanly_on_sigterm() {
    let (listener, backend) = listen().await;
    let backend = format!("ws://{backend}");
    let (mut program, address) = spawn(&["--port", "0", "--backend", &backend]).await;
    let (mut browser, mut backend) = tokio::join!(browser(address), backend_side(&listener));
    browser.send(Message::text("hello")).await.expect("sent");
    let hello = soon("hello", backend.next())
        .await
        .expect("open")
        .expect("received");
    assert_eq!(hello, Message::text("hello"));

    let pid = i32::try_from(program.id().expect("running")).expect("a pid");
    kill(Pid::from_raw(pid), Signal::SIGTERM).expect("ours");
    assert_eq!(
        u16::from(expect_close(&mut browser).await.expect("a code").code),
        1001
    );
    assert_eq!(
        u16::from(expect_close(&mut backend).await.expect("a code").code),
        1001
    );
    let _ = tokio::join!(browser.next(), backend.next());
    drop((browser, backend));
    let status = soon("exit", program.wait()).await.expect("waited");
    assert_eq!(status.code(), Some(0));
}

#[tokio::test]
async fn a_taken_port_is_named() {
    let (_listener, taken) = listen().await;
    let output = Command::new(env!("CARGO_BIN_EXE_browser-proxy"))
        .args(["--port", &taken.port().to_string()])
        .output();
    let output = soon("exit", output).await.expect("starts");
    let log = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1));
    assert!(log.contains(&format!("cannot listen on {taken}: ")), "{log}");
}
