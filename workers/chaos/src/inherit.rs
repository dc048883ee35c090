//! Takes the socket that was handed over. The only unsafe code beside `signals`.
#![allow(unsafe_code)]

use std::net::TcpListener;
use std::os::fd::FromRawFd;

/// The first of the sockets, if they are meant for this process.
///
/// # Errors
/// There is none, or it is meant for another process: which variable says so.
pub fn listener() -> Result<TcpListener, String> {
    let variable = |name: &str| std::env::var(name).unwrap_or_default();
    if variable("LISTEN_PID") != std::process::id().to_string() {
        return Err(format!(
            "LISTEN_PID is {:?}, not this process",
            variable("LISTEN_PID")
        ));
    }
    if variable("LISTEN_FDS").parse::<u32>().unwrap_or(0) == 0 {
        return Err(format!("LISTEN_FDS is {:?}, no socket", variable("LISTEN_FDS")));
    }
    // SAFETY: sd_listen_fds(3): descriptor 3 is ours from the start, and nothing else has taken it.
    Ok(unsafe { TcpListener::from_raw_fd(3) })
}
