//! Numbers for Prometheus: collected when somebody asks, never before.

mod exposition;
mod listener;
mod output;
mod ports;

use tokio::sync::oneshot;
use tokio::task::{spawn_blocking, spawn_local};

pub use exposition::TEXT;
use exposition::Text;
pub use listener::Exposition;

use super::aside;
use super::driver::Driver;
use super::mailbox::{Message, Reply};
use super::ports::Question;
use super::report;
use crate::api::{Failure, FailureKind, HealthStatus, Service, State};

/// Every state, for the one that is and those that are not.
const STATES: [State; 7] = [
    State::Stopped,
    State::Starting,
    State::Running,
    State::Backoff,
    State::Stopping,
    State::Exited,
    State::Fatal,
];

impl Driver {
    /// Answers with all metrics. Who holds the ports is looked up off the loop.
    pub(super) fn tell_metrics(&mut self, reply: oneshot::Sender<Reply>) {
        let services = self.services();
        let ports = Question::of(&self.config, &services);
        let mut text = Text::default();
        self.supervisor_metrics(&mut text);
        service_metrics(&mut text, &services);
        self.counted(&mut text, &services);
        output::metrics(&mut text, &services);
        let mailbox = self.mailbox.clone();
        spawn_local(async move {
            let seen = spawn_blocking(move || ports.look()).await;
            let seen = seen.ok().and_then(Result::ok).unwrap_or_default();
            ports::metrics(&mut text, &seen);
            mailbox.post(Message::Ports(Ok(seen)));
            let _ = reply.send(Reply::Text(text.finish()));
        });
    }

    /// Answers with who holds the assigned ports, looked up off the loop.
    pub(super) fn tell_ports(&mut self, reply: oneshot::Sender<Reply>) {
        let services = self.services();
        let question = Question::of(&self.config, &services);
        spawn_local(async move {
            let seen = aside::done(move || question.look()).await.and_then(|seen| seen);
            let _ = reply.send(match seen {
                Ok(ports) => Reply::Ports(ports),
                Err(error) => Reply::Refused(Failure {
                    kind: FailureKind::Failed,
                    message: format!("cannot look who holds the ports: {error}"),
                    help: None,
                }),
            });
        });
    }

    fn supervisor_metrics(&mut self, text: &mut Text) {
        text.family("sentinel_info", "gauge", "The supervisor's version.");
        text.sample("sentinel_info", &[("version", env!("CARGO_PKG_VERSION"))], 1.0);
        text.family(
            "sentinel_uptime_seconds",
            "gauge",
            "Time since the supervisor began.",
        );
        text.sample(
            "sentinel_uptime_seconds",
            &[],
            report::milliseconds(self.clock.uptime()),
        );
        text.family(
            "sentinel_events_total",
            "counter",
            "Facts in the ledger since the supervisor began.",
        );
        for (kind, count) in &self.ledger.counts.facts {
            text.sample("sentinel_events_total", &[("event", kind)], *count as f64);
        }
        let alerts = self.alerts.status().unwrap_or_default();
        text.family("sentinel_alerts_open", "gauge", "What is wrong now and was told.");
        text.sample("sentinel_alerts_open", &[], alerts.open as f64);
        text.family(
            "sentinel_alerts_waiting",
            "gauge",
            "Alert messages that nobody has taken yet.",
        );
        text.sample("sentinel_alerts_waiting", &[], alerts.waiting as f64);
        text.family(
            "sentinel_alerts_delivered_total",
            "counter",
            "Alert messages that were taken.",
        );
        text.sample(
            "sentinel_alerts_delivered_total",
            &[],
            self.alerts.delivered() as f64,
        );
    }

    fn counted(&mut self, text: &mut Text, services: &[Service]) {
        let counts = &self.ledger.counts;
        let name = "sentinel_service_restarts_total";
        text.family(name, "counter", "Starts of runs after the first, by cause.");
        for ((service, cause), count) in &counts.restarts {
            text.sample(name, &[("service", service), ("cause", cause)], *count as f64);
        }
        let name = "sentinel_service_oom_kills_total";
        text.family(name, "counter", "Ends by the kernel's OOM killer.");
        for service in services {
            let count = counts.oom.get(&service.name).copied().unwrap_or(0);
            text.sample(name, &[("service", &service.name)], count as f64);
        }
        let name = "sentinel_service_probes_total";
        text.family(name, "counter", "Answers of the health probe.");
        for (service, (good, bad)) in &counts.probes {
            text.sample(name, &[("service", service), ("result", "good")], *good as f64);
            text.sample(name, &[("service", service), ("result", "bad")], *bad as f64);
        }
        let name = "sentinel_service_cpu_seconds_total";
        text.family(
            name,
            "counter",
            "CPU time of the service's first process, of its present run.",
        );
        for service in services {
            if let Some(seconds) = service.pid.and_then(|pid| self.usage.cpu_seconds(pid)) {
                text.sample(name, &[("service", &service.name)], seconds);
            }
        }
    }
}

fn service_metrics(text: &mut Text, services: &[Service]) {
    let name = "sentinel_service_state";
    text.family(
        name,
        "gauge",
        "1 for the state that the service is in, 0 for the others.",
    );
    for service in services {
        for state in STATES {
            let is = f64::from(u8::from(service.state == state));
            text.sample(name, &[("service", &service.name), ("state", state.as_str())], is);
        }
    }
    gauge(
        text,
        services,
        "sentinel_service_wanted",
        "Whether it should run.",
        |service| Some(f64::from(u8::from(service.wanted))),
    );
    gauge(
        text,
        services,
        "sentinel_service_healthy",
        "What its health probe said last.",
        |service| match service.health.status {
            HealthStatus::Healthy => Some(1.0),
            HealthStatus::Unhealthy => Some(0.0),
            HealthStatus::Starting | HealthStatus::None | HealthStatus::Unknown => None,
        },
    );
    gauge(
        text,
        services,
        "sentinel_service_uptime_seconds",
        "Time since its present run began.",
        |service| service.uptime_s,
    );
    gauge(
        text,
        services,
        "sentinel_service_memory_bytes",
        "Resident memory of its first process.",
        |service| service.memory_bytes.map(|bytes| bytes as f64),
    );
    gauge(
        text,
        services,
        "sentinel_service_probe_latency_seconds",
        "How long the last answer of its health probe took.",
        |service| service.health.latency_ms.map(|ms| ms / 1e3),
    );
}

fn gauge(
    text: &mut Text,
    services: &[Service],
    name: &str,
    help: &str,
    value: impl Fn(&Service) -> Option<f64>,
) {
    text.family(name, "gauge", help);
    for service in services {
        if let Some(value) = value(service) {
            text.sample(name, &[("service", &service.name)], value);
        }
    }
}
