//! A transaction from its first event to its exit code: watched, verified, told.

use std::path::Path;
use std::time::{Duration, Instant};

use jiff::Timestamp;

use crate::api::{Event, Outcome, Phase, Service, ServiceOutcome, ServiceResult, State, Status};
use crate::config::Config;
use crate::exit::ExitCode;

use super::error::Error;
use super::events::Events;
use super::last_line::last_line;
use super::look::Look;
use super::progress::Progress;
use super::render::{OUTDATED, error_lines, summary, words::count, words::shorten};
use super::settled::settled;
use super::terminal::Terminal;
use super::transaction::{Deed, Transaction};
use super::trouble::{self, Trouble};
use crate::verdict::Concern;

/// How long the probes of a verification may take.
const VERIFY_WITHIN: Duration = Duration::from_secs(5);

/// One request on its way.
#[derive(Debug)]
pub struct Conduct {
    deed: Deed,
    terminal: Terminal,
    started: Instant,
    began_at: Timestamp,
    progress: Progress,
    transaction: Transaction,
    /// Services that run and tell of errors, in a line each.
    errors: Vec<String>,
    /// What was asked for was judged by a services.toml that the supervisor has not read yet.
    outdated: bool,
}

/// Why no more events come.
#[derive(Debug)]
pub enum Ending {
    /// The result is there.
    Result,
    /// The sender died before it.
    Broken,
    /// A person does not want to wait any longer.
    Abandoned,
}

impl Conduct {
    /// Begins the clock.
    #[must_use]
    pub fn begin(deed: Deed, terminal: Terminal) -> Self {
        Self {
            deed,
            terminal,
            started: Instant::now(),
            began_at: Timestamp::now(),
            progress: Progress::on(&terminal),
            transaction: Transaction::new(deed),
            errors: Vec::new(),
            outdated: false,
        }
    }

    /// Follows the events to their end, or until Ctrl-C.
    pub async fn watch(&mut self, events: &mut Events) -> Ending {
        let mut interrupt = std::pin::pin!(tokio::signal::ctrl_c());
        loop {
            tokio::select! {
                event = events.next() => match event {
                    Ok(Some(event)) => {
                        self.note(&event);
                        let is_last = matches!(event, Event::End(_));
                        if is_last || !events.has_more() {
                            self.progress.release();
                        }
                        if is_last {
                            return Ending::Result;
                        }
                    }
                    Ok(None) | Err(_) => {
                        self.progress.release();
                        return Ending::Broken;
                    }
                },
                // An error means that there is no way to hear of Ctrl-C; then it just ends us.
                Ok(()) = &mut interrupt => return Ending::Abandoned,
            }
        }
    }

    /// Takes down and shows one event.
    pub fn take(&mut self, event: &Event) {
        self.note(event);
        self.progress.release();
    }

    /// The same of one of several that came together.
    fn note(&mut self, event: &Event) {
        self.transaction.note(event);
        self.progress.show(event);
    }

