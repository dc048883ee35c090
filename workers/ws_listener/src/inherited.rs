//! A listening socket that the supervisor hands over, by systemd's protocol (`sd_listen_fds(3)`):
//! descriptors from 3 on, `LISTEN_FDS` of them, for the process that `LISTEN_PID` names.
//!
//! While one process ends and the next begins, such a socket goes on taking connections.

use std::io;
use std::net::TcpListener;

use rustix::io::Errno;
use rustix::process::{PidfdFlags, PidfdGetfdFlags, getpid, pidfd_getfd, pidfd_open};

/// `SD_LISTEN_FDS_START`.
const FIRST: i32 = 3;

/// The inherited socket that listens on `port` (any, if 0), or `None` when there is none.
pub(crate) fn listener(port: u16) -> io::Result<Option<TcpListener>> {
    let variable = |name| std::env::var(name).ok();
    let count = offered(variable("LISTEN_PID"), variable("LISTEN_FDS"), std::process::id());
    for number in FIRST..FIRST.saturating_add(count) {
        let candidate = take(number).map_err(|error| {
            let what = format!("cannot take over descriptor {number} of LISTEN_FDS: {error}");
            io::Error::new(error.kind(), what)
        })?;
        if candidate
            .local_addr()
            .is_ok_and(|address| port == 0 || address.port() == port)
        {
            candidate.set_nonblocking(true)?;
            return Ok(Some(candidate));
        }
    }
    Ok(None)
}

/// How many descriptors are meant for this process.
fn offered(pid: Option<String>, count: Option<String>, own_pid: u32) -> i32 {
    let pid: Option<u32> = pid.and_then(|pid| pid.parse().ok());
    let count = count.and_then(|count| count.parse().ok());
    count.filter(|_| pid == Some(own_pid)).unwrap_or(0)
}

/// A duplicate of one of our own descriptors, asked of the kernel by number: the one safe way to
/// own what was inherited. The original stays open until the process ends.
fn take(number: i32) -> io::Result<TcpListener> {
    let own = pidfd_open(getpid(), PidfdFlags::empty())?;
    match pidfd_getfd(own, number, PidfdGetfdFlags::empty()) {
        Ok(descriptor) => Ok(descriptor.into()),
        Err(Errno::BADF) => Err(io::Error::other("it is not open")),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::os::fd::AsRawFd;

    use super::{offered, take};

    #[test]
    fn only_what_is_meant_for_this_process_counts() {
        let offered = |pid: &str, count: &str| offered(Some(pid.into()), Some(count.into()), 7);
        assert_eq!(offered("7", "2"), 2);
        assert_eq!(offered("8", "2"), 0);
        assert_eq!(offered("x", "2"), 0);
        assert_eq!(offered("7", "x"), 0);
        assert_eq!(super::offered(None, None, 7), 0);
    }

    #[test]
    fn a_socket_is_taken_over_by_number() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("bound");
        let taken = take(listener.as_raw_fd()).expect("ours");
        assert_eq!(taken.local_addr().expect("bound"), address);
        let error = take(i32::MAX).expect_err("not open");
        assert_eq!(error.to_string(), "it is not open");
    }
}
