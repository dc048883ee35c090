//! What a worker owes the process that runs it: a log on stderr, a clean end on every signal that asks
//! for one, and descriptors for its clients.

use std::io;

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tracing::{info, warn};
use tracing_subscriber::EnvFilter;

/// Tells when the worker is to end. Every clone sees the same order.
#[derive(Clone, Debug)]
pub struct Stop(watch::Receiver<()>);

/// Gives the order to end when it is dropped.
#[derive(Debug)]
pub struct StopTrigger(#[expect(dead_code, reason = "its drop is the signal")] watch::Sender<()>);

impl Stop {
    /// A stop that its trigger requests.
    pub fn new() -> (StopTrigger, Self) {
        let (trigger, stop) = watch::channel(());
        (StopTrigger(trigger), Self(stop))
    }

    /// A stop that SIGTERM, SIGINT, SIGQUIT or SIGHUP requests: whatever asks for the end gets a clean
    /// one, since an unclean end costs the upstream's place for a minute and a half. A SIGHUP that was
    /// ignored at the start, as under nohup, stays so.
    pub fn on_signals() -> io::Result<Self> {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut quit = signal(SignalKind::quit())?;
        let mut hangup = if ignores_hangup() {
            None
        } else {
            Some(signal(SignalKind::hangup())?)
        };
        let (trigger, stop) = Self::new();
        tokio::spawn(async move {
            let hangup = async {
                match &mut hangup {
                    Some(hangup) => hangup.recv().await,
                    None => std::future::pending().await,
                }
            };
            let name = tokio::select! {
                _ = terminate.recv() => "SIGTERM",
                _ = interrupt.recv() => "SIGINT",
                _ = quit.recv() => "SIGQUIT",
                _ = hangup => "SIGHUP",
            };
            info!("stopping on {name}");
            drop(trigger);
        });
        Ok(stop)
    }

    /// Returns once the worker is to end, at once if it already is.
    pub async fn requested(&mut self) {
        // The sender never sends: that it is gone is the message.
        while self.0.changed().await.is_ok() {}
    }
}

/// Whether SIGHUP, the first bit of the mask, was ignored when this process was started.
fn ignores_hangup() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask & 1 == 1)
}

/// Logs to stderr, where sentinel collects it: level `info`, or as `RUST_LOG` says.
pub fn log_to_stderr() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(false)
        .with_target(false)
        .init();
}

/// Takes all the descriptors that the system grants this process: the usual soft limit of 1024 is
/// there for programs that still use `select`, and would turn away the thousandth client.
pub fn raise_descriptor_limit() {
    let raised = getrlimit(Resource::RLIMIT_NOFILE)
        .and_then(|(_, hard)| setrlimit(Resource::RLIMIT_NOFILE, hard, hard));
    if let Err(error) = raised {
        warn!("cannot raise the limit of descriptors: {error}");
    }
}
