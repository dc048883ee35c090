//! A stand-in for Alpaca's market-data stream: its real wire protocol, on a port of this host, doing
//! what the test says. Messages as in <https://docs.alpaca.markets/docs/streaming-market-data>.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{WebSocketStream, accept_async};

use super::soon;

/// What the test lets the server do.
#[derive(Debug)]
enum Order {
    Send(Value),
    Drop,
}

/// What the server has seen.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Seen {
    pub connections: usize,
    pub trades: BTreeSet<String>,
    /// All other channels.
    pub others: BTreeMap<String, BTreeSet<String>>,
    pub closed_cleanly: bool,
    /// The answer to whoever asks for past trades; none is 404.
    pub past: Option<String>,
}

/// The server; it ends with the test's runtime.
pub struct Alpaca {
    pub address: SocketAddr,
    orders: mpsc::UnboundedSender<Order>,
    seen: watch::Receiver<Seen>,
    publisher: watch::Sender<Seen>,
}

/// How the server answers.
#[derive(Clone, Copy)]
pub struct Manner {
    /// The code that answers `auth`, 0 for success.
    pub auth: u64,
    /// Symbols that are refused with 400.
    pub refuse: &'static str,
}

impl Alpaca {
    pub async fn start() -> Self {
        Self::with(Manner {
            auth: 0,
            refuse: "REFUSED",
        })
        .await
    }

    pub async fn with(manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        let (orders, inbox) = mpsc::unbounded_channel();
        let (publisher, seen) = watch::channel(Seen::default());
        tokio::spawn(serve(listener, manner, inbox, publisher.clone()));
        Self {
            address,
            orders,
            seen,
            publisher,
        }
    }

    /// Lets these be the past trades that REST knows, as Alpaca tells them.
    pub fn remember(&self, trades: &Value) {
        let body = json!({"trades": trades, "next_page_token": null}).to_string();
        self.publisher.send_modify(|seen| seen.past = Some(body));
    }

    /// Sends one array of messages on the connection there is.
    pub fn send(&self, messages: Value) {
        self.orders.send(Order::Send(messages)).expect("the server runs");
    }

    /// Cuts the connection, without a Close frame.
    pub fn cut(&self) {
        self.orders.send(Order::Drop).expect("the server runs");
    }

    /// Waits until the server has seen what the test waits for.
    pub async fn saw(&self, what: &str, condition: impl Fn(&Seen) -> bool) {
        let mut seen = self.seen.clone();
        soon(what, seen.wait_for(condition))
            .await
            .expect("the server runs");
    }

    pub async fn subscribed(&self, symbols: &[&str]) {
        let wanted: BTreeSet<String> = symbols.iter().map(ToString::to_string).collect();
        self.saw(&format!("upstream subscriptions {symbols:?}"), |seen| {
            seen.trades == wanted
        })
        .await;
    }

    pub fn seen(&self) -> Seen {
        self.seen.borrow().clone()
    }
}

pub fn trade(symbol: &str, id: u64) -> Value {
    json!({"T":"t","S":symbol,"i":id,"x":"V","p":150.25,"s":100,"c":["@","I"],"z":"C","t":"2025-12-14T10:30:45.123456789Z"})
}

async fn serve(
    listener: TcpListener,
    manner: Manner,
    mut inbox: mpsc::UnboundedReceiver<Order>,
    seen: watch::Sender<Seen>,
) {
    let (sender, mut streams) = mpsc::unbounded_channel();
    tokio::spawn(sort(listener, sender, seen.clone()));
    while let Some(stream) = streams.recv().await {
        seen.send_modify(|seen| {
            seen.connections += 1;
            seen.trades.clear();
            seen.others.clear();
        });
        if let Ok(socket) = accept_async(stream).await {
            converse(socket, manner, &mut inbox, &seen).await;
        }
    }
}

/// Streams are served one after the other, plain requests at once: past trades as the test gave them.
async fn sort(listener: TcpListener, streams: mpsc::UnboundedSender<TcpStream>, seen: watch::Sender<Seen>) {
    while let Ok((mut stream, _)) = listener.accept().await {
        let mut head = [0; 1024];
        let read = stream.peek(&mut head).await.unwrap_or(0);
        let head = String::from_utf8_lossy(&head[..read]).to_lowercase();
        if head.contains("upgrade: websocket") {
            // A test that has ended takes none.
            let _ = streams.send(stream);
            continue;
        }
        let past = seen.borrow().past.clone();
        let answer = match past {
            Some(body) => format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()),
            None => "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".into(),
        };
        let _ = stream.write_all(answer.as_bytes()).await;
    }
}

async fn converse(
    mut socket: WebSocketStream<TcpStream>,
    manner: Manner,
    inbox: &mut mpsc::UnboundedReceiver<Order>,
    seen: &watch::Sender<Seen>,
) {
    say(&mut socket, json!([{"T":"success","msg":"connected"}])).await;
    loop {
        tokio::select! {
            order = inbox.recv() => match order {
                Some(Order::Send(messages)) => say(&mut socket, messages).await,
                Some(Order::Drop) | None => return,
            },
            message = socket.next() => match message {
                Some(Ok(Message::Close(_))) => seen.send_modify(|seen| seen.closed_cleanly = true),
                Some(Ok(message)) if message.is_text() || message.is_binary() => {
                    let request = serde_json::from_slice(&message.into_data()).expect("JSON");
                    let answer = answer(&request, manner, seen);
                    say(&mut socket, answer).await;
                }
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return,
            },
        }
    }
}

async fn say(socket: &mut WebSocketStream<TcpStream>, messages: Value) {
    // A client that has left is noticed by the next read.
    let _ = socket.send(Message::text(messages.to_string())).await;
}

fn answer(request: &Value, manner: Manner, seen: &watch::Sender<Seen>) -> Value {
    let named: Vec<String> = request["trades"]
        .as_array()
        .map(|symbols| {
            symbols
                .iter()
                .filter_map(Value::as_str)
                .map(str::to_owned)
                .collect()
        })
        .unwrap_or_default();
    match request["action"].as_str() {
        Some("auth") if manner.auth == 0 => return json!([{"T":"success","msg":"authenticated"}]),
        Some("auth") => return json!([{"T":"error","code":manner.auth,"msg":"auth failed"}]),
        Some("subscribe") if named.iter().any(|symbol| symbol == manner.refuse) => {
            return json!([{"T":"error","code":400,"msg":"invalid syntax"}]);
        }
        Some("subscribe") => seen.send_modify(|seen| {
            seen.trades.extend(named);
            for (channel, symbols) in request.as_object().expect("an object") {
                let symbols = symbols.as_array().into_iter().flatten().filter_map(Value::as_str);
                if channel != "trades" {
                    let list = seen.others.entry(channel.clone()).or_default();
                    list.extend(symbols.map(str::to_owned));
                }
            }
        }),
        Some("unsubscribe") => {
            seen.send_modify(|seen| seen.trades.retain(|symbol| !named.contains(symbol)));
        }
        _ => return json!([{"T":"error","code":400,"msg":"invalid syntax"}]),
    }
    let mut answer = json!({"T":"subscription","trades":seen.borrow().trades,"quotes":[],"bars":[]});
    for (channel, symbols) in &seen.borrow().others {
        answer[channel] = json!(symbols);
    }
    json!([answer])
}
