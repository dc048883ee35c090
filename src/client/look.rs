//! The full look from outside: what the supervisor says, what the probes answer now, who holds the ports.

use std::time::Duration;

use futures_util::future::join_all;

use crate::api::{
    Health, HealthStatus, Hop, Port, PortState, Service, State, Status, Supervisor, SupervisorState,
};
use crate::config::Config;
use crate::exit::ExitCode;
use crate::probe::{self, Checked, HopAnswer};
use crate::selector::{self, Candidate};
use crate::service::Spec;

use super::connection::{Connection, NoAnswer};
use super::error::Error;
use super::holders;
use super::house;
use super::place::ServicePlace;
use crate::verdict::{self, Concern};

/// How often to look while runs come and go between one half of a look and the other.
const LOOKS: usize = 3;

/// One look at a house.
#[derive(Clone, Debug)]
pub struct Look {
    /// What there is to see.
    pub status: Status,
    /// What it means, for each service.
    pub concerns: Vec<Concern>,
    /// The operation because of which nobody answers, in words.
    pub under_way: Option<String>,
}

impl Look {
    /// Looks now. The supervisor has `within` time to answer, then the probes, all side by side.
    ///
    /// # Errors
    /// When the way to the supervisor is barred.
    pub async fn at(config: &Config, within: Duration) -> Result<Self, Error> {
        let mut look = Self::once(config, within).await?;
        for _ in 1..LOOKS {
            if !look.is_overtaken(config, within).await? {
                break;
            }
            look = Self::once(config, within).await?;
        }
        Ok(look)
    }

    /// What the supervisor knows and who holds the ports, with no question asked of any service: for those who
    /// look again and again.
    ///
    /// # Errors
    /// When the way to the supervisor is barred.
    pub async fn glance(config: &Config) -> Result<Self, Error> {
        let (status, under_way) = ask_supervisor(config, Duration::MAX).await?;
        Self::with_ports(config, status, under_way)
    }

    /// The last of every look: who holds the ports, and what it all means.
    fn with_ports(config: &Config, mut status: Status, under_way: Option<String>) -> Result<Self, Error> {
        status.ports = holders::of_ports(config, &status)?;
        Ok(Self {
            under_way,
            ..Self::of(status)
        })
    }

    /// What this status means: all of it was looked at.
    #[must_use]
    pub fn of(status: Status) -> Self {
        Self {
            concerns: verdict::concerns(&status),
            status,
            under_way: None,
        }
        .judged()
    }

    /// Whether a run began or ended between the supervisor's answer and the look at the ports: the new run
    /// would pass for a leftover of the old one.
    async fn is_overtaken(&self, config: &Config, within: Duration) -> Result<bool, Error> {
        let strange = |port: &Port| {
            matches!(
                port.state,
                PortState::Stray | PortState::Down | PortState::Foreign
            )
        };
        if !self.status.ports.iter().any(strange) {
            return Ok(false);
        }
        let (now, _) = ask_supervisor(config, within).await?;
        let runs = |status: &Status| -> Vec<(u64, Option<i32>)> {
            status
                .services
                .iter()
                .map(|service| (service.run, service.pid))
                .collect()
        };
        // Between fork and exec, a child of the supervisor holds all that the supervisor does.
        Ok(runs(&now) != runs(&self.status) || holders::of_ports(config, &now)? != self.status.ports)
    }

    async fn once(config: &Config, within: Duration) -> Result<Self, Error> {
        let (mut status, under_way) = ask_supervisor(config, within).await?;
        let supervised = status.supervisor.state == SupervisorState::Running;
        let probes = status
            .services
            .iter_mut()
            .map(|service| look_at_health(service, config, supervised, within));
        join_all(probes).await;
        if status.supervisor.state == SupervisorState::Absent {
            status.services.iter_mut().for_each(disown);
        }
        Self::with_ports(config, status, under_way)
    }

    /// The exit code that it means.
    #[must_use]
    pub fn exit_code(&self) -> ExitCode {
        verdict::exit_code(self.status.supervisor.state, &self.concerns)
    }

    /// Only the services that these words mean, and their ports; all without a word. What they mean was seen with
    /// all in view.
    ///
    /// # Errors
    /// The first word that means no service.
    pub fn only(mut self, words: &[String]) -> Result<Self, Error> {
        if words.is_empty() {
            return Ok(self);
        }
        let known: Vec<Candidate<'_>> = self
            .status
            .services
            .iter()
            .map(|service| (service.name.as_str(), service.group.as_deref()))
            .collect();
        let names = selector::select_all(words, &known).map_err(|none| Error::unmatched(&none))?;
        let kept: Vec<(Service, Concern)> = self
            .status
            .services
            .into_iter()
            .zip(self.concerns)
            .filter(|(service, _)| names.contains(&service.name))
            .collect();
        (self.status.services, self.concerns) = kept.into_iter().unzip();
        self.status.ports.retain(|port| names.contains(&port.service));
        Ok(self.judged())
    }

    fn judged(mut self) -> Self {
        self.status.ok = self.exit_code() == ExitCode::Ok;
        self
    }
}

