//! Listening, and one task per visitor until the worker is told to stop.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use std::os::fd::AsRawFd;

use nix::sys::socket::{Backlog, Shutdown, listen, setsockopt, shutdown, sockopt};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tracing::warn;

use crate::handshake::answer;
use crate::places::Taken;
use crate::{Places, Stop, inherited};

/// A pause after `accept` failed for want of descriptors or memory, so that it is not retried hot.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// How long clients have to end after `Stop`.
const STOP_DEADLINE: Duration = Duration::from_secs(3);

/// Bytes the kernel may take on a client's behalf (it doubles the figure for its own use). Left to
/// itself it takes megabytes, and a client is far behind before anyone can notice.
const SEND_BUFFER: usize = 128 * 1024;

/// Listens on `host:port`; port 0 takes a free one. A socket for that port that was inherited by
/// `LISTEN_FDS` is used in place of a new one, whatever the host. The error names the address.
pub async fn bind(host: &str, port: u16) -> io::Result<TcpListener> {
    let in_words =
        |error: io::Error| io::Error::new(error.kind(), format!("cannot listen on {host}:{port}: {error}"));
    let listener = match inherited::listener(port).map_err(in_words)? {
        Some(inherited) => TcpListener::from_std(inherited)?,
        None => TcpListener::bind((host, port)).await.map_err(in_words)?,
    };
    // Many come at once when a worker is back: with a short queue all but the first would come a
    // second later. Listening once more changes nothing else.
    listen(&listener, Backlog::MAXALLOWABLE).map_err(io::Error::from)?;
    // Accepted sockets inherit it.
    setsockopt(&listener, sockopt::SndBuf, &SEND_BUFFER).map_err(io::Error::from)?;
    Ok(listener)
}

/// Runs `client` for every visitor until `stop`, while there are places for them; then waits for
/// those still there, which see the same `Stop`.
pub async fn serve<F>(
    listener: TcpListener,
    places: impl Into<Places>,
    mut stop: Stop,
    client: impl Fn(TcpStream, SocketAddr) -> F,
) where
    F: Future<Output = ()> + Send + 'static,
{
    let mut clients = JoinSet::new();
    let taken = Taken::new(places.into());
    // False after a failure that has been logged, so that a long shortage is logged once.
    let mut accepting = true;
    loop {
        tokio::select! {
            () = stop.requested() => break,
            Some(ended) = clients.join_next() => {
                if let Err(failure) = ended {
                    warn!("a client's task failed: {failure}");
                }
            }
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => {
                    accepting = true;
                    match taken.take(peer.ip(), clients.len()) {
                        Ok(place) => {
                            // Trades are small and must not wait for more to fill a packet.
                            let _ = stream.set_nodelay(true);
                            let client = client(stream, peer);
                            clients.spawn(async move {
                                client.await;
                                drop(place);
                            });
                        }
                        Err(reason) => { clients.spawn(turn_away(stream, reason)); }
                    }
                }
                Err(error) => {
                    if accepting {
                        warn!("cannot accept connections: {error}");
                    }
                    accepting = false;
                    sleep(ACCEPT_PAUSE).await;
                }
            },
        }
    }
    drop(listener);
    let all_ended = async { while clients.join_next().await.is_some() {} };
    if timeout(STOP_DEADLINE, all_ended).await.is_err() {
        warn!("clients did not end within {STOP_DEADLINE:?}; their connections are cut");
    }
}

async fn turn_away(mut stream: TcpStream, reason: String) {
    answer(&mut stream, "503 Service Unavailable", &reason).await;
}

/// Ends our side of a connection; the peer's may go on. For a socket that others write to, too.
pub fn end_writing(stream: &TcpStream) {
    // A connection that is gone has ended.
    let _ = shutdown(stream.as_raw_fd(), Shutdown::Write);
}

/// Reads and discards until the peer closes. A socket dropped with unread bytes is reset, and the
/// reset can overtake what was last written to it, so an ending reads first.
pub async fn drain(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<()> {
    let mut discarded = [0; 512];
    while stream.read(&mut discarded).await? > 0 {}
    Ok(())
}
