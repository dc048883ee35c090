//! Tells the caller who began this supervisor how far it is, and lets go of them at the end.

use std::fs::File;
use std::time::Instant;

use tokio::io::AsyncWriteExt;
use tokio::net::unix::pipe;

use super::mailbox::line;
use crate::api::{Event, Failure, Outcome, Phase};
use crate::process::detach;

/// Where progress goes.
#[derive(Debug)]
pub enum Progress {
    /// The caller's pipe: lines of JSON.
    Pipe(pipe::Sender),
    /// The FIFO of a caller who asked systemd to begin this supervisor; the log is told too.
    Report(pipe::Sender),
    /// Nobody waits: the log.
    Log,
}

impl Progress {
    /// The pipe on standard output; the log if that is no pipe.
    #[must_use]
    pub fn to_caller() -> Self {
        let pipe = File::options()
            .write(true)
            .open("/proc/self/fd/1")
            .and_then(pipe::Sender::from_file);
        pipe.map_or(Progress::Log, Progress::Pipe)
    }

    /// Sends one event. A caller who has left is no error: the work goes on.
    pub async fn send(&mut self, event: &Event) {
        match self {
            Progress::Pipe(pipe) => {
                let _ = pipe.write_all(&line(event)).await;
            }
            Progress::Report(fifo) => {
                let _ = fifo.write_all(&line(event)).await;
                log(event);
            }
            Progress::Log => log(event),
        }
    }

    /// The same of some that came together.
    pub async fn send_all(&mut self, events: &[Event]) {
        match self {
            Progress::Pipe(pipe) => {
                let lines: Vec<u8> = events.iter().flat_map(line).collect();
                let _ = pipe.write_all(&lines).await;
            }
            Progress::Report(_) | Progress::Log => {
                for event in events {
                    self.send(event).await;
                }
            }
        }
    }

    /// Does the work of one phase between its two events.
    ///
    /// # Errors
    /// The work's own.
    pub async fn phase(
        &mut self,
        phase: Phase,
        work: impl Future<Output = Result<Option<String>, Failure>>,
    ) -> Result<(), Failure> {
        self.send(&Event::Began { phase }).await;
        let began = Instant::now();
        let result = work.await;
        let (ok, detail) = match &result {
            Ok(detail) => (true, detail.clone()),
            Err(failure) => (false, Some(failure.message.clone())),
        };
        let took_ms = (began.elapsed().as_secs_f64() * 1e5).round() / 1e2;
        self.send(&Event::Finished {
            phase,
            ok,
            took_ms,
            detail,
        })
        .await;
        result.map(drop)
    }

    /// The result; the caller's pipe is closed after it.
    pub async fn end(mut self, outcome: Outcome) {
        self.send(&Event::End(outcome)).await;
        if let Progress::Pipe(pipe) = self {
            drop(pipe);
            detach::release_output();
        }
    }
}

fn log(event: &Event) {
    match event {
        Event::Finished {
            phase,
            ok,
            took_ms,
            detail,
        } => {
            let detail = detail.as_deref().unwrap_or_default();
            tracing::info!(phase = phase.as_str(), ok, took_ms, "{detail}");
        }
        Event::Service {
            name,
            state,
            reason,
            after_ms,
            ..
        } => {
            let reason = reason.as_deref().unwrap_or_default();
            tracing::info!(service = name, state = state.as_str(), after_ms, "{reason}");
        }
        Event::End(outcome) => {
            let error = outcome.error.as_ref().map(|failure| failure.message.as_str());
            tracing::info!(ok = outcome.ok, error, "started");
        }
        Event::Began { .. } | Event::Plan { .. } | Event::Port { .. } => {}
        Event::Health { .. } | Event::Fact { .. } | Event::Ended(_) | Event::Upgrading { .. } => {}
    }
}
