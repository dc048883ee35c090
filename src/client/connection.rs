//! The control socket, from the outside: HTTP/1.1 over a Unix socket of any path length.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use rustix::fs::{Mode, OFlags};
use tokio::net::UnixStream;

use crate::api::{Command, Fact, Failure, Route, Status};
use crate::lock::{Held, Lock};
use crate::paths::Paths;

use super::error::Error;
use super::events::Events;
use super::patience::Patience;

/// Why there is no answer.
#[derive(Debug)]
pub enum NoAnswer {
    /// There is no supervisor.
    Absent,
    /// There is one, with this pid, and it does not answer.
    Unresponsive(Option<i32>),
    /// There is none that answers while this operation is under way; the supervisor's pid, if it has one.
    Busy(Held, Option<i32>),
    /// It said no.
    Refused(Failure),
    /// It ended in the middle of its answer.
    Ended,
    /// Only this user and root may ask.
    Barred(String),
    /// The socket is there, and it cannot be spoken to.
    Io(io::Error),
}

impl From<NoAnswer> for Error {
    fn from(answer: NoAnswer) -> Self {
        match answer {
            NoAnswer::Absent => Error::no_supervisor(),
            NoAnswer::Unresponsive(pid) => Error::unresponsive(pid),
            NoAnswer::Busy(held, _) => Error::busy(&held),
            NoAnswer::Refused(failure) => failure.into(),
            NoAnswer::Ended => {
                Error::failed("the supervisor ended before it answered").help("sentinel status")
            }
            NoAnswer::Barred(owner) => {
                Error::failed(format!("only {owner} and root may command this supervisor"))
                    .help(format!("sudo -u {owner} sentinel …"))
            }
            NoAnswer::Io(error) => Error::failed("cannot speak to the supervisor")
                .because(&error)
                .help("run this as the user who started the supervisor"),
        }
    }
}

/// A connection for one request.
#[derive(Debug)]
pub struct Connection {
    sender: http1::SendRequest<Full<Bytes>>,
    supervisor: Option<i32>,
    patience: Patience,
}

impl Connection {
    /// Connects to the supervisor of this house.
    ///
    /// # Errors
    /// [`NoAnswer`], never `Refused`.
    pub async fn open(paths: &Paths) -> Result<Self, NoAnswer> {
        Self::open_within(paths, Duration::MAX).await
    }

    /// The same for those who wait no longer than this.
    ///
    /// # Errors
    /// [`NoAnswer`], never `Refused`.
    pub async fn open_within(paths: &Paths, limit: Duration) -> Result<Self, NoAnswer> {
        let supervisor = Lock::holder(&paths.supervisor_lock()).and_then(|held| held.pid);
        let patience = Patience::with(supervisor, limit);
        let stream = match patience.wait(connect(paths)).await {
            Some(Ok(stream)) => stream,
            Some(Err(error)) => return Err(no_connection(error, supervisor, paths)),
            None => return Err(NoAnswer::Unresponsive(supervisor)),
        };
        let (sender, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|_| NoAnswer::Ended)?;
        // Ends with the socket; what goes wrong on it reaches the request as an error.
        tokio::spawn(connection);
        Ok(Self {
            sender,
            supervisor,
            patience,
        })
    }

    /// What the supervisor knows about its services.
    ///
    /// # Errors
    /// When it does not answer in time, or not with a status.
    pub async fn status(self) -> Result<Status, NoAnswer> {
        let unresponsive = NoAnswer::Unresponsive(self.supervisor);
        let answer = self.patience.wait(async {
            let response = self.send(Route::Status, Bytes::new()).await?;
            read_json::<Status>(response).await
        });
        answer.await.unwrap_or(Err(unresponsive))
    }

    /// Asks for a change; the answer is its progress.
    ///
    /// # Errors
    /// When it is refused or not answered.
    pub async fn ask(self, route: Route, services: &[String]) -> Result<Events, NoAnswer> {
        let command = Command {
            services: services.to_vec(),
            ..Command::default()
        };
        self.send_command(route, &command).await
    }

    /// The same with all that a command may say.
    ///
    /// # Errors
    /// When it is refused or not answered.
    pub async fn send_command(self, route: Route, command: &Command) -> Result<Events, NoAnswer> {
        let body = serde_json::to_vec(command).map_err(|error| NoAnswer::Io(error.into()))?;
        let unresponsive = NoAnswer::Unresponsive(self.supervisor);
        match self.patience.wait(self.send(route, body.into())).await {
            Some(response) => Ok(Events::from_response(response?.into_body())),
            None => Err(unresponsive),
        }
    }

