//! A stand-in for Alpaca's market-data stream: its real wire protocol, on a port of this host, doing
//! what the test says. Messages as in <https://docs.alpaca.markets/docs/streaming-market-data>.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
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
    pub closed_cleanly: bool,
}

/// The server; it ends with the test's runtime.
pub struct Alpaca {
    pub address: SocketAddr,
    orders: mpsc::UnboundedSender<Order>,
    seen: watch::Receiver<Seen>,
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
        tokio::spawn(serve(listener, manner, inbox, publisher));
        Self {
            address,
            orders,
            seen,
        }
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
    while let Ok((stream, _)) = listener.accept().await {
        seen.send_modify(|seen| {
            seen.connections += 1;
            seen.trades.clear();
        });
        if let Ok(socket) = accept_async(stream).await {
            converse(socket, manner, &mut inbox, &seen).await;
        }
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
        Some("subscribe") => seen.send_modify(|seen| seen.trades.extend(named)),
        Some("unsubscribe") => {
            seen.send_modify(|seen| seen.trades.retain(|symbol| !named.contains(symbol)));
        }
        _ => return json!([{"T":"error","code":400,"msg":"invalid syntax"}]),
    }
    json!([{"T":"subscription","trades":seen.borrow().trades,"quotes":[],"bars":[]}])
}