/// What the supervisor knows, for those who must not guess: a supervisor that hangs is an error.
///
/// # Errors
/// When it does not answer.
pub async fn supervised(config: &Config) -> Result<Status, Error> {
    let (status, _) = ask_supervisor(config, Duration::MAX).await?;
    match status.supervisor.state {
        SupervisorState::Running | SupervisorState::Absent => Ok(status),
        SupervisorState::Unresponsive => Err(Error::unresponsive(status.supervisor.pid)),
    }
}

async fn ask_supervisor(config: &Config, within: Duration) -> Result<(Status, Option<String>), Error> {
    let answer = match Connection::open_within(&config.paths, within).await {
        Ok(connection) => connection.status().await,
        Err(no_answer) => Err(no_answer),
    };
    let (state, pid, under_way) = match answer {
        Ok(mut status) => {
            // By the name that the caller knows it by, wherever the supervisor was started.
            status.supervisor.config = house::shown(&config.paths);
            return Ok((status, None));
        }
        Err(NoAnswer::Absent | NoAnswer::Ended) => (SupervisorState::Absent, None, None),
        Err(NoAnswer::Unresponsive(pid)) => (SupervisorState::Unresponsive, pid, None),
        Err(NoAnswer::Busy(held, None)) => (SupervisorState::Absent, None, Some(held.holder())),
        Err(NoAnswer::Busy(held, pid)) => (SupervisorState::Unresponsive, pid, Some(held.holder())),
        Err(other @ (NoAnswer::Refused(_) | NoAnswer::Barred(_) | NoAnswer::Io(_))) => {
            return Err(other.into());
        }
    };
    Ok((unsupervised(config, state, pid), under_way))
}

/// What services.toml declares, when nobody can say what runs.
fn unsupervised(config: &Config, state: SupervisorState, pid: Option<i32>) -> Status {
    Status {
        ok: false,
        supervisor: Supervisor {
            state,
            pid,
            version: env!("CARGO_PKG_VERSION").into(),
            uptime_s: None,
            config: house::shown(&config.paths),
            upgrades: 0,
            outdated: false,
        },
        services: config
            .services
            .iter()
            .map(|spec| unsupervised_service(spec, state))
            .collect(),
        ports: Vec::new(),
        schedules: super::command::schedule::unsupervised(config),
        alerts: None,
        events: Vec::new(),
        web: None,
    }
}

fn unsupervised_service(spec: &Spec, supervisor: SupervisorState) -> Service {
    let reason = match supervisor {
        SupervisorState::Unresponsive => "not known: the supervisor does not answer",
        SupervisorState::Absent | SupervisorState::Running => "there is no supervisor",
    };
    Service {
        name: spec.name.to_string(),
        group: spec.group.clone(),
        state: State::Stopped,
        pid: None,
        uptime_s: None,
        restarts: 0,
        last_exit: None,
        reason: Some(reason.into()),
        last_cause: None,
        retry_in_s: None,
        cpu_percent: None,
        memory_bytes: None,
        ports: spec.ports.clone(),
        health: Health::unasked(HealthStatus::None, None),
        run: 0,
        wanted: false,
        autostart: spec.autostart,
        log_loss: None,
        errors: crate::api::Errors::default(),
        log: crate::api::Log::default(),
        status_text: None,
        reloading: false,
        tree_memory_bytes: None,
    }
}

/// Without a supervisor, whatever answers is not a run of this service.
fn disown(service: &mut Service) {
    if service.health.status == HealthStatus::Healthy {
        service.reason =
            Some("there is no supervisor; its probe is answered by an unsupervised process".into());
    }
}

/// Asks the probe of a service that runs, or that may run without a supervisor.
async fn look_at_health(service: &mut Service, config: &Config, supervised: bool, within: Duration) {
    let Some(spec) = house::spec(config, &service.name) else {
        // Gone from services.toml, not yet from the supervisor: its last word stands.
        return;
    };
    let Some(health) = &spec.health else {
        service.health = Health::unasked(HealthStatus::None, None);
        return;
    };
    let kind = Some(health.probe.kind());
    service.health = match (supervised, service.state) {
        (true, State::Starting) => Health::unasked(HealthStatus::Starting, kind),
        (true, State::Stopped | State::Backoff | State::Stopping | State::Exited | State::Fatal) => {
            Health::unasked(HealthStatus::Unknown, kind)
        }
        (true, State::Running) | (false, _) => {
            let place = ServicePlace::of(spec);
            let checked = probe::check_all(&service.name, health, &place, within).await;
            from_answer(checked, health.probe.kind())
        }
    };
}

fn from_answer(checked: Checked, kind: &str) -> Health {
    Health {
        status: status_of(checked.is_good()),
        kind: Some(kind.to_owned()),
        latency_ms: Some(milliseconds(checked.answer.latency)),
        detail: checked.detail().cloned(),
        hops: checked.hops.iter().map(from_hop).collect(),
        error: checked.error,
    }
}

fn from_hop(hop: &HopAnswer) -> Hop {
    Hop {
        name: hop.name.clone(),
        kind: hop.kind.into(),
        status: status_of(hop.answer.is_good()),
        latency_ms: milliseconds(hop.answer.latency),
        error: hop.answer.outcome.as_ref().err().map(ToString::to_string),
    }
}

fn status_of(good: bool) -> HealthStatus {
    if good {
        HealthStatus::Healthy
    } else {
        HealthStatus::Unhealthy
    }
}

/// Microseconds are noise in a document that people read.
fn milliseconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 100_000.0).round() / 100.0
}
