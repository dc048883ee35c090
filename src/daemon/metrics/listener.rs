//! `[metrics] listen`: GET /metrics over TCP, and nothing else.

use std::convert::Infallible;
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::CONTENT_TYPE;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::sync::oneshot;
use tokio::task::{AbortHandle, JoinSet, spawn_local};

use super::exposition::TEXT;
use crate::api::{Command, Route};
use crate::daemon::driver::Driver;
use crate::daemon::ledger::Peer;
use crate::daemon::mailbox::{Mailbox, Message, Question, Reply};

/// A scraper that has not asked by then is sent away.
const PATIENCE: Duration = Duration::from_secs(10);
/// More scrapers than this wait for the others.
const AT_ONCE: usize = 16;

/// The listener of this supervisor.
#[derive(Debug)]
pub struct Exposition {
    address: SocketAddr,
    accepting: AbortHandle,
}

impl Drop for Exposition {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Driver {
    /// Listens where services.toml says, now. An address that is taken is told, and no reason to stop.
    pub(in crate::daemon) fn revise_metrics(&mut self) {
        let wanted = self.config.metrics.listen;
        if self.exposition.as_ref().map(|exposition| exposition.address) == wanted {
            return;
        }
        self.exposition = None;
        let Some(address) = wanted else { return };
        match begin(address, self.mailbox.clone()) {
            Ok(accepting) => self.exposition = Some(Exposition { address, accepting }),
            Err(error) => {
                tracing::error!(%address, %error, "cannot listen for metrics; `sentinel reload` tries again");
            }
        }
    }

    /// No more answers.
    pub(in crate::daemon) fn close_metrics(&mut self) {
        self.exposition = None;
    }
}

fn begin(address: SocketAddr, mailbox: Mailbox) -> std::io::Result<AbortHandle> {
    let listener = TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    let listener = tokio::net::TcpListener::from_std(listener)?;
    Ok(spawn_local(accept(listener, mailbox)).abort_handle())
}

async fn accept(listener: tokio::net::TcpListener, mailbox: Mailbox) {
    let mut scrapers = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept(), if scrapers.len() < AT_ONCE => match accepted {
                Ok((stream, _)) => drop(scrapers.spawn_local(converse(stream, mailbox.clone()))),
                // Out of descriptors: wait until some are free, not in a busy loop.
                Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
            },
            Some(_) = scrapers.join_next() => {}
        }
    }
}

async fn converse(stream: tokio::net::TcpStream, mailbox: Mailbox) {
    let service = service_fn(|request| {
        let mailbox = mailbox.clone();
        async move { Ok::<_, Infallible>(answer(&request, &mailbox).await) }
    });
    let mut server = http1::Builder::new();
    server
        .timer(TokioTimer::new())
        .header_read_timeout(PATIENCE)
        .keep_alive(false);
    // A scraper who leaves early is no error.
    let _ = server.serve_connection(TokioIo::new(stream), service).await;
}

async fn answer(request: &Request<Incoming>, mailbox: &Mailbox) -> Response<Full<Bytes>> {
    if request.uri().path() != Route::Metrics.path() || request.method() != Method::GET {
        return response(StatusCode::NOT_FOUND, "there is only GET /metrics\n".into());
    }
    let (reply, answered) = oneshot::channel();
    mailbox.post(Message::Ask(Question {
        route: Route::Metrics,
        command: Command::default(),
        peer: Peer {
            uid: u32::MAX,
            pid: 0,
        },
        reply,
    }));
    match answered.await {
        Ok(Reply::Text(text)) => response(StatusCode::OK, text),
        Ok(_) | Err(_) => response(
            StatusCode::SERVICE_UNAVAILABLE,
            "the supervisor is leaving\n".into(),
        ),
    }
}

fn response(status: StatusCode, text: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(text.into()));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, hyper::header::HeaderValue::from_static(TEXT));
    response
}
