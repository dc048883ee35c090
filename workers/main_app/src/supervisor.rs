//! The supervisor as the web app knows it: HTTP over its Unix socket, asked anew each time.

use std::io;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::net::UnixStream;
use tokio::time::timeout;

use crate::status::{Status, Web};

/// A supervisor that has not begun its answer by then hangs.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// Where the supervisor listens. Whether there is one is known only by asking.
#[derive(Clone, Debug)]
pub struct Supervisor {
    socket: PathBuf,
    known: Arc<Mutex<Known>>,
}

/// What it said last, for the time when it does not answer.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// What pages may do.
    pub web: Web,
    /// Its services.toml, absolute.
    pub config: Option<PathBuf>,
}

/// Why there is no answer.
#[derive(Debug)]
pub enum NoAnswer {
    /// Nobody listens on the socket.
    Absent,
    /// Somebody does, and does not answer.
    Unresponsive,
    /// It said no, with this status and this JSON body.
    Refused(StatusCode, Bytes),
    /// It ended in the middle of its answer.
    Ended,
    /// The way to the socket is barred.
    Io(io::Error),
}

impl NoAnswer {
    /// The HTTP status that browsers get.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Absent => StatusCode::SERVICE_UNAVAILABLE,
            Self::Unresponsive => StatusCode::GATEWAY_TIMEOUT,
            Self::Refused(status, _) => *status,
            Self::Ended | Self::Io(_) => StatusCode::BAD_GATEWAY,
        }
    }

    /// What is wrong, in a sentence.
    #[must_use]
    pub fn message(&self) -> String {
        match self {
            Self::Absent => "There is no supervisor.".into(),
            Self::Unresponsive => format!(
                "The supervisor does not answer within {} s.",
                ANSWER_WITHIN.as_secs()
            ),
            Self::Refused(status, body) => serde_json::from_slice::<serde_json::Value>(body)
                .ok()
                .and_then(|failure| failure["message"].as_str().map(str::to_owned))
                .unwrap_or_else(|| format!("The supervisor refused: {status}.")),
            Self::Ended => "The supervisor ended before it answered.".into(),
            Self::Io(error) => format!("The supervisor's socket cannot be opened: {error}."),
        }
    }

    /// The way out.
    #[must_use]
    pub fn help(&self) -> &'static str {
        match self {
            Self::Absent => "On the host: sentinel start",
            Self::Unresponsive => "On the host: sentinel restart emergency",
            Self::Ended | Self::Refused(..) => "On the host: sentinel status",
            Self::Io(_) => "Run main-app as the user who runs the supervisor.",
        }
    }

    /// The same as a JSON body; a refusal passes as the supervisor wrote it.
    #[must_use]
    pub fn to_json(&self) -> Bytes {
        if let Self::Refused(_, body) = self {
            return body.clone();
        }
        json!({"message": self.message(), "help": self.help()})
            .to_string()
            .into()
    }
}

impl Supervisor {
    /// The supervisor that listens on this socket, whose path may be longer than a socket's address.
    #[must_use]
    pub fn on(socket: impl Into<PathBuf>) -> Self {
        Self {
            socket: socket.into(),
            known: Arc::default(),
        }
    }

    /// Remembers what a status said.
    pub fn learn(&self, status: &Status) {
        let config = PathBuf::from(&status.supervisor.config);
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.web = status.web.unwrap_or_default();
        if config.is_absolute() {
            known.config = Some(config);
        }
    }

    /// What it said last.
    #[must_use]
    pub fn known(&self) -> Known {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Its status, as it wrote it.
    ///
    /// # Errors
    /// [`NoAnswer`].
    pub async fn status(&self) -> Result<Bytes, NoAnswer> {
        self.read("/v1/status").await
    }

    /// What it answers to a GET, whole.
    ///
    /// # Errors
    /// [`NoAnswer`].
    pub async fn read(&self, path: &str) -> Result<Bytes, NoAnswer> {
        let answer = async {
            let response = self.send(Method::GET, path, Bytes::new()).await?;
            let body = response.into_body().collect().await;
            Ok(body.map_err(|_| NoAnswer::Ended)?.to_bytes())
        };
        timeout(ANSWER_WITHIN, answer)
            .await
            .unwrap_or(Err(NoAnswer::Unresponsive))
    }

    /// What changes from now on: lines of JSON that end with the supervisor.
    ///
    /// # Errors
    /// [`NoAnswer`]; `Refused` by a supervisor that has no such stream.
    pub async fn events(&self) -> Result<Incoming, NoAnswer> {
        self.lines("/v1/events").await
    }

    /// What it answers to a GET, as it comes.
    ///
    /// # Errors
    /// [`NoAnswer`].
    pub async fn lines(&self, path: &str) -> Result<Incoming, NoAnswer> {
        self.begin(Method::GET, path, Bytes::new()).await
    }

    /// Asks for a change of these services (`restart`, `start`, `stop`); the answer is its progress.
    ///
    /// # Errors
    /// [`NoAnswer`].
    pub async fn ask(&self, verb: &str, services: &[String]) -> Result<Incoming, NoAnswer> {
        let body = json!({"services": services}).to_string();
        self.begin(Method::POST, &format!("/v1/{verb}"), body.into())
            .await
    }

    async fn begin(&self, method: Method, path: &str, body: Bytes) -> Result<Incoming, NoAnswer> {
        match timeout(ANSWER_WITHIN, self.send(method, path, body)).await {
            Ok(response) => Ok(response?.into_body()),
            Err(_) => Err(NoAnswer::Unresponsive),
        }
    }

    async fn send(&self, method: Method, path: &str, body: Bytes) -> Result<Response<Incoming>, NoAnswer> {
        let stream = connect(&self.socket).await.map_err(no_connection)?;
        let handshake = http1::handshake(TokioIo::new(stream)).await;
        let (mut sender, connection) = handshake.map_err(|_| NoAnswer::Ended)?;
        // Ends with the socket; what goes wrong on it reaches the request as an error.
        tokio::spawn(connection);
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", "sentinel")
            .header("content-type", "application/json")
            .body(Full::new(body))
            .map_err(|error| NoAnswer::Io(io::Error::other(error)))?;
        let response = sender.send_request(request).await;
        let response = response.map_err(|_| NoAnswer::Ended)?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let body = response.into_body().collect().await;
        Err(NoAnswer::Refused(
            status,
            body.map_err(|_| NoAnswer::Ended)?.to_bytes(),
        ))
    }
}

async fn connect(socket: &Path) -> io::Result<UnixStream> {
    let name = socket.file_name().ok_or(io::ErrorKind::InvalidInput)?;
    let folder = match socket.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        Some(_) | None => Path::new("."),
    };
    // A socket's address has 108 bytes, a path may have more: go through the folder's descriptor.
    let folder = std::fs::File::open(folder)?;
    let short = Path::new("/proc/self/fd")
        .join(folder.as_raw_fd().to_string())
        .join(name);
    UnixStream::connect(short).await
}

fn no_connection(error: io::Error) -> NoAnswer {
    match error.kind() {
        // No socket, or a stale one.
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused | io::ErrorKind::NotADirectory => {
            NoAnswer::Absent
        }
        // A full backlog: nobody has accepted for a while.
        io::ErrorKind::WouldBlock => NoAnswer::Unresponsive,
        _ => NoAnswer::Io(error),
    }
}
