//! The control socket: HTTP on a Unix socket, for the owner and root alone. It asks the driver, nothing more.

use std::cell::RefCell;
use std::convert::Infallible;
use std::fs;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::poll_fn;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, Limited, StreamBody};
use hyper::body::{Bytes, Frame, Incoming};
use hyper::{Request, Response, StatusCode};
use tokio::net::UnixListener;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::{JoinHandle, JoinSet, spawn_local};

use super::caller::hear;
use super::ledger::Peer;
use super::mailbox::{Mailbox, Message, Question, Reply, line};
use super::reading::Wish;
use crate::api::{Command, Event, Failure, FailureKind, Route};
use crate::lock;
use crate::redact;

/// The largest request body, in bytes.
const MAX_REQUEST: usize = 64 << 10;

/// How long callers may take to read the rest of their answers when the supervisor leaves.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// How long a request's body may take.
const BODY: Duration = Duration::from_secs(5);

/// How many callers are heard at once, and how many more are told that they are too many.
const MOST: usize = 128;
const REFUSING: usize = 32;

/// The type of an answer that is a stream of events.
const EVENTS: &str = "application/x-ndjson";

pub(super) type Body = UnsyncBoxBody<Bytes, Infallible>;

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
    let folder = lock::own_folder(folder)?;
    let short = Path::new("/proc/self/fd")
        .join(folder.as_raw_fd().to_string())
        .join(name);
    let listener = UnixListener::bind(&short)?;
    // The folder is 0700, so nobody could connect before this.
    fs::set_permissions(&short, fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}

/// The server and everybody it talks to.
#[derive(Debug)]
pub struct Server {
    mailbox: Mailbox,
    leave: watch::Sender<bool>,
    /// While it accepts: the task that has its listener.
    accepting: Option<JoinHandle<()>>,
    listener: Rc<UnixListener>,
    callers: Rc<RefCell<JoinSet<()>>>,
}

impl Server {
    /// Begins to serve.
    #[must_use]
    pub fn begin(listener: UnixListener, mailbox: Mailbox) -> Self {
        let mut server = Self {
            mailbox,
            leave: watch::channel(false).0,
            accepting: None,
            listener: Rc::new(listener),
            callers: Rc::default(),
        };
        server.go_on();
        server
    }

    /// Serves, after a pause too.
    pub fn go_on(&mut self) {
        let (leave, leaving) = watch::channel(false);
        self.leave = leave;
        let (listener, callers) = (self.listener.clone(), self.callers.clone());
        self.accepting = Some(spawn_local(accept(
            listener,
            callers,
            self.mailbox.clone(),
            leaving,
        )));
    }

    /// Accepts nobody more, who wait in the socket's queue, and lets those who are being answered have the
    /// rest of it, within a second. One stays: who asked for the upgrade, and is still to be told.
    pub async fn pause(&mut self) {
        self.rest(1).await;
    }

    /// Takes no more callers, and lets those who are being answered have the rest of it.
    pub async fn end(mut self) {
        self.rest(0).await;
    }

    /// The control socket.
    #[must_use]
    pub fn listener(&self) -> BorrowedFd<'_> {
        self.listener.as_fd()
    }

    async fn rest(&mut self, stay: usize) {
        let _ = self.leave.send(true);
        if let Some(accepting) = self.accepting.take() {
            let _ = accepting.await;
        }
        let callers = self.callers.clone();
        let leave = std::future::poll_fn(move |waker| {
            let mut callers = callers.borrow_mut();
            while callers.len() > stay {
                std::task::ready!(callers.poll_join_next(waker));
            }
            std::task::Poll::Ready(())
        });
        let _ = tokio::time::timeout(LAST_WORDS, leave).await;
    }
}

async fn accept(
    listener: Rc<UnixListener>,
    callers: Rc<RefCell<JoinSet<()>>>,
    mailbox: Mailbox,
    mut leaving: watch::Receiver<bool>,
) {
    let gone = callers.clone();
    let one_gone = move || {
        let gone = gone.clone();
        std::future::poll_fn(move |waker| gone.borrow_mut().poll_join_next(waker))
    };
    let mut failing = false;
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                // Dropped: those who are to be refused have not left yet.
                Ok(_) if callers.borrow().len() >= MOST + REFUSING => {}
                Ok((stream, _)) => {
                    failing = false;
                    let crowded = callers.borrow().len() >= MOST;
                    let conversation = hear(stream, mailbox.clone(), leaving.clone(), crowded);
                    callers.borrow_mut().spawn_local(conversation);
                }
                Err(error) => {
                    if !std::mem::replace(&mut failing, true) {
                        tracing::error!(%error, "cannot accept on the control socket; trying until it works");
                    }
                    // Out of descriptors: wait until some are free, not in a busy loop.
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            },
            Some(_) = one_gone() => {}
            _ = leaving.changed() => return,
        }
    }
}

