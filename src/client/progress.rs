//! Progress as it happens: redrawn on a terminal, plain whole lines elsewhere, nothing when unwanted.

use std::fmt::Write as _;

use crate::api::Event;
use crate::ports::{Outcome, PortReport};

use super::bars::Bars;
use super::render::{self, Paint, ended_line, flushed_port, is_worth_telling, phase_line};
use super::stages::{Stages, Weight};
use super::terminal::Terminal;
use super::transaction::PhaseRecord;

/// Shows events to whoever watches.
#[derive(Debug)]
pub enum Progress {
    /// `-q` or `--json`.
    Silent,
    /// Lines for files, pipes and cron's mail.
    Lines(Lines, Terminal),
    /// One line for each service, redrawn.
    Bars(Bars, Terminal),
}

impl Progress {
    /// What fits this terminal.
    #[must_use]
    pub fn on(terminal: &Terminal) -> Self {
        if terminal.quiet || terminal.json {
            Self::Silent
        } else if terminal.live {
            Self::Bars(Bars::new(terminal.paint), *terminal)
        } else {
            Self::Lines(
                Lines {
                    verbose: terminal.verbose,
                    ..Lines::default()
                },
                *terminal,
            )
        }
    }

    /// Shows one event; lines at the next [`Progress::release`].
    pub fn show(&mut self, event: &Event) {
        match self {
            Progress::Silent => {}
            Progress::Lines(lines, _) => {
                let text = lines.of(event);
                lines.waiting.push_str(&text);
            }
            Progress::Bars(_, terminal) if let Event::Plan { plan } = event => {
                drop(terminal.print(&render::plan(plan)));
            }
            Progress::Bars(bars, _) => bars.show(event),
        }
    }

    /// Nothing more is known for now: whole lines are written.
    pub fn release(&mut self) {
        if let Progress::Lines(lines, terminal) = self
            && !lines.waiting.is_empty()
        {
            // Progress that cannot be written is no reason to stop: the result is told at the end.
            drop(terminal.print(&std::mem::take(&mut lines.waiting)));
        }
    }

    /// Nothing more will come: what is on the screen stays there.
    pub fn finish(&mut self) {
        match self {
            Progress::Silent | Progress::Lines(..) => {}
            Progress::Bars(bars, terminal) => terminal.complain(&bars.finish()),
        }
    }
}

/// Events to whole lines: only what somebody wants to know who reads it tomorrow.
#[derive(Debug, Default)]
pub struct Lines {
    verbose: bool,
    stages: Stages,
    /// Not written yet.
    waiting: String,
}

impl Lines {
    /// The lines of one event, each with its line break; often none.
    pub fn of(&mut self, event: &Event) -> String {
        let step = self.stages.note(event);
        let mut text = String::new();
        match event {
            Event::Began { .. } | Event::Health { .. } => {}
            Event::Plan { plan } => text.push_str(&render::plan(plan)),
            Event::Fact { .. } | Event::Upgrading { .. } | Event::End(_) => {}
            Event::Finished {
                phase,
                ok,
                took_ms,
                detail,
            } => {
                let record = PhaseRecord {
                    phase: *phase,
                    ok: *ok,
                    took_ms: *took_ms,
                    detail: detail.clone(),
                };
                if self.verbose || is_worth_telling(&record) {
                    let _ = writeln!(text, "{}", phase_line(&record));
                }
            }
            Event::Service { .. } => {
                if let Some(step) = step.filter(|step| self.verbose || step.weight != Weight::Passing) {
                    let _ = writeln!(text, "{}: {}", step.service, step.words);
                }
            }
            Event::Port { report } => text.push_str(&self.port_line(report)),
            Event::Ended(ended) => {
                let _ = writeln!(text, "{}", ended_line(ended));
            }
        }
        text
    }

    fn port_line(&self, report: &serde_json::Value) -> String {
        match serde_json::from_value::<PortReport>(report.clone()) {
            Ok(port) if self.verbose || port.outcome != Outcome::Free => {
                format!("{}\n", flushed_port(&port, Paint::PLAIN))
            }
            Ok(_) | Err(_) => String::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{self, Phase, State};

    fn a_restart() -> Vec<Event> {
        let service = |state, after_ms| Event::Service {
            name: "trade_stream".into(),
            state,
            pid: None,
            reason: None,
            after_ms,
        };
        let finished = |phase, took_ms, detail: Option<&str>| Event::Finished {
            phase,
            ok: true,
            took_ms,
            detail: detail.map(Into::into),
        };
        let holders = serde_json::json!([
            {"pid": 12, "command": "python3", "kind": "stray", "signal": "SIGTERM"}]);
        let port = |port, outcome, holders| Event::Port {
            report: serde_json::json!({"port": port, "outcome": outcome, "error": null, "holders": holders}),
        };
        vec![
            Event::Began { phase: Phase::Stop },
            service(State::Stopping, 10.0),
            service(State::Stopped, 110.0),
            finished(Phase::Stop, 120.0, Some("the supervisor is down")),
            port(8764, "free", serde_json::json!([])),
            port(8765, "freed", holders),
            finished(Phase::Flush, 20.0, Some("freed 1 of 2 ports")),
            service(State::Starting, 150.0),
            service(State::Running, 550.0),
            finished(Phase::Start, 400.0, None),
            Event::End(api::Outcome::default()),
        ]
    }

    fn lines(verbose: bool) -> String {
        let mut lines = Lines {
            verbose,
            ..Lines::default()
        };
        a_restart().iter().map(|event| lines.of(event)).collect()
    }

    #[test]
    fn plain_lines_hold_what_matters_tomorrow() {
        insta::assert_snapshot!(lines(false), @r"
        trade_stream: stopped in 0.1 s
        stop: the supervisor is down, 0.1 s
        port 8765: freed from python3 (pid 12, a leftover of ours, SIGTERM)
        flush: freed 1 of 2 ports, 0.02 s
        trade_stream: ready in 0.4 s
        start: ok, 0.4 s
        ");
    }

    #[test]
    fn verbose_lines_hold_every_step() {
        assert!(lines(true).contains("trade_stream: starting\n"));
        assert!(lines(true).contains("port 8764: free\n"));
    }
}
