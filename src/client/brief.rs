//! A look at a house in one question, where one is enough: no service has a probe or a port to be looked at from
//! outside, and the supervisor knows the very services.toml that is there now.

use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use crate::api::{Brief, HealthStatus, Route, SupervisorState};
use crate::config;
use crate::paths::Paths;

use super::connection;
use super::house;
use super::look::Look;

/// A supervisor that has not answered by then is asked the long way, which finds out why.
const WITHIN: Duration = Duration::from_millis(500);

/// The look; none where more must be asked, or nobody answers.
pub fn look(paths: &Paths, within: Duration) -> Option<Look> {
    let brief = ask(paths, within.min(WITHIN))?;
    let known = brief.files.first().is_some_and(|(file, _)| *file == paths.config);
    if !known || !config::hold(&brief.files) {
        return None;
    }
    let mut status = brief.whole();
    let seen = |service: &crate::api::Service| {
        service.ports.is_empty() && service.health.status == HealthStatus::None
    };
    if status.supervisor.state != SupervisorState::Running || !status.services.iter().all(seen) {
        return None;
    }
    status.supervisor.config = house::shown(paths);
    Some(Look::of(status))
}

/// HTTP as short as it can be: the whole answer, until the supervisor closes.
fn ask(paths: &Paths, within: Duration) -> Option<Brief> {
    let socket = connection::socket(paths).ok()?;
    let address = Path::new("/proc/self/fd").join(socket.as_raw_fd().to_string());
    let mut stream = UnixStream::connect(address).ok()?;
    stream.set_read_timeout(Some(within)).ok()?;
    let path = Route::Brief.path();
    let request = format!("GET {path} HTTP/1.1\r\nhost: sentinel\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = Vec::with_capacity(64 << 10);
    stream.read_to_end(&mut answer).ok()?;
    let head = answer.windows(4).position(|end| end == b"\r\n\r\n")?;
    if !answer.starts_with(b"HTTP/1.1 200 ") {
        return None;
    }
    serde_json::from_slice(&answer[head + 4..]).ok()
}
