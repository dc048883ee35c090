//! What is said over NOTIFY_SOCKET, as sd_notify(3) has it.

use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

/// Says it; `{pid}` is this process's.
pub fn tell(text: &str) {
    let Ok(address) = std::env::var("NOTIFY_SOCKET") else {
        return eprintln!("chaos: there is no NOTIFY_SOCKET");
    };
    let address = match address.strip_prefix('@') {
        Some(name) => SocketAddr::from_abstract_name(name),
        None => SocketAddr::from_pathname(&address),
    };
    let text = text.replace("{pid}", &std::process::id().to_string());
    let sent = address.and_then(|to| UnixDatagram::unbound()?.send_to_addr(text.as_bytes(), &to));
    if let Err(error) = sent {
        eprintln!("chaos: cannot notify: {error}");
    }
}

/// Says WATCHDOG=1 so often, and so many times or for ever.
pub fn heartbeat(every: u64, times: Option<u64>) {
    for _ in 0..times.unwrap_or(u64::MAX) {
        tell("WATCHDOG=1\n");
        super::pause(every);
    }
}