/// Asks the driver what a request asks.
pub(super) async fn answer(
    request: Request<Incoming>,
    mailbox: &Mailbox,
    peer: Peer,
) -> Result<Response<Body>, Failure> {
    let route = route(&request)?;
    let wish = match route {
        Route::Logs | Route::Ledger => Some(wish(&request)?),
        Route::Status
        | Route::Brief
        | Route::Events
        | Route::Metrics
        | Route::Ports
        | Route::Record
        | Route::Start
        | Route::Stop
        | Route::Restart
        | Route::Shutdown
        | Route::Reload
        | Route::Upgrade => None,
    };
    let command = command(request).await?;
    let (reply, answered) = oneshot::channel();
    mailbox.post(Message::Ask(Question {
        route,
        command,
        peer,
        reply,
    }));
    match answered.await {
        Ok(Reply::Status(status)) => Ok(json(StatusCode::OK, &status)),
        Ok(Reply::Brief(brief)) => Ok(json(StatusCode::OK, &brief)),
        Ok(Reply::Events(mut events)) => Ok(stream(move |waker, some| {
            events.poll_recv_many(waker, some, TOGETHER)
        })),
        Ok(Reply::Progress(mut events)) => Ok(stream(move |waker, some| {
            events.poll_recv_many(waker, some, TOGETHER)
        })),
        Ok(Reply::Text(text)) => Ok(response(
            StatusCode::OK,
            super::metrics::TEXT,
            Full::new(text.into()).boxed_unsync(),
        )),
        Ok(Reply::Ports(ports)) => Ok(json(StatusCode::OK, &ports)),
        Ok(Reply::Files(shelf)) => {
            let wish = wish.ok_or_else(|| usage("nothing is wished for".into()))?;
            shelf.read(route, wish).map(lines).map_err(usage)
        }
        Ok(Reply::Refused(failure)) => Err(failure),
        Err(_) => Err(Failure {
            kind: FailureKind::NoSupervisor,
            message: "the supervisor is leaving".into(),
            help: None,
        }),
    }
}

/// The command in a request's body; none is one without any wishes.
async fn command(request: Request<Incoming>) -> Result<Command, Failure> {
    let body = Limited::new(request.into_body(), MAX_REQUEST).collect();
    let body = tokio::time::timeout(BODY, body)
        .await
        .map_err(|_| {
            usage(format!(
                "the request's body did not come within {} s",
                BODY.as_secs()
            ))
        })?
        .map_err(|error| usage(format!("the request's body: {error}")))?
        .to_bytes();
    if body.is_empty() {
        return Ok(Command::default());
    }
    serde_json::from_slice(&body).map_err(|error| usage(format!("the request's body: {error}")))
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

/// What the query of a request asks for.
fn wish(request: &Request<Incoming>) -> Result<Wish, Failure> {
    Wish::parse(request.uri().query().unwrap_or_default()).map_err(usage)
}

fn usage(message: String) -> Failure {
    Failure {
        kind: FailureKind::Usage,
        message,
        help: None,
    }
}

/// A failure as an answer.
pub(super) fn refuse(failure: &Failure) -> Response<Body> {
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
    let body = Full::new(redact::json(value).into()).boxed_unsync();
    response(status, "application/json", body)
}

/// Whether an answer goes on for as long as its reader likes.
pub(super) fn is_stream(response: &Response<Body>) -> bool {
    response
        .headers()
        .get(hyper::header::CONTENT_TYPE)
        .is_some_and(|kind| kind == EVENTS)
}

/// So many events that are there go out as one, at most.
const TOGETHER: usize = 64;

fn stream<P>(mut receive: P) -> Response<Body>
where
    P: FnMut(&mut Context<'_>, &mut Vec<Event>) -> Poll<usize> + Send + Unpin + 'static,
{
    let frames = poll_fn(move |waker| {
        let mut some = Vec::new();
        let received = receive(waker, &mut some);
        received.map(|count| (count > 0).then_some(some))
    });
    let frames = frames.map(|events| {
        let lines: Vec<u8> = events.iter().flat_map(line).collect();
        Ok::<_, Infallible>(Frame::data(Bytes::from(lines)))
    });
    response(StatusCode::OK, EVENTS, StreamBody::new(frames).boxed_unsync())
}

/// Lines that are JSON already.
fn lines(mut lines: mpsc::Receiver<Bytes>) -> Response<Body> {
    let frames = poll_fn(move |waker| lines.poll_recv(waker));
    let frames = frames.map(|line| Ok::<_, Infallible>(Frame::data(line)));
    response(StatusCode::OK, EVENTS, StreamBody::new(frames).boxed_unsync())
}

fn response(status: StatusCode, kind: &'static str, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let kind = hyper::header::HeaderValue::from_static(kind);
    response.headers_mut().insert(hyper::header::CONTENT_TYPE, kind);
    response
}
