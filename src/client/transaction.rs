//! The record of one request: what happened in which phase, and the one truthful result. Pure.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use crate::api::{
    Ended, Event, Failure, FailureKind, Outcome, Phase, Plan, ServiceOutcome, ServiceResult, State,
};

use super::error::Error;
use super::trouble::Trouble;

/// What a command does, as words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deed {
    /// `mode` of the JSON document: `master`, `quick`, `services`, `stop` …
    pub mode: &'static str,
    /// `restart`.
    pub verb: &'static str,
    /// `restarted`.
    pub done: &'static str,
}

/// A phase that is over.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PhaseRecord {
    /// Which.
    pub phase: Phase,
    /// Whether it reached its aim.
    pub ok: bool,
    /// How long it took.
    pub took_ms: f64,
    /// What was done or went wrong.
    pub detail: Option<String>,
}

/// What `--json` prints, filled in event by event.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Transaction {
    /// Whether the asked-for outcome was reached.
    pub ok: bool,
    /// How it was asked for.
    pub mode: &'static str,
    /// From the command's begin to its end.
    pub took_ms: f64,
    /// The phases, in order.
    pub phases: Vec<PhaseRecord>,
    /// The services that were asked for.
    pub services: Vec<ServiceOutcome>,
    /// The flushed ports.
    pub ports: Vec<Value>,
    /// The processes that were ended, each with the proof that it was ours to end.
    pub ended: Vec<Ended>,
    /// Why the whole failed.
    pub error: Option<Failure>,
    /// Of a reload: what it changes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plan: Option<Plan>,
    /// The last known state of each service.
    #[serde(skip)]
    states: BTreeMap<String, State>,
}

/// One reason why it failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    /// The service that it is about.
    pub service: String,
    /// What is wrong.
    pub text: String,
    /// Whether the service itself failed, so that its log knows more.
    pub has_log: bool,
}

impl Transaction {
    /// Nothing has happened yet.
    #[must_use]
    pub fn new(deed: Deed) -> Self {
        Self {
            ok: false,
            mode: deed.mode,
            took_ms: 0.0,
            phases: Vec::new(),
            services: Vec::new(),
            ports: Vec::new(),
            ended: Vec::new(),
            error: None,
            plan: None,
            states: BTreeMap::new(),
        }
    }

    /// Takes down what happened.
    pub fn note(&mut self, event: &Event) {
        match event {
            Event::Began { .. } | Event::Health { .. } | Event::Fact { .. } | Event::Upgrading { .. } => {}
            Event::Finished {
                phase,
                ok,
                took_ms,
                detail,
            } => self.phases.push(PhaseRecord {
                phase: *phase,
                ok: *ok,
                took_ms: *took_ms,
                detail: detail.clone(),
            }),
            Event::Service { name, state, .. } => {
                self.states.insert(name.clone(), *state);
            }
            Event::Plan { plan } => self.plan = Some(plan.clone()),
            Event::Port { report } => {
                self.ended.extend(ended_on_port(report));
                self.ports.push(report.clone());
            }
            Event::Ended(ended) => self.ended.push(ended.clone()),
            Event::End(Outcome { ok, services, error }) => {
                self.ok = *ok;
                self.services.clone_from(services);
                self.error.clone_from(error);
            }
        }
    }

    /// The look from outside found these troubles: each a service's name and what is wrong with it.
    pub fn note_verification(&mut self, troubles: &[(String, Trouble)]) {
        let Some((name, first)) = troubles.first() else {
            return;
        };
        self.ok = false;
        let more = match troubles.len() - 1 {
            0 => String::new(),
            more => format!(" (and {more} more)"),
        };
        self.error = Some(Failure {
            kind: FailureKind::Failed,
            message: format!("verification failed: {name}: {}{more}", first.text),
            help: troubles.iter().find_map(|(_, trouble)| trouble.next.clone()),
        });
    }

    /// It broke off: there is no result but this.
    pub fn note_error(&mut self, error: Error) {
        self.ok = false;
        self.error = Some(error.into());
    }

    /// Why single services failed, those first whose own fault it is.
    #[must_use]
    pub fn reasons(&self) -> Vec<Reason> {
        let mut reasons: Vec<Reason> = self
            .services
            .iter()
            .filter_map(|service| self.reason(service))
            .collect();
        reasons.sort_by_key(|reason| !reason.has_log);
        reasons
    }

    fn reason(&self, service: &ServiceOutcome) -> Option<Reason> {
        let or = |words: &str| service.reason.clone().unwrap_or_else(|| words.to_owned());
        let text = match service.result {
            ServiceResult::Done => return None,
            ServiceResult::Failed => or("failed"),
            ServiceResult::Superseded => or("another request came later and took the place of this one"),
            ServiceResult::Refused => or("refused"),
        };
        let blocked = self.states.get(&service.name) == Some(&State::Stopped);
        let has_log = service.result == ServiceResult::Failed && !blocked;
        Some(Reason {
            service: service.name.clone(),
            text,
            has_log,
        })
    }

