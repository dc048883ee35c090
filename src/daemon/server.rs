//! The control socket: HTTP on a Unix socket, for the owner and root alone. It asks the driver, nothing more.

use std::convert::Infallible;
use std::fs;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use futures_util::stream::poll_fn;
use futures_util::{Stream, StreamExt};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, Limited, StreamBody};
use hyper::body::{Bytes, Frame, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{oneshot, watch};
use tokio::task::{JoinHandle, JoinSet, spawn_local};

use super::ledger::Peer;
use super::mailbox::{Mailbox, Message, Question, Reply, line};
use crate::api::{Command, Event, Failure, FailureKind, Route};

/// The largest request body, in bytes.
const MAX_REQUEST: usize = 64 << 10;

/// How long callers may take to read the rest of their answers when the supervisor leaves.
const LAST_WORDS: Duration = Duration::from_secs(1);

type Body = UnsyncBoxBody<Bytes, Infallible>;

/// Binds the control socket, mode 0600. The caller holds the supervisor's lock, so whatever has the name
/// is a dead supervisor's. The path may be longer than a socket address can hold.
///
/// # Errors
/// The state folder cannot be opened, or the name cannot be bound.
pub fn bind(path: &Path) -> io::Result<UnixListener> {
    let (folder, name) = (
        path.parent().unwrap_or(Path::new("/")),
        path.file_name().unwrap_or_default(),
    );
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let folder = fs::File::open(folder)?;
    let short = Path::new("/proc/self/fd")
        .join(folder.as_raw_fd().to_string())
        .join(name);
    let listener = UnixListener::bind(short)?;
    // The folder is 0700, so nobody could connect before this.
    fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}

/// The server and everybody it talks to.
#[derive(Debug)]
pub struct Server {
    accepting: JoinHandle<JoinSet<()>>,
    leave: watch::Sender<bool>,
}

impl Server {
    /// Begins to serve.
    #[must_use]
    pub fn begin(listener: UnixListener, mailbox: Mailbox) -> Self {
        let (leave, leaving) = watch::channel(false);
        Self {
            accepting: spawn_local(accept(listener, mailbox, leaving)),
            leave,
        }
    }

    /// Takes no more callers, and lets those who are being answered have the rest of it.
    pub async fn end(self) {
        let _ = self.leave.send(true);
        if let Ok(mut callers) = self.accepting.await {
            let all = async { while callers.join_next().await.is_some() {} };
            let _ = tokio::time::timeout(LAST_WORDS, all).await;
        }
    }
}

async fn accept(listener: UnixListener, mailbox: Mailbox, mut leaving: watch::Receiver<bool>) -> JoinSet<()> {
    let mut callers = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => drop(callers.spawn_local(converse(stream, mailbox.clone(), leaving.clone()))),
                Err(error) => {
                    tracing::error!(%error, "cannot accept on the control socket");
                    // Out of descriptors: wait until some are free, not in a busy loop.
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            },
            Some(_) = callers.join_next() => {}
            _ = leaving.changed() => return callers,
        }
    }
}

async fn converse(stream: UnixStream, mailbox: Mailbox, mut leaving: watch::Receiver<bool>) {
    let peer = match stream.peer_cred() {
        Ok(peer) => peer,
        Err(error) => return tracing::warn!(%error, "a caller without credentials"),
    };
    let own = nix::unistd::geteuid().as_raw();
    let allowed = peer.uid() == own || peer.uid() == 0;
    let who = Peer {
        uid: peer.uid(),
        pid: peer.pid().unwrap_or(0),
    };
    let service = service_fn(|request| {
        let mailbox = mailbox.clone();
        async move {
            let answer = if allowed {
                answer(request, &mailbox, who).await
            } else {
                Err(stranger(own))
            };
            Ok::<_, Infallible>(answer.unwrap_or_else(|failure| refuse(&failure)))
        }
    });
    let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    // A caller who leaves early is no error: the work goes on.
    tokio::select! {
        _ = &mut connection => {}
        _ = leaving.changed() => {
            connection.as_mut().graceful_shutdown();
            let _ = connection.await;
        }
    }
}

