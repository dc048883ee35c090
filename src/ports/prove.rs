//! The proof that a port is free: bind it, as a server would.

use super::listen::is_listening;
use super::net_tcp::leftovers;
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, socket_with, sockopt};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

/// Binds the port on all addresses, IPv4 and (where the kernel has it) IPv6, and lets go again.
///
/// SO_REUSEADDR is set, as servers do, so connections of the last server that are still in TIME_WAIT
/// are no obstacle, unless it had not set the option itself: then nobody can bind for up to 60 s. It
/// never listens, so no client can reach it. Do not call it while a service may be binding the port.
///
/// # Errors
/// A sentence that says what is in the way.
pub fn prove_free(port: u16) -> Result<(), String> {
    for family in [AddressFamily::INET, AddressFamily::INET6] {
        match bound(family, port) {
            Ok(_released) => {}
            // This kernel has no IPv6, or it is switched off.
            Err(Errno::AFNOSUPPORT | Errno::ADDRNOTAVAIL) if family == AddressFamily::INET6 => {}
            Err(Errno::ADDRINUSE) => return Err(in_use(port)),
            Err(error) => return Err(format!("port {port} cannot be bound to prove it free: {error}")),
        }
    }
    Ok(())
}

fn bound(family: AddressFamily, port: u16) -> Result<OwnedFd, Errno> {
    let socket = socket_with(family, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    sockopt::set_socket_reuseaddr(&socket, true)?;
    if family == AddressFamily::INET6 {
        sockopt::set_ipv6_v6only(&socket, true)?;
        bind(&socket, &SocketAddr::from((Ipv6Addr::UNSPECIFIED, port)))?;
    } else {
        bind(&socket, &SocketAddr::from((Ipv4Addr::UNSPECIFIED, port)))?;
    }
    Ok(socket)
}

/// Who is in the way: a listener, what the last server left, or a socket that is bound and does not listen.
fn in_use(port: u16) -> String {
    if let Ok(true) = is_listening(port) {
        return format!("port {port} is listened on");
    }
    match leftovers(port) {
        Ok((time_wait, others)) if time_wait + others > 0 => format!(
            "nobody listens on port {port}, but {time_wait} connections in TIME_WAIT and {others} others of its last server, \
             which did not set SO_REUSEADDR, keep it taken: TIME_WAIT ends after 60 s"
        ),
        Ok(_) | Err(_) => format!(
            "nobody listens on port {port}, but a socket is bound to it: the kernel does not say whose (`ss -tanp` may)"
        ),
    }
}
