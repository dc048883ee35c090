//! The kernel's TCP tables as text, /proc/net/tcp and tcp6: for where netlink is not to be had, and for
//! sockets that do not listen.

use super::listen::Listener;
use crate::process::{read_lines, vanished};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::ControlFlow;

/// All sockets that listen on a wanted port, without holders.
///
/// # Errors
/// The tables cannot be read or understood: nothing is known about the ports.
pub(super) fn listening(wanted: impl Fn(u16) -> bool) -> io::Result<Vec<Listener>> {
    let (mut found, mut strange) = (Vec::new(), false);
    each_row(|row| {
        match row.state {
            LISTEN if wanted(row.port) => match row.listener() {
                Some(listener) => found.push(listener),
                None => strange = true,
            },
            LISTEN => {}
            // Rows of the listening part of the table may show these while they change.
            SYN_RECV | CLOSE => {}
            // The kernel walks its listening table first and then the connections
            // (net/ipv4/tcp_ipv4.c, tcp_get_idx), so no listener follows: skip what may be 100,000 rows.
            _ => return ControlFlow::Break(()),
        }
        ControlFlow::Continue(())
    })?;
    if strange {
        // To skip the row would be to call a held port free.
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "/proc/net/tcp has rows in an unknown format",
        ));
    }
    Ok(found)
}

/// How many sockets have this local port without listening: in TIME_WAIT, and all others.
pub(super) fn leftovers(port: u16) -> io::Result<(usize, usize)> {
    let (mut time_wait, mut others) = (0, 0);
    each_row(|row| {
        if row.port == port && row.state != LISTEN {
            *(if row.state == TIME_WAIT {
                &mut time_wait
            } else {
                &mut others
            }) += 1;
        }
        ControlFlow::Continue(())
    })?;
    Ok((time_wait, others))
}

// include/net/tcp_states.h, as /proc/net/tcp prints them.
const LISTEN: &[u8] = b"0A";
const SYN_RECV: &[u8] = b"03";
const CLOSE: &[u8] = b"07";
const TIME_WAIT: &[u8] = b"06";

/// One line of /proc/net/tcp or tcp6 (Documentation/networking/proc_net_tcp.rst), parsed as far as needed.
struct Row<'a> {
    port: u16,
    state: &'a [u8],
    address: &'a [u8],
    rest: &'a [u8],
}

/// Reads both tables. A break ends the one at hand and goes on with the other.
fn each_row(mut each: impl FnMut(&Row<'_>) -> ControlFlow<()>) -> io::Result<()> {
    for table in ["/proc/net/tcp", "/proc/net/tcp6"] {
        let read = read_lines(table, |line| match Row::parse(line) {
            Some(row) => each(&row),
            None => ControlFlow::Continue(()), // the heading
        });
        match read {
            // A kernel without IPv6 has no tcp6.
            Err(error) if vanished(&error) && table.ends_with('6') => {}
            other => other?,
        }
    }
    Ok(())
}

impl<'a> Row<'a> {
    /// `sl local_address remote_address st tx_queue:rx_queue tr:tm->when retrnsmt uid timeout inode …`
    fn parse(line: &'a [u8]) -> Option<Row<'a>> {
        let (_, line) = word(line)?;
        let (local, line) = word(line)?;
        let (_, line) = word(line)?;
        let (state, rest) = word(line)?;
        let colon = local.iter().rposition(|&byte| byte == b':')?;
        Some(Row {
            port: u16::from_str_radix(text(&local[colon + 1..])?, 16).ok()?,
            state,
            address: &local[..colon],
            rest,
        })
    }

    fn listener(&self) -> Option<Listener> {
        let mut fields = text(self.rest)?.split_ascii_whitespace().skip(3);
        let uid = fields.next()?.parse().ok()?;
        let inode = fields.nth(1)?.parse().ok()?;
        Some(Listener {
            port: self.port,
            address: address(self.address)?,
            uid,
            inode,
            holders: Vec::new(),
        })
    }
}

/// The first word of a line, and what follows it.
fn word(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let line = line.trim_ascii_start();
    let end = line.iter().position(|&byte| byte == b' ')?;
    Some(line.split_at(end))
}

fn text(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok()
}

/// An address as the kernel prints it: each 32-bit word of its bytes as a number of this machine.
fn address(hex: &[u8]) -> Option<IpAddr> {
    let mut octets = Vec::with_capacity(16);
    for group in hex.chunks(8).filter(|group| group.len() == 8) {
        octets.extend(u32::from_str_radix(text(group)?, 16).ok()?.to_ne_bytes());
    }
    if let Ok(four) = <[u8; 4]>::try_from(octets.as_slice()) {
        return Some(Ipv4Addr::from(four).into());
    }
    <[u8; 16]>::try_from(octets)
        .ok()
        .map(|all| Ipv6Addr::from(all).into())
}

#[cfg(test)]
mod tests {
    use super::{LISTEN, Row, address, listening};
    use crate::ports::sock_diag;
    use std::net::{TcpListener, TcpStream};

    const V4: &[u8] = b"   1: 0100007F:223D 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 51966 1 0000000000000000 100 0 0 10 0";
    const V6: &[u8] = b"   0: 00000000000000000000000001000000:223E 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 7 1 0";

    #[test]
    fn rows_are_read_as_the_kernel_writes_them() {
        let row = Row::parse(V4).unwrap();
        assert_eq!((row.port, row.state), (8765, LISTEN));
        let listener = row.listener().unwrap();
        assert_eq!(listener.address.to_string(), "127.0.0.1");
        assert_eq!((listener.uid, listener.inode), (1000, 51966));
        let six = Row::parse(V6).unwrap().listener().unwrap();
        assert_eq!((six.port, six.address.to_string()), (8766, "::1".to_string()));
        assert_eq!((six.uid, six.inode), (0, 7));
    }

    #[test]
    fn netlink_and_the_text_tables_say_the_same() {
        let listeners = ["0.0.0.0:0", "127.0.0.1:0", "127.4.3.2:0", "[::]:0", "[::1]:0"]
            .map(|address| TcpListener::bind(address).unwrap());
        let ports = listeners
            .each_ref()
            .map(|listener| listener.local_addr().unwrap().port());
        let _client = TcpStream::connect(("127.0.0.1", ports[0])).unwrap();
        let sorted = |mut found: Vec<crate::ports::Listener>| {
            found.sort_by_key(|listener| listener.inode);
            found
        };
        let text = sorted(listening(|port| ports.contains(&port)).unwrap());
        let netlink = sorted(sock_diag::listening(|port| ports.contains(&port)).unwrap());
        assert_eq!(text, netlink);
        let mut seen: Vec<String> = text
            .iter()
            .map(|listener| std::net::SocketAddr::from((listener.address, listener.port)).to_string())
            .collect();
        let mut bound = listeners.map(|listener| listener.local_addr().unwrap().to_string());
        seen.sort();
        bound.sort();
        assert_eq!(seen, bound);
    }

    #[test]
    fn a_heading_or_torn_row_is_none() {
        assert!(Row::parse(b"  sl  local_address rem_address   st tx_queue rx_queue tr").is_none());
        assert!(Row::parse(b"").is_none());
        assert!(Row::parse(b"   1: 0100007F:223D 00000000:0000").is_none());
        assert!(address(b"0100").is_none());
        assert!(address(b"").is_none());
        assert!(address(b"zzzzzzzz").is_none());
    }
}
