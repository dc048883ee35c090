//! The program itself: environment, log, signals, exit codes.

mod common;

use std::net::SocketAddr;
use std::process::Stdio;

use common::alpaca::{Alpaca, Manner, trade};
use common::{Client, code, soon};
use futures_util::StreamExt;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

fn program(upstream: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_trade-stream"));
    command
        .args(["--port", "0"])
        .env("ALPACA_DATA_URL", upstream)
        .env_remove("ALPACA_API_KEY")
        .env_remove("ALPACA_SECRET_KEY")
        .env_remove("RUST_LOG")
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

/// The program, and the address that its first line of log names.
async fn spawn(upstream: &Alpaca) -> (Child, SocketAddr) {
    let mut child = program(&format!("ws://{}", upstream.address))
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
async fn streams_and_ends_cleanly_on_every_signal_that_asks_for_it() {
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGQUIT] {
        streams_and_ends_on(signal).await;
    }
    // Under nohup it is ignored, in this process and so in that one, as it should be.
    if !ignores_hangup() {
        streams_and_ends_on(Signal::SIGHUP).await;
    }
}

fn ignores_hangup() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").expect("/proc");
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = u64::from_str_radix(mask.expect("a mask").trim(), 16);
    mask.expect("a number") & 1 == 1
}

async fn streams_and_ends_on(signal: Signal) {
    let alpaca = Alpaca::start().await;
    let (mut child, address) = spawn(&alpaca).await;
    let mut client = Client::connect(address).await;
    client.subscribe(&alpaca, "AAPL").await;
    alpaca.send(json!([trade("AAPL", 1)]));
    assert_eq!(client.hear().await["type"], "trade");

    let pid = i32::try_from(child.id().expect("running")).expect("a pid");
    kill(Pid::from_raw(pid), signal).expect("ours");
    assert_eq!(code(&client.expect_close().await), 1001);
    assert!(soon("the end", client.0.next()).await.is_none());
    let status = soon("exit", child.wait()).await.expect("waited");
    assert_eq!(status.code(), Some(0));
    alpaca.saw("a Close frame", |seen| seen.closed_cleanly).await;
}

#[tokio::test]
async fn refused_credentials_exit_with_78() {
    let alpaca = Alpaca::with(Manner {
        auth: 402,
        refuse: "",
    })
    .await;
    let (mut child, address) = spawn(&alpaca).await;
    let mut client = Client::connect(address).await;
    client.say(r#"{"action":"subscribe","symbol":"AAPL"}"#).await;
    assert_eq!(code(&client.expect_close().await), 1011);
    drop(client);
    let status = soon("exit", child.wait()).await.expect("waited");
    assert_eq!(status.code(), Some(78));
}

#[tokio::test]
async fn missing_keys_and_bad_addresses_exit_with_78_and_a_sentence() {
    for (upstream, sentence) in [
        (
            "wss://stream.example",
            "ALPACA_API_KEY and ALPACA_SECRET_KEY must both be set to stream from wss://stream.example/v2/iex",
        ),
        ("nonsense", "ALPACA_DATA_URL is \"nonsense\""),
    ] {
        let output = soon("exit", program(upstream).output()).await.expect("starts");
        let log = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(78), "{log}");
        assert!(log.contains(sentence), "{log}");
    }
}

#[tokio::test]
async fn secrets_are_never_written() {
    let alpaca = Alpaca::with(Manner {
        auth: 402,
        refuse: "",
    })
    .await;
    let mut command = program(&format!("ws://{}", alpaca.address));
    command
        .env("ALPACA_API_KEY", "PKVISIBLE")
        .env("ALPACA_SECRET_KEY", "hush-hush")
        .env("RUST_LOG", "trace");
    let mut child = command.spawn().expect("starts");
    let mut lines = BufReader::new(child.stderr.take().expect("piped")).lines();
    let (mut log, mut asked) = (String::new(), false);
    while let Some(line) = soon("log", lines.next_line()).await.expect("readable") {
        if let (false, Some(rest)) = (asked, line.split("listens on ws://").nth(1)) {
            let address = rest
                .split(',')
                .next()
                .and_then(|address| address.parse().ok())
                .expect("an address");
            Client::connect(address)
                .await
                .say(r#"{"action":"subscribe","symbol":"AAPL"}"#)
                .await;
            asked = true;
        }
        log.push_str(&line);
    }
    assert_eq!(
        soon("exit", child.wait()).await.expect("waited").code(),
        Some(78),
        "{log}"
    );
    assert!(!log.contains("hush-hush") && !log.contains("PKVISIBLE"), "{log}");
}

#[tokio::test]
async fn a_socket_that_is_handed_over_is_served_and_keeps_taking_connections() {
    let alpaca = Alpaca::start().await;
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("bound");
    let serve = |listener: std::net::TcpListener| {
        let mut shell = Command::new("sh");
        shell
            .args(["-c", r#"LISTEN_PID=$$ LISTEN_FDS=1 exec "$0" --port "$1" 3<&0"#])
            .args([env!("CARGO_BIN_EXE_trade-stream"), &address.port().to_string()])
            .env("ALPACA_DATA_URL", format!("ws://{}", alpaca.address))
            .stdin(std::os::fd::OwnedFd::from(listener))
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("starts")
    };
    for _ in 0..2 {
        // Connected before anybody serves: the socket is open all the time.
        let early = tokio::net::TcpStream::connect(address).await.expect("connected");
        let mut child = serve(listener.try_clone().expect("a duplicate"));
        let handshake = tokio_tungstenite::client_async(format!("ws://{address}/"), early);
        let (socket, _) = soon("handshake", handshake).await.expect("accepted");
        let mut client = Client(socket);
        assert_eq!(client.ask(r#"{"action":"ping"}"#).await["type"], "pong");
        let pid = i32::try_from(child.id().expect("running")).expect("a pid");
        kill(Pid::from_raw(pid), Signal::SIGTERM).expect("ours");
        assert_eq!(code(&client.expect_close().await), 1001);
        drop(client);
        assert_eq!(soon("exit", child.wait()).await.expect("waited").code(), Some(0));
    }
}
