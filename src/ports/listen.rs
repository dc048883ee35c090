//! Kernel look-ups: the listening TCP sockets of this network namespace, and the processes behind them.

use super::holders::{holders_of, holds_any};
use super::{net_tcp, sock_diag};
use crate::process::{Identity, command, vanished};
use std::collections::BTreeSet;
use std::io;
use std::net::IpAddr;
use std::os::unix::fs::MetadataExt;

/// One listening TCP socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    /// Local port.
    pub port: u16,
    /// Local address; the unspecified one stands for all of its family (`::` usually for IPv4 too).
    pub address: IpAddr,
    /// The user who created it.
    pub uid: u32,
    /// The socket itself: `socket:[inode]`.
    pub inode: u64,
    /// Every process that has it open. Empty means that we may not see who: unknown, never "nobody".
    pub holders: Vec<Holder>,
}

/// A process that has a listening socket open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// Which process.
    pub identity: Identity,
    /// Its command, for people.
    pub command: String,
    /// Its effective user.
    pub uid: u32,
}

/// How often the look is repeated when a socket without a holder turns out to be gone.
const ATTEMPTS: usize = 3;

/// All sockets that listen on one of these ports, any address, IPv4 and IPv6, ascending by port.
///
/// # Errors
/// /proc could not be read: nothing is known about the ports.
pub fn listeners(ports: &[u16]) -> io::Result<Vec<Listener>> {
    let mut found = look(ports)?;
    for _ in 1..ATTEMPTS {
        // A holder that ends between the two looks leaves a row without one, and so does a holder that
        // we may not see. Only the latter's socket is still there.
        let unknown = |listener: &Listener| listener.holders.is_empty();
        if !found.iter().any(unknown) {
            break;
        }
        let still: BTreeSet<u64> = rows(|port| ports.contains(&port))?
            .iter()
            .map(|row| row.inode)
            .collect();
        if found
            .iter()
            .filter(|listener| unknown(listener))
            .all(|listener| still.contains(&listener.inode))
        {
            break;
        }
        found = look(ports)?;
    }
    Ok(found)
}

/// Whether anything listens on the port, whoever it is. Cheap: looks at no process.
///
/// # Errors
/// /proc could not be read.
pub fn is_listening(port: u16) -> io::Result<bool> {
    Ok(!rows(|candidate| candidate == port)?.is_empty())
}

/// On which of these ports anything listens, whoever it is. Cheap: looks at no process.
///
/// # Errors
/// /proc could not be read.
pub fn listening_among(ports: &[u16]) -> io::Result<BTreeSet<u16>> {
    let found = rows(|candidate| ports.contains(&candidate))?;
    Ok(found.iter().map(|listener| listener.port).collect())
}

/// Whether one of these processes holds a socket that listens on the port. Cheap: looks at no other.
///
/// # Errors
/// /proc could not be read.
pub fn held_by(port: u16, pids: &[i32]) -> io::Result<bool> {
    let inodes: BTreeSet<u64> = rows(|candidate| candidate == port)?
        .iter()
        .map(|row| row.inode)
        .collect();
    for &pid in pids {
        if !inodes.is_empty() && holds_any(pid, &inodes)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether one of these sockets listens with no process to be seen behind it.
///
/// # Errors
/// /proc could not be read.
pub(super) fn any_unheld(sockets: &BTreeSet<u64>) -> io::Result<bool> {
    let mut listening: BTreeSet<u64> = rows(|_| true)?.iter().map(|row| row.inode).collect();
    listening.retain(|inode| sockets.contains(inode));
    if listening.is_empty() {
        return Ok(false);
    }
    for (inode, _) in holders_of(&listening)? {
        listening.remove(&inode);
    }
    Ok(!listening.is_empty())
}

/// One look: rows, then holders.
fn look(ports: &[u16]) -> io::Result<Vec<Listener>> {
    let mut found = rows(|port| ports.contains(&port))?;
    if found.is_empty() {
        return Ok(found);
    }
    let inodes = found.iter().map(|listener| listener.inode).collect();
    for (inode, pid) in holders_of(&inodes)? {
        if let Some(holder) = holder(inode, pid)? {
            for listener in found.iter_mut().filter(|listener| listener.inode == inode) {
                listener.holders.push(holder.clone());
            }
        }
    }
    found.sort_by_key(|listener| (listener.port, listener.address, listener.inode));
    Ok(found)
}

/// Names the holder. Its identity is read first and its hold on the socket then seen again, so that a
/// pid recycled since the first look cannot give its name to another process.
fn holder(inode: u64, pid: i32) -> io::Result<Option<Holder>> {
    let Some(identity) = Identity::of(pid)? else {
        return Ok(None);
    };
    let uid = match std::fs::metadata(format!("/proc/{pid}")) {
        Ok(owner) => owner.uid(),
        Err(error) if vanished(&error) => return Ok(None),
        Err(error) => return Err(error),
    };
    let holder = Holder {
        identity,
        command: command(pid),
        uid,
    };
    Ok(holds_any(pid, &BTreeSet::from([inode]))?.then_some(holder))
}

/// The listening sockets on the wanted ports, without holders.
fn rows(wanted: impl Fn(u16) -> bool) -> io::Result<Vec<Listener>> {
    sock_diag::listening(&wanted).or_else(|_| net_tcp::listening(&wanted))
}
