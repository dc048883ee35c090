//! Declarations for tests: short times, few restarts, a health check.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::service::{
    Health, OnUnhealthy, Probe, Recovery, RestartPolicy, ServiceName, Spec, Stop, StopSignal, Via,
};

/// How long every test service may take to get ready.
pub const START_TIMEOUT: Duration = Duration::from_secs(3);
/// How long every test service has between its stop signal and SIGKILL.
pub const GRACE: Duration = Duration::from_secs(2);
/// When a run of a test service counts as proven.
pub const MIN_UPTIME: Duration = Duration::from_secs(1);

/// A name that is known to be valid.
pub fn name(text: &str) -> ServiceName {
    ServiceName::parse(text).expect("tests use valid names")
}

/// Several of them, split at blanks.
pub fn names(text: &str) -> Vec<ServiceName> {
    text.split_whitespace().map(name).collect()
}

/// A service that is always restarted, at most twice in a row.
pub fn spec(service: &str, after: &str) -> Spec {
    Spec {
        name: name(service),
        command: vec![service.to_owned()],
        cwd: PathBuf::from("/"),
        env: Arc::default(),
        ports: Vec::new(),
        sockets: Vec::new(),
        after: names(after),
        group: None,
        autostart: true,
        restart: RestartPolicy::Always,
        min_uptime: MIN_UPTIME,
        start_timeout: START_TIMEOUT,
        max_restarts: 2,
        recovery: Arc::new(Recovery {
            window: Duration::ZERO,
            retry_fatal: None,
            ..Recovery::default()
        }),
        watch: Vec::new(),
        ready: None,
        health: Some(health("one")),
        stop: Stop {
            signal: StopSignal::TERM,
            timeout: GRACE,
        },
        log: Arc::default(),
        rights: Arc::default(),
        memory_max: None,
        watchdog: None,
    }
}

/// A health check, told from others by its address.
pub fn health(address: &str) -> Box<Health> {
    Box::new(Health {
        probe: Probe::Tcp {
            address: address.to_owned(),
        },
        every: Duration::from_secs(10),
        timeout: Duration::from_secs(2),
        failures: 3,
        on_unhealthy: OnUnhealthy::Restart,
        via: Via::default(),
    })
}

/// The same service as another program.
pub fn changed(old: &Spec, version: &str) -> Spec {
    Spec {
        command: vec![version.to_owned()],
        ..old.clone()
    }
}

/// The same service under another policy.
pub fn policy(old: &Spec, restart: RestartPolicy) -> Spec {
    Spec {
        restart,
        ..old.clone()
    }
}

/// As the machine takes them.
pub fn shared(specs: &[Spec]) -> Vec<Arc<Spec>> {
    specs.iter().cloned().map(Arc::new).collect()
}