    /// Whether the asked-for outcome was reached so far.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.transaction.ok
    }

    /// A phase that only this side can see is over.
    pub fn finish_phase(&mut self, phase: Phase, ok: bool, took: Duration, detail: String) {
        self.take(&Event::Finished {
            phase,
            ok,
            took_ms: millis(took),
            detail: Some(detail),
        });
    }

    /// The outcome is there, as this status shows: every service is what it was.
    pub fn reached(&mut self, now: &Status) {
        let service = |service: &crate::api::Service| ServiceOutcome {
            name: service.name.clone(),
            result: ServiceResult::Done,
            reason: None,
            took_ms: 0.0,
        };
        self.take(&Event::End(Outcome {
            ok: true,
            services: now.services.iter().map(service).collect(),
            error: None,
        }));
    }

    /// It ends with this error.
    pub fn fail(&mut self, error: Error) {
        self.transaction.note_error(error);
    }

    /// Nobody waits for it any longer; it goes on.
    pub fn abandon(&mut self) {
        let verb = self.deed.verb;
        let error = Error::failed(format!("you stopped waiting; the {verb} goes on without you"));
        self.transaction.note_error(error.help("sentinel status"));
    }

    /// The last phase: looks at these services from outside, or at all, whatever the supervisor says.
    pub async fn verify(&mut self, config: &Config, services: &[String]) {
        let began = Instant::now();
        self.take(&Event::Began { phase: Phase::Verify });
        let (ok, detail) = match settled(config, services, VERIFY_WITHIN).await {
            Ok(look) => self.judge(&look),
            Err(error) => {
                let detail = error.message.clone();
                self.transaction.note_error(error);
                (false, detail)
            }
        };
        let took_ms = millis(began.elapsed());
        self.take(&Event::Finished {
            phase: Phase::Verify,
            ok,
            took_ms,
            detail: Some(detail),
        });
    }

    fn judge(&mut self, look: &Look) -> (bool, String) {
        self.outdated = look.status.supervisor.outdated;
        let troubles = troubles(look);
        let told = |service: &Service| Some(format!("{}: {}", service.name, error_lines(service)?));
        self.errors = look.status.services.iter().filter_map(told).collect();
        self.transaction.note_verification(&troubles);
        match troubles.first() {
            None => (true, verified(look)),
            Some((service, trouble)) => (false, format!("{service}: {}", trouble.text)),
        }
    }

    /// Tells how it ended; `log_dir` knows more about services that failed.
    ///
    /// # Errors
    /// When stdout cannot be written.
    pub fn conclude(mut self, log_dir: Option<&Path>) -> Result<ExitCode, Error> {
        self.progress.finish();
        self.transaction.took_ms = millis(self.started.elapsed());
        let failure = self.transaction.failure(self.deed);
        if self.terminal.json {
            self.transaction.error = failure.clone().map(Into::into);
            self.terminal.print_json(&self.transaction)?;
        }
        let code = match failure {
            None => {
                self.print_summary()?;
                ExitCode::Ok
            }
            Some(error) => {
                let code = error.code();
                let error = error.details(self.reason_lines(log_dir));
                self.terminal.complain(&error.to_text(self.terminal.paint_errors));
                code
            }
        };
        if self.outdated && !self.terminal.quiet {
            self.terminal.complain(&format!("note: {OUTDATED}\n"));
        }
        Ok(code)
    }

    fn print_summary(&self) -> Result<(), Error> {
        if self.terminal.json || self.terminal.quiet {
            return Ok(());
        }
        let Transaction { took_ms, phases, .. } = &self.transaction;
        let line = summary(self.deed.done, self.transaction.count(), *took_ms, phases);
        let mut text = format!("{}\n", self.terminal.paint.good(&line));
        for errors in &self.errors {
            let width = self.terminal.width.unwrap_or(usize::MAX);
            let line = self.terminal.paint.middling(&shorten(errors, width));
            text.push_str(&format!("{line}\n"));
        }
        self.terminal.print(&text)
    }

    fn reason_lines(&self, log_dir: Option<&Path>) -> Vec<String> {
        let mut lines = Vec::new();
        for reason in self.transaction.reasons() {
            lines.push(format!("{}: {}", reason.service, reason.text));
            let log = log_dir.filter(|_| reason.has_log);
            if let Some(line) = log.and_then(|folder| last_line(folder, &reason.service, self.began_at)) {
                lines.push(format!("  its last line: {line}"));
            }
        }
        lines
    }
}

/// Every trouble of every service that is not fine.
fn troubles(look: &Look) -> Vec<(String, Trouble)> {
    if look.exit_code() == ExitCode::NoSupervisor {
        let text = "it does not answer any more".to_owned();
        return vec![(
            "the supervisor".into(),
            Trouble {
                text,
                next: Some("sentinel status".into()),
            },
        )];
    }
    let troubled = look.status.services.iter().zip(&look.concerns);
    let mut troubles = Vec::new();
    for (service, _) in troubled.filter(|(_, concern)| **concern != Concern::Fine) {
        let of_service = trouble::of_service(service, &look.status);
        if of_service.is_empty() {
            let text = format!("it is {}", service.state.as_str());
            troubles.push((
                service.name.clone(),
                Trouble {
                    text,
                    next: Some("sentinel status".into()),
                },
            ));
        }
        troubles.extend(
            of_service
                .into_iter()
                .map(|trouble| (service.name.clone(), trouble)),
        );
    }
    troubles
}

fn verified(look: &Look) -> String {
    let Status { services, ports, .. } = &look.status;
    let probed = services
        .iter()
        .filter(|service| service.health.latency_ms.is_some())
        .count();
    let waiting = services
        .iter()
        .filter(|service| !service.autostart && service.state == State::Stopped);
    let counted = [
        (services.len() - waiting.count(), "service"),
        (ports.len(), "port"),
        (probed, "probe"),
    ];
    let words: Vec<String> = counted
        .into_iter()
        .filter(|(number, _)| *number > 0)
        .map(|(number, noun)| count(number as u64, noun))
        .collect();
    format!("{} good", words.join(", "))
}

fn millis(time: Duration) -> f64 {
    (time.as_secs_f64() * 100_000.0).round() / 100.0
}
