//! One browser's connection, from its handshake until both sides are closed.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::BytesMut;
use tokio::net::TcpStream;
use tokio::net::tcp::OwnedReadHalf;
use tokio::time::timeout;
use tracing::info;
use ws_listener::frame::{Boundary, Sender};
use ws_listener::{Opening, Refused, Stop, drain};

use crate::Settings;
use crate::backend::Dialled;
use crate::relay::{Direction, End};

/// What a browser may send before its backend is up; more waits in the kernel.
const MAX_EARLY: usize = 16 * 1024;
/// How long the other side has to take our Close and close too.
const CLOSE_DEADLINE: Duration = Duration::from_secs(2);

/// RFC 6455 §7.4.1, and the registry it founded for 1012 and 1013.
const NORMAL: u16 = 1000;
const GOING_AWAY: u16 = 1001;
const SERVICE_RESTART: u16 = 1012;
const TRY_AGAIN_LATER: u16 = 1013;

const STOPPING: &str = "browser-proxy is stopping";

/// How a session ended, for the log.
#[derive(Debug)]
pub(crate) enum Ended {
    BrowserLeft,
    BackendLeft,
    BackendAbsent(io::Error),
    Stopped,
}

impl Ended {
    /// The code and reason for the browser, unless the backend's own have passed.
    fn for_browser(&self) -> (u16, &'static str) {
        match self {
            Self::BrowserLeft => (NORMAL, ""),
            Self::BackendLeft | Self::BackendAbsent(_) => {
                (SERVICE_RESTART, "the backend went away: connect again")
            }
            Self::Stopped => (GOING_AWAY, STOPPING),
        }
    }

    /// The reason for the backend, unless the browser's own has passed.
    fn for_backend(&self) -> &'static str {
        match self {
            Self::BrowserLeft => "the browser went away",
            Self::BackendLeft | Self::BackendAbsent(_) => "",
            Self::Stopped => STOPPING,
        }
    }
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BrowserLeft => write!(f, "disconnected"),
            Self::BackendLeft => write!(f, "closed, since the backend closed"),
            Self::BackendAbsent(error) => write!(f, "closed, since the backend is not up: {error}"),
            Self::Stopped => write!(f, "closed, since the proxy is stopping"),
        }
    }
}

/// The browser's side.
struct Session {
    browser: OwnedReadHalf,
    to_browser: Direction,
}

/// Serves one visitor to the end, and logs who came, who left and why.
pub(crate) async fn run(mut stream: TcpStream, peer: SocketAddr, settings: &Settings, mut stop: Stop) {
    let opening = match settings.door.accept(&mut stream, &mut stop).await {
        Ok(opening) => opening,
        Err(Refused::Answered { status, reason }) => {
            return info!("browser {peer}: refused with {status}: {reason}");
        }
        // Port checks come and go without a word.
        Err(Refused::Left) => return,
    };
    info!("browser {peer}: connected");
    let (browser, write) = stream.into_split();
    let session = Session {
        browser,
        to_browser: Direction::new(write, Sender::Server),
    };
    let ended = session.run(opening, settings, stop).await;
    info!("browser {peer}: {ended}");
}

impl Session {
    async fn run(self, opening: Opening, settings: &Settings, mut stop: Stop) -> Ended {
        let mut early = opening.rest;
        let dialled = tokio::select! {
            dialled = settings.backend.dial(&opening.path, settings.patience) => dialled,
            () = self.collect(&mut early) => return self.close(NORMAL, "", Ended::BrowserLeft).await,
            () = stop.requested() => return self.close(GOING_AWAY, STOPPING, Ended::Stopped).await,
        };
        match dialled {
            Ok(dialled) => self.relay(dialled, early, stop).await,
            Err(error) => {
                let reason = format!("the backend {} is not up: try again", settings.backend);
                self.close(TRY_AGAIN_LATER, &reason, Ended::BackendAbsent(error))
                    .await
            }
        }
    }

    /// Keeps what the browser says before there is a backend. Returns when the browser leaves.
    async fn collect(&self, early: &mut BytesMut) {
        let mut boundary = Boundary::default();
        boundary.advance(early);
        while early.len() < MAX_EARLY && !boundary.close_passed() {
            if self.browser.readable().await.is_err() {
                return;
            }
            let before = early.len();
            match self.browser.try_read_buf(early) {
                Ok(0) => return,
                Ok(_) => boundary.advance(&early[before..]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) => return,
            }
        }
        if !boundary.close_passed() {
            std::future::pending::<()>().await;
        }
    }

    async fn relay(mut self, dialled: Dialled, early: BytesMut, mut stop: Stop) -> Ended {
        let (mut backend, write) = dialled.stream.into_split();
        let mut to_backend = Direction::new(write, Sender::Client);
        to_backend.push(early);
        self.to_browser.push(dialled.rest);
        let ended = tokio::select! {
            end = self.to_browser.pump(&backend) => who_left(end, Ended::BackendLeft, Ended::BrowserLeft),
            end = to_backend.pump(&self.browser) => who_left(end, Ended::BrowserLeft, Ended::BackendLeft),
            () = stop.requested() => Ended::Stopped,
        };
        // A backend that ends after the browser's Close only answers it.
        let ended = if to_backend.close_passed() {
            Ended::BrowserLeft
        } else {
            ended
        };
        let (code, reason) = ended.for_browser();
        let for_backend = ended.for_backend();
        let backend_side = timeout(CLOSE_DEADLINE, async {
            to_backend.finish(GOING_AWAY, for_backend).await?;
            drain(&mut backend).await
        });
        let (_, ended) = tokio::join!(backend_side, self.close(code, reason, ended));
        ended
    }

    /// Ends the browser's side with a Close frame, unless the backend's has passed, and waits
    /// until the browser has closed too.
    async fn close(mut self, code: u16, reason: &str, ended: Ended) -> Ended {
        let browser_side = async {
            self.to_browser.finish(code, reason).await?;
            drain(&mut self.browser).await
        };
        // A browser that does not answer, or is gone already, has nothing to wait for.
        let _ = timeout(CLOSE_DEADLINE, browser_side).await;
        ended
    }
}

fn who_left(end: End, source: Ended, receiver: Ended) -> Ended {
    match end {
        End::SourceGone => source,
        End::ReceiverGone => receiver,
    }
}
