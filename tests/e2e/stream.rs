//! The main job: simulator, backend and proxy come up in order, and a client gets trades.

use std::collections::BTreeSet;
use std::fs;

use futures_util::{SinkExt, StreamExt};
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{WebSocketStream, client_async};

use crate::house::{House, PATIENCE, free_port, signal, until};

/// The three services of the shipped services.toml, on ports of their own.
pub struct Stream {
    pub house: House,
    pub sim: u16,
    pub backend: u16,
    pub proxy: u16,
}

impl Stream {
    /// Brought up by one `sentinel restart`.
    pub fn up() -> Self {
        let [sim, backend, proxy] = [free_port(), free_port(), free_port()];
        let health = |port| {
            format!(
                "ready = {{ ws = \"ws://127.0.0.1:{port}\" }}\nhealth = {{ ws = \"ws://127.0.0.1:{port}\", send = {{ action = \"health\" }}, \
                 expect = {{ type = \"health\", healthy = true }}, every = \"1h\", timeout = \"3s\" }}\n"
            )
        };
        let services = format!(
            "[services.browser_proxy]\ncommand = \"browser-proxy\"\nports = [{proxy}]\nafter = [\"trade_stream\"]\n\
             env = {{ BROWSER_PROXY_PORT = \"{proxy}\", BROWSER_PROXY_BACKEND = \"ws://127.0.0.1:{backend}\" }}\n{}\
             [services.trade_stream]\ncommand = \"trade-stream --feed iex\"\nports = [{backend}]\nafter = [\"market_sim\"]\n\
             min_uptime = \"50ms\"\n\
             env = {{ TRADE_STREAM_PORT = \"{backend}\", ALPACA_DATA_URL = \"ws://127.0.0.1:{sim}/v2/iex\" }}\n{}\
             [services.market_sim]\ncommand = \"market-sim --rate 100 --port {sim}\"\nports = [{sim}]\n\
             ready = {{ tcp = \"127.0.0.1:{sim}\" }}\n",
            health(proxy),
            health(backend),
        );
        let house = House::new(&services);
        house.run(&["restart"]).exits(0);
        Self {
            house,
            sim,
            backend,
            proxy,
        }
    }

    /// A second backend with the same key, in the same house; its port.
    pub fn add_backend(&self) -> u16 {
        let port = free_port();
        let sim = self.sim;
        let mut services = fs::read_to_string(self.house.path("services.toml")).expect("written");
        services.push_str(&format!(
                "[services.second]\ncommand = \"trade-stream --feed iex\"\nports = [{port}]\n\
                 env = {{ TRADE_STREAM_PORT = \"{port}\", ALPACA_DATA_URL = \"ws://127.0.0.1:{sim}/v2/iex\" }}\n\
                 health = {{ ws = \"ws://127.0.0.1:{port}\", send = {{ action = \"health\" }} }}\n"
        ));
        fs::write(self.house.path("services.toml"), services).expect("written");
        self.house.run(&["reload"]).exits(0);
        port
    }

    pub fn health(&self, service: &str) -> Value {
        self.house.service(service)["health"].clone()
    }
}

/// A client that knows JSON and patience.
pub struct Client(pub WebSocketStream<TcpStream>);

impl Client {
    pub async fn of(port: u16) -> Self {
        Self::at(port, "/").await
    }

    pub async fn at(port: u16, path: &str) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", port)).await.expect("connected");
        let (socket, _) = client_async(format!("ws://127.0.0.1:{port}{path}"), stream)
            .await
            .expect("accepted");
        Self(socket)
    }

    pub async fn say(&mut self, message: Value) {
        self.0
            .send(Message::text(message.to_string()))
            .await
            .expect("sent");
    }

    /// The next message of this kind; the kinds that came are noted.
    pub async fn until(&mut self, kind: &str, seen: &mut BTreeSet<String>) -> Value {
        let hear = async {
            loop {
                let Some(Ok(Message::Text(text))) = self.0.next().await else {
                    panic!("the connection ended before a {kind}");
                };
                let message: Value = serde_json::from_str(&text).expect("JSON");
                let is = message["type"].as_str().expect("a type").to_owned();
                seen.insert(is.clone());
                if is == kind {
                    return message;
                }
            }
        };
        let waited = tokio::time::timeout(PATIENCE, hear).await;
        waited.unwrap_or_else(|_| panic!("no {kind}"))
    }

    pub async fn gets_a_trade(port: u16) -> Value {
        let mut client = Self::of(port).await;
        client.say(json!({"action": "subscribe", "symbol": "AAPL"})).await;
        client.until("trade", &mut BTreeSet::new()).await
    }
}