    /// What Prometheus would be told.
    ///
    /// # Errors
    /// As [`Connection::status`].
    pub async fn metrics(self) -> Result<String, NoAnswer> {
        let unresponsive = NoAnswer::Unresponsive(self.supervisor);
        let answer = self.patience.wait(async {
            let response = self.send(Route::Metrics, Bytes::new()).await?;
            let body = response.into_body().collect().await;
            let bytes = body.map_err(|_| NoAnswer::Ended)?.to_bytes();
            Ok(String::from_utf8_lossy(&bytes).into_owned())
        });
        answer.await.unwrap_or(Err(unresponsive))
    }

    /// Tells what was done beside the supervisor, for its ledger.
    ///
    /// # Errors
    /// As [`Connection::status`].
    pub async fn record(self, facts: Vec<Fact>) -> Result<(), NoAnswer> {
        let body = serde_json::to_vec(&Command {
            facts,
            ..Command::default()
        })
        .map_err(|error| NoAnswer::Io(error.into()))?;
        let unresponsive = NoAnswer::Unresponsive(self.supervisor);
        let answer = self.patience.wait(self.send(Route::Record, body.into()));
        answer.await.unwrap_or(Err(unresponsive)).map(drop)
    }

    async fn send(mut self, route: Route, body: Bytes) -> Result<Response<Incoming>, NoAnswer> {
        let request = Request::builder()
            .method(route.method())
            .uri(route.path())
            .header("host", "sentinel")
            .header("content-type", "application/json")
            .body(Full::new(body))
            .map_err(|error| NoAnswer::Io(io::Error::other(error)))?;
        let response = self.sender.send_request(request).await;
        let response = response.map_err(|_| NoAnswer::Ended)?;
        if response.status().is_success() {
            return Ok(response);
        }
        Err(NoAnswer::Refused(read_json::<Failure>(response).await?))
    }
}

async fn connect(paths: &Paths) -> io::Result<UnixStream> {
    let socket = socket(paths)?;
    // A socket's address has 108 bytes, a path may have more: go through the descriptor.
    UnixStream::connect(Path::new("/proc/self/fd").join(socket.as_raw_fd().to_string())).await
}

/// The control socket itself.
///
/// # Errors
/// There is none, or it cannot be reached.
pub fn socket(paths: &Paths) -> io::Result<OwnedFd> {
    let open = |path: &Path, flags| rustix::fs::open(path, flags | OFlags::CLOEXEC, Mode::empty());
    // Neither the folder nor the socket may be a link to somebody else's.
    let folder = open(
        &paths.state_dir,
        OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW,
    )?;
    let socket = paths.socket();
    let name = socket.file_name().ok_or(io::ErrorKind::InvalidInput)?;
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(rustix::fs::openat(&folder, name, flags, Mode::empty())?)
}

fn no_connection(error: io::Error, supervisor: Option<i32>, paths: &Paths) -> NoAnswer {
    match error.kind() {
        // A full backlog: nobody has accepted for a while.
        io::ErrorKind::WouldBlock => NoAnswer::Unresponsive(supervisor),
        // No socket, or a stale one: nobody is there, or somebody is on the way.
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused | io::ErrorKind::NotADirectory => {
            match (under_way(paths), supervisor) {
                (Some(held), _) => NoAnswer::Busy(held, supervisor),
                (None, Some(pid)) => NoAnswer::Unresponsive(Some(pid)),
                (None, None) => NoAnswer::Absent,
            }
        }
        io::ErrorKind::PermissionDenied => NoAnswer::Barred(owner(paths)),
        // It died with us in its backlog.
        io::ErrorKind::ConnectionReset => NoAnswer::Ended,
        _ => NoAnswer::Io(error),
    }
}

/// Whose house it is.
fn owner(paths: &Paths) -> String {
    let owner = std::fs::symlink_metadata(&paths.state_dir).map(|folder| folder.uid());
    let user = owner
        .as_ref()
        .ok()
        .and_then(|uid| nix::unistd::User::from_uid((*uid).into()).ok().flatten());
    match (user, owner) {
        (Some(user), _) => user.name,
        (None, Ok(uid)) => format!("#{uid}"),
        (None, Err(_)) => "root".into(),
    }
}

/// Somebody else's operation.
fn under_way(paths: &Paths) -> Option<Held> {
    let me = Some(std::process::id().cast_signed());
    Lock::holder(&paths.operation_lock()).filter(|held| held.pid != me)
}

async fn read_json<T: serde::de::DeserializeOwned>(response: Response<Incoming>) -> Result<T, NoAnswer> {
    let status = response.status();
    let body = response.into_body().collect().await;
    let bytes = body.map_err(|_| NoAnswer::Ended)?.to_bytes();
    serde_json::from_slice(&bytes).map_err(|error| {
        NoAnswer::Io(io::Error::other(format!(
            "an answer ({status}) that is not understood: {error}"
        )))
    })
}

#[cfg(test)]
mod tests;
