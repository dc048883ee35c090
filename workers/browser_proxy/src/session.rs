//! One browser's session, from its handshake until it is closed, whatever its backends do.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use bytes::BytesMut;
use tokio::net::TcpStream;
use tracing::info;
use ws_listener::{Refused, Stop, answer_metrics};

use crate::Settings;
use crate::backend::Visitor;
use crate::browser::Browser;
use crate::counts::Counted;
use crate::link::{Close, Left, Link};

/// RFC 6455 §7.4.1, and the registry it founded for 1012 and 1013.
const NORMAL: u16 = 1000;
const GOING_AWAY: u16 = 1001;
const SERVICE_RESTART: u16 = 1012;
const POLICY: u16 = 1008;
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

struct Session {
    settings: Arc<Settings>,
    visitor: Visitor,
    peer: SocketAddr,
    stop: Stop,
}

/// Serves one visitor to the end, and logs who came, who left and why.
pub(crate) async fn run(stream: TcpStream, peer: SocketAddr, settings: Arc<Settings>, stop: Stop) {
    // What is done once or seldom is boxed, here and below, so that a session's long life does not
    // keep its room; what lives long is, so that it is there only once.
    let welcomed = Box::pin(welcome(stream, peer, settings, stop)).await;
    let Some((session, browser, counted)) = welcomed else {
        return;
    };
    let ended = session.run(browser).await;
    if counted.is_some() {
        info!("browser {peer}: {ended}");
    }
}

type Welcomed = (Box<Session>, Box<Browser>, Option<Counted>);

/// The visitor's handshake; `None` for one that does not become a browser.
async fn welcome(
    mut stream: TcpStream,
    peer: SocketAddr,
    settings: Arc<Settings>,
    mut stop: Stop,
) -> Option<Welcomed> {
    let accepted = settings.door.accept(&mut stream, &mut stop).await;
    let opening = match accepted {
        Ok(opening) => opening,
        Err(Refused::Answered { status, reason }) => {
            settings.counts.refused();
            info!("browser {peer}: refused with {status}: {reason}");
            return None;
        }
        Err(Refused::Metrics) => {
            answer_metrics(stream, settings.counts.metrics().text()).await;
            return None;
        }
        // Port checks come and go without a word.
        Err(Refused::Left) => return None,
    };
    let is_probe = opening.is_probe();
    // Probes come and go without a word.
    let counted = (!is_probe).then(|| {
        info!("browser {peer}: connected");
        settings.counts.connected()
    });
    let session = Box::new(Session {
        settings,
        visitor: Visitor::new(opening.path, &opening.headers, is_probe),
        peer,
        stop,
    });
    // A copy, since the original holds the whole request.
    let rest = BytesMut::from(&opening.rest[..]);
    drop((opening.rest, opening.headers));
    let browser = Box::new(Browser::new(stream, rest, session.is_stream()));
    Some((session, browser, counted))
}

impl Session {
    async fn run(mut self: Box<Self>, mut browser: Box<Browser>) -> Ended {
        let mut lost_at = None;
        loop {
            let dialled = Box::pin(self.dial(&mut browser, lost_at)).await;
            let mut link = match dialled {
                Ok(link) => link,
                Err(ended) => {
                    Box::pin(browser.end(Some(self.goodbye(&ended)))).await;
                    return ended;
                }
            };
            let left = tokio::select! {
                left = link.relay(&mut browser, &self.settings.counts) => left,
                () = self.stop.requested() => Left::Stopped,
            };
            if browser.is_closing() || link.is_within_long() || !self.may_resume(&left) {
                return Box::pin(self.part(browser, link, left)).await;
            }
            info!("browser {}: kept while the backend is away", self.peer);
            lost_at = Some(Instant::now());
            self.settings.counts.kept(browser.lose_backend());
            // Answered beside, so that a backend that is slow to end does not delay the next one.
            tokio::spawn(link.end(answer(left)));
        }
    }

    /// Whether the stream's own protocol is spoken.
    fn is_stream(&self) -> bool {
        let path = &self.visitor.path;
        path == "/" || path.starts_with("/?")
    }

