//! What a worker owes the process that runs it: a log on stderr, a clean end on SIGTERM and SIGINT.

use std::io;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tracing::info;
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

    /// A stop that SIGTERM or SIGINT requests.
    pub fn on_signals() -> io::Result<Self> {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let (trigger, stop) = Self::new();
        tokio::spawn(async move {
            let name = tokio::select! {
                _ = terminate.recv() => "SIGTERM",
                _ = interrupt.recv() => "SIGINT",
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