    /// How many services it was about.
    #[must_use]
    pub fn count(&self) -> usize {
        let planned = self.plan.as_ref().map_or(0, |plan| plan.services.len());
        self.services.len().max(planned)
    }

    /// How the command ends: nothing when it reached its outcome.
    #[must_use]
    pub fn failure(&self, deed: Deed) -> Option<Error> {
        if self.ok {
            return None;
        }
        if let Some(failure) = &self.error {
            return Some(failure.clone().into());
        }
        let reasons = self.reasons();
        let message = match self.services.len() {
            0 | 1 => format!("the {} failed", deed.verb),
            all => format!("the {} failed for {} of {all} services", deed.verb, reasons.len()),
        };
        let error = Error::failed(message);
        Some(match reasons.iter().find(|reason| reason.has_log) {
            Some(reason) => error.help(format!("sentinel logs {}", reason.service)),
            None => error.help("sentinel status"),
        })
    }
}

/// Whoever a flush ended listened on that port.
fn ended_on_port(report: &Value) -> Vec<Ended> {
    let holders = report["holders"].as_array().cloned().unwrap_or_default();
    let ended = |holder: &Value| {
        Some(Ended {
            pid: i32::try_from(holder["pid"].as_i64()?).ok()?,
            command: holder["command"].as_str()?.to_owned(),
            signal: holder["signal"].as_str()?.to_owned(),
            proof: format!("listened on port {}, which is assigned here", report["port"]),
        })
    };
    holders.iter().filter_map(ended).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exit::ExitCode;

    const RESTART: Deed = Deed {
        mode: "master",
        verb: "restart",
        done: "restarted",
    };

    fn outcome(name: &str, result: ServiceResult, reason: Option<&str>) -> ServiceOutcome {
        ServiceOutcome {
            name: name.into(),
            result,
            reason: reason.map(Into::into),
            took_ms: 1.0,
        }
    }

    fn ended(services: Vec<ServiceOutcome>, error: Option<Failure>) -> Transaction {
        let mut transaction = Transaction::new(RESTART);
        for (name, state) in [("a", State::Stopped), ("b", State::Fatal)] {
            transaction.note(&Event::Service {
                name: name.into(),
                state,
                pid: None,
                reason: None,
                after_ms: 0.0,
            });
        }
        let ok = error.is_none()
            && services
                .iter()
                .all(|service| service.result == ServiceResult::Done);
        transaction.note(&Event::End(Outcome { ok, services, error }));
        transaction
    }

    #[test]
    fn success_has_no_failure() {
        let transaction = ended(vec![outcome("a", ServiceResult::Done, None)], None);
        assert_eq!(transaction.failure(RESTART), None);
    }

    #[test]
    fn the_service_whose_fault_it_is_comes_first_and_its_log_is_the_next_step() {
        let transaction = ended(
            vec![
                outcome("a", ServiceResult::Failed, Some("waits for b")),
                outcome("b", ServiceResult::Failed, Some("exit code 1")),
                outcome("c", ServiceResult::Done, None),
            ],
            None,
        );
        let reasons = transaction.reasons();
        assert_eq!(
            reasons
                .iter()
                .map(|reason| reason.service.as_str())
                .collect::<Vec<_>>(),
            ["b", "a"]
        );
        let error = transaction.failure(RESTART).expect("failed");
        assert_eq!(error.message, "the restart failed for 2 of 3 services");
        assert_eq!(error.help.as_deref(), Some("sentinel logs b"));
        assert_eq!(error.code(), ExitCode::Failed);
    }

    #[test]
    fn a_failure_of_the_whole_keeps_its_kind() {
        let busy = Failure {
            kind: FailureKind::Busy,
            message: "busy".into(),
            help: None,
        };
        assert_eq!(
            ended(vec![], Some(busy)).failure(RESTART).expect("failed").code(),
            ExitCode::Busy
        );
    }

    #[test]
    fn a_bad_verification_undoes_the_success() {
        let mut transaction = ended(vec![outcome("a", ServiceResult::Done, None)], None);
        let trouble = Trouble {
            text: "unhealthy: no answer".into(),
            next: Some("sentinel logs a".into()),
        };
        transaction.note_verification(&[("a".into(), trouble)]);
        let error = transaction.failure(RESTART).expect("failed");
        assert_eq!(error.message, "verification failed: a: unhealthy: no answer");
        assert_eq!(error.help.as_deref(), Some("sentinel logs a"));
    }

    #[test]
    fn the_document_has_the_fields_that_scripts_read() {
        let json = serde_json::to_value(ended(vec![], None)).expect("json");
        let fields: Vec<&String> = json.as_object().expect("an object").keys().collect();
        assert_eq!(
            fields,
            [
                "ended", "error", "mode", "ok", "phases", "ports", "services", "took_ms"
            ]
        );
    }
}
