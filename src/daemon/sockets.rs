//! Listening sockets that outlive a service's runs: bound here, handed to each run (sd_listen_fds(3)).
//!
//! While the service restarts, clients wait in the socket's queue instead of being refused.

use std::collections::HashMap;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use crate::ports::{Listener, listeners};
use crate::process::{Identity, fetch_socket};
use crate::service::{ServiceName, Spec};

/// Connections that may wait while nobody accepts them (the kernel's own bound, 4096, may be lower). A
/// client beyond tries again after a second, which is what std's 128 cost all but the first of them.
const MAY_WAIT: i32 = 4096;

fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = TcpListener::bind(address)?;
    // Listening once more changes nothing else.
    rustix::net::listen(&socket, MAY_WAIT)?;
    Ok(socket)
}

/// The sockets of all services.
#[derive(Debug, Default)]
pub struct Sockets(HashMap<ServiceName, Vec<(SocketAddr, OwnedFd)>>);

impl Sockets {
    /// The service's sockets, in the order of their declaration, for one run; binds what is not bound yet.
    ///
    /// # Errors
    /// An address is taken, or no descriptor is left.
    pub fn for_run(&mut self, spec: &Spec) -> Result<Vec<OwnedFd>, String> {
        let mut bound = self.0.remove(&spec.name).unwrap_or_default();
        bound.retain(|(address, _)| spec.sockets.contains(address));
        for &address in &spec.sockets {
            if bound.iter().all(|(known, _)| *known != address) {
                let socket = bind(address).map_err(|error| format!("cannot bind {address}: {error}"))?;
                bound.push((address, socket.into()));
            }
        }
        let of = |address: &SocketAddr| bound.iter().find(|(known, _)| known == address);
        let copies = spec
            .sockets
            .iter()
            .filter_map(of)
            .map(|(_, socket)| socket.as_fd().try_clone_to_owned());
        let copies = copies
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| format!("cannot hand over: {error}"));
        if !bound.is_empty() {
            self.0.insert(spec.name.clone(), bound);
        }
        copies
    }

    /// All of them.
    pub fn all(&self) -> impl Iterator<Item = (&ServiceName, SocketAddr, BorrowedFd<'_>)> {
        self.0.iter().flat_map(|(service, bound)| {
            bound
                .iter()
                .map(move |(address, socket)| (service, *address, socket.as_fd()))
        })
    }

    /// Keeps one that listens already.
    pub fn keep(&mut self, service: &ServiceName, address: SocketAddr, socket: OwnedFd) {
        self.0.entry(service.clone()).or_default().push((address, socket));
    }

    /// Gets back the sockets that an earlier supervisor handed to these processes of the service, so that who
    /// waits in their queues is not lost. What cannot be had is bound anew when the service starts again.
    ///
    /// # Errors
    /// Why one of them could not be had; the others are.
    pub fn recover(&mut self, spec: &Spec, processes: &[Identity]) -> Result<(), String> {
        let ports: Vec<u16> = spec.sockets.iter().map(SocketAddr::port).collect();
        let listening = listeners(&ports).map_err(|error| format!("cannot see who listens: {error}"))?;
        let mut missing = Ok(());
        let not_yet = |address: &&SocketAddr| !self.holds(&spec.name, address.port());
        let missing_yet: Vec<SocketAddr> = spec.sockets.iter().filter(not_yet).copied().collect();
        for address in missing_yet {
            let same =
                |listener: &&Listener| (listener.address, listener.port) == (address.ip(), address.port());
            let found = listening.iter().find(same).and_then(|listener| {
                let mut holders = listener.holders.iter().map(|holder| holder.identity);
                let holder = holders.find(|holder| processes.contains(holder))?;
                Some((holder, listener.inode))
            });
            let Some((holder, inode)) = found else { continue };
            match fetch_socket(holder, inode) {
                Ok(socket) => self.keep(&spec.name, address, socket),
                Err(error) => missing = Err(format!("{address} from {holder}: {error}")),
            }
        }
        missing
    }

    /// Whether this service's socket on that port is bound here.
    #[must_use]
    pub fn holds(&self, service: &ServiceName, port: u16) -> bool {
        self.0
            .get(service)
            .is_some_and(|bound| bound.iter().any(|(address, _)| address.port() == port))
    }

    /// Lets go of a service's sockets: its clients are refused from now on.
    pub fn release(&mut self, service: &ServiceName) {
        self.0.remove(service);
    }
}