async fn answer(
    request: Request<Incoming>,
    mailbox: &Mailbox,
    peer: Peer,
) -> Result<Response<Body>, Failure> {
    let route = route(&request)?;
    let body = Limited::new(request.into_body(), MAX_REQUEST).collect().await;
    let body = body
        .map_err(|error| usage(format!("the request's body: {error}")))?
        .to_bytes();
    let command: Command = if body.is_empty() {
        Command::default()
    } else {
        serde_json::from_slice(&body).map_err(|error| usage(format!("the request's body: {error}")))?
    };
    let (reply, answered) = oneshot::channel();
    mailbox.post(Message::Ask(Question {
        route,
        command,
        peer,
        reply,
    }));
    match answered.await {
        Ok(Reply::Status(status)) => Ok(json(StatusCode::OK, &status)),
        Ok(Reply::Events(mut events)) => Ok(stream(poll_fn(move |waker| events.poll_recv(waker)))),
        Ok(Reply::Progress(mut events)) => Ok(stream(poll_fn(move |waker| events.poll_recv(waker)))),
        Ok(Reply::Refused(failure)) => Err(failure),
        Err(_) => Err(Failure {
            kind: FailureKind::NoSupervisor,
            message: "the supervisor is leaving".into(),
            help: None,
        }),
    }
}

fn route(request: &Request<Incoming>) -> Result<Route, Failure> {
    let (method, path) = (request.method().as_str(), request.uri().path());
    let found = Route::ALL
        .into_iter()
        .find(|route| route.path() == path && route.method() == method);
    found.ok_or_else(|| {
        let known: Vec<String> = Route::ALL
            .iter()
            .map(|route| format!("{} {}", route.method(), route.path()))
            .collect();
        usage(format!(
            "no such route: {method} {path}; there are {}",
            known.join(", ")
        ))
    })
}

fn usage(message: String) -> Failure {
    Failure {
        kind: FailureKind::Usage,
        message,
        help: None,
    }
}

fn stranger(owner: u32) -> Failure {
    let name = nix::unistd::User::from_uid(owner.into())
        .ok()
        .flatten()
        .map_or(owner.to_string(), |u| u.name);
    Failure {
        kind: FailureKind::Failed,
        message: format!("only {name} and root may command this supervisor"),
        help: Some(format!("sudo -u {name} sentinel …")),
    }
}

fn refuse(failure: &Failure) -> Response<Body> {
    let status = match failure.kind {
        FailureKind::Busy => StatusCode::CONFLICT,
        FailureKind::Usage => StatusCode::BAD_REQUEST,
        FailureKind::Config => StatusCode::UNPROCESSABLE_ENTITY,
        FailureKind::NoSupervisor => StatusCode::SERVICE_UNAVAILABLE,
        FailureKind::Failed => StatusCode::FORBIDDEN,
        FailureKind::Bug => StatusCode::INTERNAL_SERVER_ERROR,
    };
    json(status, failure)
}

fn json(status: StatusCode, value: &impl serde::Serialize) -> Response<Body> {
    let body = Full::new(serde_json::to_vec(value).unwrap_or_default().into()).boxed_unsync();
    response(status, "application/json", body)
}

fn stream(events: impl Stream<Item = Event> + Send + 'static) -> Response<Body> {
    let frames = events.map(|event| Ok::<_, Infallible>(Frame::data(line(&event))));
    response(
        StatusCode::OK,
        "application/x-ndjson",
        StreamBody::new(frames).boxed_unsync(),
    )
}

fn response(status: StatusCode, kind: &'static str, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let kind = hyper::header::HeaderValue::from_static(kind);
    response.headers_mut().insert(hyper::header::CONTENT_TYPE, kind);
    response
}