    /// The stream's messages can be taken up elsewhere, and only when the backend left for reasons
    /// of its own: what else it says in a Close is meant for the browser.
    fn may_resume(&self, left: &Left) -> bool {
        self.is_stream()
            && match left {
                Left::Backend(None) => true,
                Left::Backend(Some(close)) => matches!(close.code, GOING_AWAY | SERVICE_RESTART),
                Left::Browser | Left::Stopped => false,
            }
    }

    /// Connects to the backend; `lost_at`: since when the browser is without one.
    async fn dial(&mut self, browser: &mut Browser, lost_at: Option<Instant>) -> Result<Box<Link>, Ended> {
        let Settings {
            backend,
            patience,
            counts,
            ..
        } = &*self.settings;
        let began = Instant::now();
        let dialled = tokio::select! {
            dialled = backend.dial(&self.visitor, *patience) => dialled.map_err(|error| {
                counts.gave_up();
                Ended::BackendAbsent(error)
            })?,
            () = browser.wait() => return Err(Ended::BrowserLeft),
            () = self.stop.requested() => return Err(Ended::Stopped),
        };
        counts.dialled(began.elapsed(), lost_at.map(|at| at.elapsed()));
        Ok(Box::new(Link::new(dialled, &browser.take_waiting())))
    }

    /// What the browser is told unless the backend has said it.
    fn goodbye(&self, ended: &Ended) -> Close {
        match ended {
            Ended::BrowserLeft => Close::new(NORMAL, ""),
            Ended::BackendLeft => Close::new(SERVICE_RESTART, "the backend went away: connect again"),
            Ended::BackendAbsent(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                Close::new(POLICY, format!("the backend refuses this connection: {error}"))
            }
            Ended::BackendAbsent(_) => {
                let backend = &self.settings.backend;
                Close::new(
                    TRY_AGAIN_LATER,
                    format!("the backend {backend} is not up: try again"),
                )
            }
            Ended::Stopped => Close::new(GOING_AWAY, STOPPING),
        }
    }

    /// Ends both sides. Neither is told anything in the middle of a frame.
    async fn part(&self, browser: Box<Browser>, link: Box<Link>, left: Left) -> Ended {
        let ended = match &left {
            Left::Stopped => Ended::Stopped,
            Left::Backend(_) if !browser.is_closing() => Ended::BackendLeft,
            // A backend that ends after the browser's Close only answers it.
            Left::Browser | Left::Backend(_) => Ended::BrowserLeft,
        };
        let for_browser = match &left {
            Left::Backend(Some(close)) => close.clone(),
            Left::Backend(None) | Left::Browser | Left::Stopped => self.goodbye(&ended),
        };
        let for_browser = (!link.is_within_long()).then_some(for_browser);
        let has_spoken = browser.is_closing() || browser.inlet.is_within_long();
        let for_backend = answer(left).filter(|_| !has_spoken);
        tokio::join!(link.end(for_backend), browser.end(for_browser));
        ended
    }
}

/// What the backend is told.
fn answer(left: Left) -> Option<Close> {
    match left {
        Left::Backend(close) => close,
        Left::Browser => Some(Close::new(GOING_AWAY, "the browser went away")),
        Left::Stopped => Some(Close::new(GOING_AWAY, STOPPING)),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use tokio::net::{TcpListener, TcpStream};
    use ws_listener::{Door, Origins, Places, Stop, Tokens};

    use super::{Browser, Link, Session, run};
    use crate::{Counts, Settings};

    #[tokio::test]
    async fn an_idle_browser_is_small() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let peer = listener.local_addr().expect("bound");
        let stream = TcpStream::connect(peer).await.expect("connected");
        let settings = Settings {
            backend: "ws://127.0.0.1:1".parse().expect("an address"),
            door: Door {
                service: "test",
                origins: Origins::default(),
                tokens: Tokens::default(),
                self_authenticating: &[],
            },
            patience: Duration::ZERO,
            places: Places::from(1),
            counts: Counts::default(),
        };
        let (_trigger, stop) = Stop::new();
        let life = run(stream, peer, Arc::new(settings), stop);
        let parts = size_of::<Session>() + size_of::<Browser>() + size_of::<Link>();
        let size = std::mem::size_of_val(&life) + parts;
        assert!(size <= 1800, "ten thousand of these would cost {size} bytes each");
    }
}
