//! Tells the systemd that runs this supervisor, or whoever else speaks sd_notify(3), how it is.
//!
//! `READY=1` comes when the start has settled: every service is ready, or has failed and says why. Who waits
//! for `systemctl start` waits for the services. The watchdog is fed by the loop itself, so that a loop that
//! hangs is noticed.

use std::fmt::Write as _;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use nix::time::{ClockId, clock_gettime};
use tokio::time::Instant;

use crate::supervisor::{Entry, Shown};

/// Speaks, if anybody listens.
#[derive(Debug, Default)]
pub struct Herald {
    listener: Option<(UnixDatagram, SocketAddr)>,
    watchdog: Option<Duration>,
    due: Option<Instant>,
    ready: bool,
    leaving: bool,
    /// The last `STATUS=`.
    said: String,
}

impl Herald {
    /// Speaks to whom the environment names; to nobody without one.
    #[must_use]
    pub fn of_environment() -> Self {
        let listener = std::env::var("NOTIFY_SOCKET")
            .ok()
            .and_then(|name| listener(&name));
        let watchdog = listener.as_ref().and_then(|_| watchdog());
        Self {
            listener,
            watchdog,
            due: watchdog.map(|_| Instant::now()),
            ..Self::default()
        }
    }

    /// Whether anybody listens: looking is for nothing otherwise.
    #[must_use]
    pub fn is_heard(&self) -> bool {
        self.listener.is_some()
    }

    /// services.toml is read again; ready anew when that has settled.
    pub fn reloads(&mut self) {
        let now = clock_gettime(ClockId::CLOCK_MONOTONIC).map_or(Duration::ZERO, Duration::from);
        self.say(&format!("RELOADING=1\nMONOTONIC_USEC={}\n", now.as_micros()));
        self.ready = false;
    }

    /// Everything goes down.
    pub fn leaves(&mut self) {
        if !std::mem::replace(&mut self.leaving, true) {
            self.say("STOPPING=1\n");
        }
    }

    /// How the services are now.
    pub fn sees(&mut self, entries: &[Entry]) {
        let status = in_words(entries);
        let mut lines = String::new();
        if status != self.said {
            let _ = writeln!(lines, "STATUS={status}");
            self.said = status;
        }
        let settling = entries
            .iter()
            .any(|entry| matches!(entry.shown, Shown::Starting | Shown::Stopping));
        if !settling && !self.leaving && !std::mem::replace(&mut self.ready, true) {
            lines.push_str("READY=1\n");
        }
        if !lines.is_empty() {
            self.say(&lines);
        }
    }

    /// When [`Herald::lives`] must be called; never, if nobody watches.
    pub async fn reach(due: Option<Instant>) {
        match due {
            Some(due) => tokio::time::sleep_until(due).await,
            None => std::future::pending().await,
        }
    }

    /// When we must next be heard of.
    #[must_use]
    pub fn due(&self) -> Option<Instant> {
        self.due
    }

    /// The loop goes round.
    pub fn lives(&mut self) {
        self.say("WATCHDOG=1\n");
        self.due = self.watchdog.map(|interval| Instant::now() + interval / 2);
    }

    /// What nobody takes is lost: the next word replaces it, and waiting would stop the loop.
    fn say(&self, lines: &str) {
        if let Some((socket, address)) = &self.listener
            && let Err(error) = socket.send_to_addr(lines.as_bytes(), address)
        {
            tracing::debug!(%error, "whoever runs sentinel does not listen on NOTIFY_SOCKET");
        }
    }
}

fn listener(name: &str) -> Option<(UnixDatagram, SocketAddr)> {
    let address = match name.strip_prefix('@') {
        Some(name) => SocketAddr::from_abstract_name(name),
        None => SocketAddr::from_pathname(name),
    };
    let socket = UnixDatagram::unbound().ok()?;
    socket.set_nonblocking(true).ok()?;
    Some((socket, address.ok()?))
}

/// sd_watchdog_enabled(3).
fn watchdog() -> Option<Duration> {
    let interval: u64 = std::env::var("WATCHDOG_USEC").ok()?.parse().ok()?;
    let pid = std::env::var("WATCHDOG_PID").ok();
    let meant = pid.is_none_or(|pid| pid.parse() == Ok(std::process::id()));
    (interval > 0 && meant).then(|| Duration::from_micros(interval))
}

fn in_words(entries: &[Entry]) -> String {
    let running = entries
        .iter()
        .filter(|entry| entry.shown == Shown::Running)
        .count();
    let mut words = format!("{running} of {} services run", entries.len());
    let failed: Vec<&str> = entries
        .iter()
        .filter(|entry| matches!(entry.shown, Shown::Fatal | Shown::Backoff))
        .map(|entry| entry.spec.name.as_str())
        .collect();
    if !failed.is_empty() {
        let _ = write!(words, "; failed: {}", failed.join(", "));
    }
    words
}
