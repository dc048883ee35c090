//! Probes against real listeners on loopback: good ones, and each way to be bad.

use std::future::{Future, pending};
use std::io;
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::{FutureExt, SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinHandle;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::accept_async;
use tokio_tungstenite::tungstenite::Message;

use super::{Answer, CommandEnd, Place, ask};
use crate::service::{Exit, Probe};

mod http;
mod tcp_and_exec;
mod ws;

/// Far longer than any good answer takes.
const PATIENT: Duration = Duration::from_secs(60);
/// For questions that get no answer: the next is tried when a slow machine had no time to get as far as that.
const BRIEF: [Duration; 3] = [
    Duration::from_millis(60),
    Duration::from_secs(2),
    Duration::from_secs(60),
];

/// A place where the program's name says what happens.
struct Stage;

impl Place for Stage {
    fn run<'a>(&'a self, command: &'a [String]) -> BoxFuture<'a, io::Result<CommandEnd>> {
        let end = |code, line: Option<&str>| CommandEnd {
            exit: Exit::Code(code),
            last_line: line.map(Into::into),
        };
        async move {
            match command[0].as_str() {
                "good" => Ok(end(0, None)),
                "bad" => Ok(end(2, Some("no such table"))),
                "endless" => pending().await,
                _ => Err(io::Error::from(io::ErrorKind::NotFound)),
            }
        }
        .boxed()
    }
}

/// One connection's worth of a server; gives back the port and what the server saw.
async fn serve<T, F>(with: impl FnOnce(TcpStream) -> F + Send + 'static) -> (u16, JoinHandle<T>)
where
    T: Send + 'static,
    F: Future<Output = T> + Send,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("bound").port();
    let server = tokio::spawn(async move { with(listener.accept().await.expect("a client").0).await });
    (port, server)
}

/// A WebSocket server that answers its first message with these, then waits for the client's end.
async fn ws_server(messages: Vec<Message>) -> (u16, JoinHandle<(String, bool)>) {
    serve(move |stream| async move {
        let mut socket = accept_async(stream).await.expect("handshake");
        let asked = socket.next().await.expect("a message").expect("whole");
        for message in messages {
            socket.feed(message).await.expect("room");
        }
        socket.flush().await.expect("sent");
        (
            asked.to_text().expect("text").into(),
            ends_with_close(socket).await,
        )
    })
    .await
}

/// Whether the client said Close before it went.
async fn ends_with_close(mut socket: WebSocketStream<TcpStream>) -> bool {
    while let Some(Ok(message)) = socket.next().await {
        if message.is_close() {
            return true;
        }
    }
    false
}

fn text(message: &Value) -> Message {
    Message::text(message.to_string())
}

fn health_probe(port: u16) -> Probe {
    Probe::Ws {
        url: format!("ws://127.0.0.1:{port}"),
        send: Some(json!({"action": "health"})),
        expect: Some(json!({"type": "health", "healthy": true})),
    }
}

fn http_probe(port: u16, status: Option<u16>, expect: Option<Value>) -> Probe {
    Probe::Http {
        url: format!("http://localhost:{port}/health?x=1"),
        status,
        expect,
    }
}

/// An HTTP server that reads the head of one request, answers with these bytes and closes.
async fn http_server(answer: impl Into<Vec<u8>>) -> (u16, JoinHandle<String>) {
    let answer = answer.into();
    serve(move |mut stream| async move {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.expect("a request"));
        }
        // The client may have seen enough and be gone.
        let _ = stream.write_all(&answer).await;
        String::from_utf8(head).expect("text")
    })
    .await
}

fn json_answer(status: &str, body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}")
}

async fn asked(probe: &Probe, timeout: Duration) -> Answer {
    ask(probe, &Stage, timeout).await
}

/// The failure's sentence without its hop.
fn cause(answer: &Answer) -> String {
    answer.outcome.as_ref().expect_err("a failure").cause.to_string()
}

/// A port that nobody listens on, nor can while the socket is kept.
fn unheard_port() -> (u16, TcpSocket) {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.bind(([127, 0, 0, 1], 0).into()).expect("a port");
    (socket.local_addr().expect("bound").port(), socket)
}

/// Asks servers that each get one question, with ever more time, until the failure is this; the last answer.
async fn fails_with<F>(mut ask_anew: impl FnMut(Duration) -> F, why: impl Fn(f64) -> String) -> Answer
where
    F: Future<Output = Answer>,
{
    let mut said = Vec::new();
    for brief in BRIEF {
        let answer = ask_anew(brief).await;
        said.push(cause(&answer));
        if said.last() == Some(&why(brief.as_secs_f64())) {
            assert!(answer.latency >= brief, "{answer:?}");
            return answer;
        }
    }
    panic!("never {:?}: {said:?}", why(0.0));
}

/// A server that accepts and never says a word.
async fn mute_server() -> (u16, JoinHandle<()>) {
    serve(|stream| async move {
        pending::<()>().await;
        drop(stream);
    })
    .await
}
