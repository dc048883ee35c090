//! The kernel's list of listening TCP sockets, asked by netlink: 30 µs, however many connections there are.
//!
//! sock_diag(7), with the constants of linux/sock_diag.h, inet_diag.h and netlink.h. The text table
//! /proc/net/tcp costs milliseconds on a big machine, since the kernel walks its whole hash of
//! connections to print it.

use super::listen::Listener;
use rustix::fd::OwnedFd;
use rustix::io::{Errno, retry_on_intr};
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, netlink, recv, send, socket_with,
};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

const SOCK_DIAG_BY_FAMILY: u16 = 20;
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
/// NLM_F_REQUEST | NLM_F_DUMP.
const DUMP: u16 = 0x301;
const IPPROTO_TCP: u8 = 6;
const AF_INET: u8 = 2;
const AF_INET6: u8 = 10;
/// 1 << TCP_LISTEN, the only state asked for.
const LISTEN: u32 = 1 << 10;
/// struct nlmsghdr, struct inet_diag_req_v2, struct inet_diag_msg.
const HEADER: usize = 16;
const REQUEST: usize = 56;
const MESSAGE: usize = 72;

/// All sockets that listen on a wanted port, without holders.
///
/// # Errors
/// The kernel does not answer such questions (no inet_diag module, a sandbox): read /proc/net/tcp.
pub(super) fn listening(wanted: impl Fn(u16) -> bool) -> io::Result<Vec<Listener>> {
    let kernel = socket_with(
        AddressFamily::NETLINK,
        SocketType::RAW,
        SocketFlags::CLOEXEC,
        Some(netlink::SOCK_DIAG),
    )?;
    let mut found = Vec::new();
    for family in [AF_INET, AF_INET6] {
        retry_on_intr(|| send(&kernel, &request(family), SendFlags::empty()))?;
        answers(&kernel, |message| {
            let listener = parse(message)?;
            if wanted(listener.port) {
                found.push(listener);
            }
            Some(())
        })?;
    }
    Ok(found)
}

/// A dump of all listening TCP sockets of one address family.
fn request(family: u8) -> Vec<u8> {
    let length = u32::try_from(HEADER + REQUEST).unwrap_or(u32::MAX);
    let mut request = Vec::with_capacity(HEADER + REQUEST);
    request.extend(length.to_ne_bytes());
    request.extend(SOCK_DIAG_BY_FAMILY.to_ne_bytes());
    request.extend(DUMP.to_ne_bytes());
    request.extend([0; 8]); // sequence number, sender: the kernel fills in the latter
    request.extend([family, IPPROTO_TCP, 0, 0]);
    request.extend(LISTEN.to_ne_bytes());
    request.resize(HEADER + REQUEST, 0); // any address and port
    request
}

/// Hands each answer's payload to `each` until the dump is done. `None` from `each` is an answer that
/// we do not understand, and an error.
fn answers(kernel: &OwnedFd, mut each: impl FnMut(&[u8]) -> Option<()>) -> io::Result<()> {
    let strange = || {
        io::Error::new(
            io::ErrorKind::InvalidData,
            "sock_diag answered in an unknown format",
        )
    };
    let mut buffer = vec![0; 32 * 1024];
    loop {
        let (_, length) = retry_on_intr(|| recv(kernel, &mut buffer, RecvFlags::TRUNC))?;
        let mut rest = buffer.get(..length).ok_or_else(strange)?;
        while !rest.is_empty() {
            let size = u32_at(rest, 0).and_then(|size| usize::try_from(size).ok());
            let message = size.and_then(|size| rest.get(..size)).ok_or_else(strange)?;
            let payload = message.get(HEADER..).ok_or_else(strange)?;
            match u16::from_ne_bytes([message[4], message[5]]) {
                SOCK_DIAG_BY_FAMILY => each(payload).ok_or_else(strange)?,
                // Both carry 0 or a negated errno.
                NLMSG_DONE | NLMSG_ERROR => return outcome(payload),
                _ => {}
            }
            rest = rest.get(message.len().next_multiple_of(4)..).unwrap_or_default();
        }
    }
}

fn outcome(payload: &[u8]) -> io::Result<()> {
    match u32_at(payload, 0).map_or(0, u32::cast_signed) {
        0.. => Ok(()),
        errno => Err(Errno::from_raw_os_error(-errno).into()),
    }
}

/// struct inet_diag_msg: family, state, timer, retransmits, then struct inet_diag_sockid (ports,
/// addresses, interface, cookie), expiry, queues, uid, inode.
fn parse(message: &[u8]) -> Option<Listener> {
    let message = message.get(..MESSAGE)?;
    let address: IpAddr = match message[0] {
        AF_INET => Ipv4Addr::from(<[u8; 4]>::try_from(&message[8..12]).ok()?).into(),
        AF_INET6 => Ipv6Addr::from(<[u8; 16]>::try_from(&message[8..24]).ok()?).into(),
        _ => return None,
    };
    Some(Listener {
        port: u16::from_be_bytes([message[4], message[5]]),
        address,
        uid: u32_at(message, 64)?,
        inode: u32_at(message, 68)?.into(),
        holders: Vec::new(),
    })
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    let word = bytes.get(at..at + 4)?;
    Some(u32::from_ne_bytes(word.try_into().ok()?))
}
