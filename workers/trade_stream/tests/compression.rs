//! permessage-deflate: off unless asked for, and then understood by clients that nobody here wrote.

mod common;

use std::process::Stdio;

use common::Stream;
use common::alpaca::{Alpaca, trade};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::process::Command;

/// Subscribes, hears a trade, asks for its health with a compressed message, and says what was agreed.
const PYTHON: &str = r#"
import asyncio, json, sys, websockets
async def main():
    async with websockets.connect(sys.argv[1]) as socket:
        print("agreed", [type(one).__name__ for one in socket.protocol.extensions], flush=True)
        await socket.send(json.dumps({"action": "subscribe", "symbols": ["AAPL"]}))
        while True:
            heard = json.loads(await socket.recv())
            print(heard["type"], flush=True)
            if heard["type"] == "trade":
                break
        await socket.send(json.dumps({"action": "health", "padding": "x" * 2000}))
        print(json.loads(await socket.recv())["type"], flush=True)
asyncio.run(main())
"#;

/// The same with Node's `ws`.
const NODE: &str = r#"
const { WebSocket } = require('ws');
const socket = new WebSocket(process.argv[2]);
socket.on('open', () => {
  console.log('agreed', socket.extensions);
  socket.send(JSON.stringify({ action: 'subscribe', symbols: ['AAPL'] }));
});
socket.on('message', (bytes) => {
  const { type } = JSON.parse(bytes);
  console.log(type);
  if (type === 'trade') socket.send(JSON.stringify({ action: 'health', padding: 'x'.repeat(2000) }));
  if (type === 'health') socket.close();
});
"#;

/// What the program says while trades come; `None` when it cannot be run here.
async fn said(program: &str, arguments: &[&str], address: &str, alpaca: &Alpaca) -> Option<String> {
    let child = Command::new(program)
        .args(arguments)
        .arg(address)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn();
    let mut child = child.ok()?;
    let mut out = child.stdout.take().expect("piped");
    let (mut said, mut piece) = (String::new(), [0; 1024]);
    let reading = async {
        let mut sent = 0;
        loop {
            let count = out.read(&mut piece).await.expect("readable");
            if count == 0 {
                return;
            }
            said.push_str(&String::from_utf8_lossy(&piece[..count]));
            if said.contains("subscribed") && sent == 0 {
                alpaca.subscribed(&["AAPL"]).await;
                alpaca.send(json!([trade("AAPL", 1)]));
                sent += 1;
            }
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(90), reading)
        .await
        .unwrap_or_else(|_| panic!("{program} is stuck: {arguments:?}"));
    let status = child.wait().await.expect("it ends");
    if said.is_empty() && !status.success() {
        eprintln!("skipped: {program} has no WebSocket library (pip install websockets, npm install ws)");
        return None;
    }
    Some(said)
}

#[tokio::test]
async fn clients_in_python_and_node_agree_and_understand() {
    for (program, flag, script) in [("python3", "-c", PYTHON), ("node", "-e", NODE)] {
        let alpaca = Alpaca::start().await;
        let stream = Stream::with(alpaca.address, |settings| settings.compress = true).await;
        let address = format!("ws://{}/", stream.address);
        // Node takes the script's own arguments only after a name.
        let arguments = if program == "node" {
            vec![flag, script, "client"]
        } else {
            vec![flag, script]
        };
        let Some(said) = said(program, &arguments, &address, &alpaca).await else {
            continue;
        };
        assert!(
            said.contains("PerMessageDeflate") || said.contains("permessage-deflate"),
            "{said}"
        );
        assert!(said.trim_end().ends_with("trade\nhealth"), "{said}");
    }
}

/// The answer to a request that offers to compress, and the first bytes of a trade.
async fn raw(compress: bool) -> (String, u8) {
    let alpaca = Alpaca::start().await;
    let stream = Stream::with(alpaca.address, |settings| settings.compress = compress).await;
    let mut socket = TcpStream::connect(stream.address).await.expect("connected");
    let request = "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
                   Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n";
    socket.write_all(request.as_bytes()).await.expect("written");
    let subscribe = ws_listener::frame::masked_text(br#"{"action":"subscribe","symbol":"AAPL"}"#);
    socket.write_all(&subscribe).await.expect("written");
    alpaca.subscribed(&["AAPL"]).await;
    alpaca.send(json!([trade("AAPL", 1)]));
    let (mut heard, mut piece) = (Vec::new(), [0; 4096]);
    let first = common::soon("a trade", async {
        loop {
            let count = socket.read(&mut piece).await.expect("readable");
            heard.extend_from_slice(&piece[..count]);
            let Some(end) = heard.windows(4).position(|four| four == b"\r\n\r\n") else {
                continue;
            };
            let mut frames = &heard[end + 4..];
            let mut last = 0;
            let mut count = 0;
            while let ws_listener::frame::Next::Whole(whole) = ws_listener::frame::next(frames) {
                last = whole.bytes[0];
                count += 1;
                frames = &frames[whole.bytes.len()..];
            }
            // `connecting`, `subscribed`, the trade.
            if count == 3 {
                return last;
            }
        }
    })
    .await;
    let head = String::from_utf8_lossy(&heard)
        .split("\r\n\r\n")
        .next()
        .unwrap_or_default()
        .to_owned();
    (head, first)
}

#[tokio::test]
async fn nothing_is_compressed_unless_asked_for() {
    let (head, first) = raw(false).await;
    assert!(
        !head.to_lowercase().contains("sec-websocket-extensions"),
        "{head}"
    );
    assert_eq!(first, 0x81);
    let (head, first) = raw(true).await;
    assert!(
        head.to_lowercase().contains("server_no_context_takeover"),
        "{head}"
    );
    assert_eq!(first, 0xc1);
}