#[test]
fn they_come_up_in_order_and_status_proves_both_hops() {
    let stream = Stream::up();
    let log = fs::read_to_string(stream.house.path("logs/sentinel.log")).expect("a log");
    let place = |words: &str| log.find(words).unwrap_or_else(|| panic!("no {words:?}: {log}"));
    let order = [
        place("RUNNING service=market_sim"),
        place("STARTING service=trade_stream"),
        place("RUNNING service=trade_stream"),
        place("STARTING service=browser_proxy"),
        place("RUNNING service=browser_proxy"),
    ];
    assert!(order.is_sorted(), "{log}");

    let status = stream.house.run(&["status", "--json"]).exits(0).json();
    assert_eq!(status["ok"], true);
    for service in ["trade_stream", "browser_proxy"] {
        let health = stream.health(service);
        assert_eq!(health["status"], "healthy", "{health}");
        assert_eq!(health["kind"], "ws");
        assert!(health["latency_ms"].is_f64(), "{health}");
        let said = &health["detail"];
        assert_eq!(said["type"], "health");
        assert_eq!(said["alpaca_task_status"], "not_started", "nobody subscribes");
        assert_eq!(said["alpaca_connected"], false);
        assert_eq!(said["active_symbols"], json!([]));
        assert!(said["total_clients"].is_u64(), "{said}");
    }
    stream.house.run(&["status"]).exits(0).says("healthy");
    stream.house.run(&["shutdown"]).exits(0);
    stream.house.is_empty();
}

#[tokio::test]
async fn a_client_of_the_proxy_sees_every_kind_of_message() {
    let stream = Stream::up();
    let mut client = Client::of(stream.proxy).await;
    let mut seen = BTreeSet::new();
    client.say(json!({"action": "ping"})).await;
    assert_eq!(
        client.until("pong", &mut seen).await,
        json!({"type": "pong", "alpaca_connected": false})
    );
    client.say(json!({"action": "subscribe", "symbol": "aapl"})).await;
    let subscribed = client.until("subscribed", &mut seen).await;
    assert_eq!(subscribed["symbol"], "AAPL");
    assert_eq!(subscribed["message"], "Subscribed to AAPL trades");
    assert!(seen.contains("connecting"), "the first subscription connects");
    let trade = client.until("trade", &mut seen).await;
    assert_eq!(trade["symbol"], "AAPL");
    assert!(trade["data"]["price"].as_f64() > Some(0.0), "{trade}");
    assert!(trade["data"]["size"].as_u64() > Some(0), "{trade}");
    assert!(trade["data"]["conditions"].is_array(), "{trade}");
    assert!(
        trade["data"]["timestamp"]
            .as_str()
            .is_some_and(|time| time.ends_with('Z')),
        "{trade}"
    );
    client.say(json!({"action": "health"})).await;
    let health = client.until("health", &mut seen).await;
    assert_eq!(health["alpaca_connected"], true);
    assert_eq!(health["active_symbols"], json!(["AAPL"]));
    assert_eq!(health["alpaca_task_status"], "running");
    client.say(json!({"action": "reconnect"})).await;
    client.until("reconnect_initiated", &mut seen).await;
    client.until("trade", &mut seen).await;
    client
        .say(json!({"action": "unsubscribe", "symbol": "AAPL"}))
        .await;
    client.until("unsubscribed", &mut seen).await;
    client.say(json!({"action": "dance"})).await;
    assert_eq!(client.until("error", &mut seen).await["code"], "bad_request");
    client.say(json!({"action": "ping"})).await;
    client.until("pong", &mut seen).await;
    // No gap: what the reconnect cost was fetched.
    let kinds = "connecting error health pong reconnect_initiated subscribed trade unsubscribed";
    assert_eq!(seen.into_iter().collect::<Vec<_>>().join(" "), kinds);
}

#[tokio::test]
async fn a_killed_backend_is_back_and_new_clients_get_trades() {
    let stream = Stream::up();
    Client::gets_a_trade(stream.proxy).await;
    let (killed, proxy) = (
        stream.house.pid("trade_stream"),
        stream.house.pid("browser_proxy"),
    );
    until("it is proven", || {
        stream.house.service("trade_stream")["uptime_s"].as_f64() > Some(0.1)
    });
    signal(killed, Signal::SIGKILL);
    until("it is back", || {
        stream.house.run(&["status"]).code == 0 && stream.house.pid("trade_stream") != killed
    });
    assert_eq!(Client::gets_a_trade(stream.proxy).await["symbol"], "AAPL");
    assert_eq!(stream.house.service("trade_stream")["restarts"], 1);
    assert_eq!(stream.house.pid("browser_proxy"), proxy, "the other hop went on");
}

#[test]
fn status_names_the_hop_that_fails() {
    let stream = Stream::up();
    let backend = stream.house.pid("trade_stream");
    signal(backend, Signal::SIGSTOP);
    let status = stream.house.run(&["status", "--json"]).exits(6).json();
    signal(backend, Signal::SIGCONT);
    assert_eq!(status["ok"], false);
    let health = |name: &str| {
        let services = status["services"].as_array().expect("services");
        let service = services.iter().find(|service| service["name"] == name);
        service.expect("declared")["health"].clone()
    };
    for (service, words) in [
        ("trade_stream", ""),
        (
            "browser_proxy",
            "browser_proxy answers, trade_stream behind it does not",
        ),
    ] {
        let health = health(service);
        assert_eq!(health["status"], "unhealthy");
        let error = health["error"].as_str().expect("an error");
        assert!(error.contains(words), "{error}");
        // The broken hop is named in both.
        assert!(
            error.contains(&format!("127.0.0.1:{}", stream.backend)),
            "{error}"
        );
    }
    assert_eq!(health("market_sim")["status"], "none");
    until("it is well again", || stream.house.run(&["status"]).code == 0);
}
