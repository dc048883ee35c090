//! Stand-ins that can be made to say anything: a stream, and a supervisor.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use axum::extract::Path as UrlPath;
use axum::routing::{get, post};
use futures_util::{SinkExt, StreamExt, stream};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::broadcast;
use tokio::task::JoinHandle;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{WebSocketStream, accept_async};

use crate::common::{house, soon, supervisor};

/// The stream's end of the next page's connection.
pub async fn page_of(listener: &TcpListener) -> WebSocketStream<TcpStream> {
    let (stream, _) = soon("the page connects", listener.accept())
        .await
        .expect("accepted");
    soon("the page's handshake", accept_async(stream))
        .await
        .expect("a handshake")
}

/// The next message of a page.
pub async fn hear(page: &mut WebSocketStream<TcpStream>) -> Value {
    let message = soon("a message", page.next())
        .await
        .expect("open")
        .expect("readable");
    serde_json::from_str(message.to_text().expect("text")).expect("JSON")
}

/// Sends a page a message.
pub async fn tell(page: &mut WebSocketStream<TcpStream>, message: Value) {
    page.send(Message::text(message.to_string())).await.expect("sent");
}

/// The line that is never sent: the stream of changes breaks off.
const END: &str = "";

/// A supervisor whose status can be changed, and which tells that it was.
pub struct StandIn {
    _folder: tempfile::TempDir,
    pub socket: PathBuf,
    status: Arc<Mutex<Value>>,
    changes: broadcast::Sender<String>,
    pub orders: Arc<Mutex<Vec<String>>>,
    logs: broadcast::Sender<String>,
    serving: JoinHandle<()>,
}

impl StandIn {
    /// One with these services.
    pub fn with(services: &Value) -> Self {
        let (folder, socket) = house();
        let status = json!({"supervisor": {"pid": 4242, "version": "0.1.0", "uptime_s": 5025.0,
                                           "config": "/srv/desk/services.toml"}, "services": services,
                           "web": {"actions": true}});
        let mut stand_in = Self {
            _folder: folder,
            socket,
            status: Arc::new(Mutex::new(status)),
            changes: broadcast::channel(16).0,
            logs: broadcast::channel(16).0,
            orders: Arc::default(),
            serving: tokio::spawn(async {}),
        };
        stand_in.serve();
        stand_in
    }

    /// Serves, for the first time or again.
    pub fn serve(&mut self) {
        let (status, changes, orders) = (self.status.clone(), self.changes.clone(), self.orders.clone());
        let status = move || {
            let status = status.lock().expect("not poisoned").to_string();
            async { status }
        };
        let logs = self.logs.clone();
        let told = move |lines: &broadcast::Sender<String>| {
            let lines = stream::unfold(lines.subscribe(), |mut lines| async {
                let line = lines.recv().await.ok()?;
                (line != END).then_some((Ok::<_, std::io::Error>(line), lines))
            });
            Body::from_stream(lines)
        };
        let events = move || {
            let body = told(&changes);
            async { body }
        };
        let logs = move || {
            let body = told(&logs);
            async { body }
        };
        let ledger =
            "{\"seq\":1,\"at\":\"2026-01-05T15:00:00Z\",\"what\":\"began\",\"detail\":\"version 0.1.0\"}\n";
        let of_ports = self.status.clone();
        let ports = move || {
            let ports = of_ports.lock().expect("not poisoned")["ports"].to_string();
            async move { if ports == "null" { "[]".into() } else { ports } }
        };
        let order = move |UrlPath(verb): UrlPath<String>, body: String| {
            orders
                .lock()
                .expect("not poisoned")
                .push(format!("{verb} {body}"));
            async { "{\"event\":\"end\",\"ok\":true,\"services\":[{\"took_ms\":412.0}],\"error\":null}\n" }
        };
        let routes = Router::new()
            .route("/v1/status", get(status))
            .route("/v1/events", get(events))
            .route("/v1/logs", get(logs))
            .route("/v1/ledger", get(move || async move { ledger }))
            .route("/v1/ports", get(ports))
            .route("/v1/{verb}", post(order));
        self.serving = supervisor(&self.socket, routes);
    }

    /// Ends as a killed supervisor does: its streams break off, its socket stays behind.
    pub async fn die(&mut self) {
        self.serving.abort();
        let _ = (&mut self.serving).await;
        self.changes.send(END.into()).expect("followed");
    }

    /// Forgets the dead one's socket, as a new supervisor does.
    pub fn rise(&mut self) {
        std::fs::remove_file(Path::new(&self.socket)).expect("left behind");
        self.serve();
    }

    /// Changes what is no service, such as `ports` and `schedules`; told with the next change.
    pub fn set(&self, name: &str, value: Value) {
        self.status.lock().expect("not poisoned")[name] = value;
    }

    /// Writes a fact into the ledger.
    pub fn fact(&self, record: &Value) {
        let event = json!({"event": "fact", "record": record});
        self.changes.send(format!("{event}\n")).expect("followed");
    }

    /// Has a service write a line; false while nobody follows the log.
    pub fn log(&self, line: &Value) -> bool {
        self.logs.send(format!("{line}\n")).is_ok()
    }

    /// Changes a service, and tells.
    pub fn change(&self, place: usize, changes: &Value) {
        let mut status = self.status.lock().expect("not poisoned");
        let service = &mut status["services"][place];
        for (key, value) in changes.as_object().expect("an object") {
            service[key] = value.clone();
        }
        let event = json!({"event": "service", "name": service["name"], "state": service["state"],
                           "pid": null, "reason": service["reason"], "after_ms": 1.0});
        self.changes.send(format!("{event}\n")).expect("followed");
    }
}

/// A service that is well.
pub fn service(name: &str) -> Value {
    json!({"name": name, "state": "RUNNING", "pid": 4250, "uptime_s": 300.0, "restarts": 0, "wanted": true,
           "cpu_percent": 1.5, "memory_bytes": 9_000_000, "ports": [8765], "health": {"status": "none"}})
}
