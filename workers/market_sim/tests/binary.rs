//! The binary, as its users start, meet and stop it.

mod common;

use std::process::Stdio;

use common::within;
use futures_util::{SinkExt, StreamExt};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

struct Running {
    child: Child,
    address: String,
    /// Kept open, so that the simulator can go on logging.
    _log: Box<dyn std::any::Any + Send>,
}

async fn start(arguments: &[&str]) -> Running {
    let mut child = Command::new(env!("CARGO_BIN_EXE_market-sim"))
        .args(["--port", "0"])
        .args(arguments)
        .env_remove("RUST_LOG")
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("the binary starts");
    let mut log = BufReader::new(child.stderr.take().expect("piped")).lines();
    let line = within(log.next_line()).await.expect("readable");
    let line = line.expect("a line about where it listens");
    let address = line.split("ws://").nth(1).expect("an address");
    let address = address.split(' ').next().expect("an address").to_owned();
    Running {
        child,
        address,
        _log: Box::new(log),
    }
}

async fn connect(running: &Running, path: &str, headers: &[(&'static str, &'static str)]) -> Socket {
    let url = format!("ws://{}{path}", running.address);
    let mut request = url.into_client_request().expect("a URL");
    for (name, value) in headers {
        let value = value.parse().expect("a header value");
        request.headers_mut().insert(*name, value);
    }
    let (socket, _) = within(connect_async(request)).await.expect("accepted");
    socket
}

async fn read(socket: &mut Socket) -> Message {
    let message = within(socket.next()).await;
    message.expect("still open").expect("a message")
}

async fn said(socket: &mut Socket, text: &str) -> String {
    let said = within(socket.send(Message::text(text.to_owned()))).await;
    said.expect("sent");
    read(socket).await.into_text().expect("text").to_string()
}

#[tokio::test]
async fn a_client_is_served_and_sigterm_says_goodbye() {
    let mut running = start(&["--rate", "100"]).await;
    let mut socket = connect(&running, "/v2/sip", &[]).await;
    let welcome = r#"[{"T":"success","msg":"connected"}]"#;
    assert_eq!(read(&mut socket).await, Message::text(welcome));
    let answer = said(&mut socket, r#"{"action":"auth","key":"K","secret":"S"}"#).await;
    assert_eq!(answer, r#"[{"T":"success","msg":"authenticated"}]"#);
    let answer = said(&mut socket, r#"{"action":"subscribe","trades":["SPY"]}"#).await;
    assert!(answer.starts_with(r#"[{"T":"subscription","trades":["SPY"],"quotes":[]"#));
    let trade = read(&mut socket).await.into_text().expect("text");
    assert!(trade.starts_with(r#"[{"T":"t","S":"SPY","i":1,"#), "{trade}");

    let pid = running.child.id().expect("running").cast_signed();
    kill(Pid::from_raw(pid), Signal::SIGTERM).expect("signalled");
    let close = loop {
        if let Message::Close(frame) = read(&mut socket).await {
            break frame.expect("a reason");
        }
    };
    assert_eq!(u16::from(close.code), 1001);
    // The answer to the Close goes out with the next read.
    while within(socket.next()).await.is_some_and(|next| next.is_ok()) {}
    let status = within(running.child.wait()).await.expect("waited for");
    assert_eq!(status.code(), Some(0));
}

#[tokio::test]
async fn headers_authenticate_and_choose_msgpack() {
    let running = start(&["--rate", "100"]).await;
    let headers = [
        ("APCA-API-KEY-ID", "K"),
        ("APCA-API-SECRET-KEY", "S"),
        ("Content-Type", "application/msgpack"),
    ];
    let mut socket = connect(&running, "/v2/iex", &headers).await;
    let welcome = b"\x91\x82\xa1T\xa7success\xa3msg\xa9connected";
    assert_eq!(read(&mut socket).await, Message::binary(&welcome[..]));
    let accepted = b"\x91\x82\xa1T\xa7success\xa3msg\xadauthenticated";
    assert_eq!(read(&mut socket).await, Message::binary(&accepted[..]));
    let subscribe = b"\x82\xa6action\xa9subscribe\xa6trades\x91\xa3SPY";
    let sent = within(socket.send(Message::binary(&subscribe[..]))).await;
    sent.expect("sent");
    let answer = read(&mut socket).await.into_data();
    assert!(answer[1..].starts_with(b"\x8a\xa1T\xacsubscription\xa6trades\x91\xa3SPY"));
    let trade = read(&mut socket).await.into_data();
    assert!(trade[1..].starts_with(b"\x8a\xa1T\xa1t\xa1S\xa3SPY"));
}

#[tokio::test]
async fn plain_http_tells_that_it_is_well() {
    let running = start(&[]).await;
    for (path, status) in [
        ("/health", "200 OK"),
        ("/v2/iex", "426 Upgrade Required"),
        ("/v1/iex", "404 Not Found"),
    ] {
        let mut stream = TcpStream::connect(&running.address).await.expect("open");
        let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n");
        stream.write_all(request.as_bytes()).await.expect("sent");
        let mut answer = String::new();
        within(stream.read_to_string(&mut answer)).await.expect("read");
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}\r\n")), "{answer}");
    }
}

#[tokio::test]
async fn a_taken_port_is_a_clear_failure() {
    let running = start(&[]).await;
    let port = running.address.rsplit(':').next().expect("a port");
    let second = Command::new(env!("CARGO_BIN_EXE_market-sim"))
        .args(["--port", port])
        .output();
    let second = within(second).await.expect("it ran");
    assert_eq!(second.status.code(), Some(1));
    let log = String::from_utf8_lossy(&second.stderr).into_owned();
    assert!(log.contains(&running.address), "{log}");
}
