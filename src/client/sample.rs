//! Made-up houses for tests.

use crate::api::{
    Health, HealthStatus, LastExit, Port, PortState, Service, State, Status, Supervisor, SupervisorState,
};

/// A service without ports and probe, up for 130 s if it runs.
pub fn service(name: &str, state: State, wanted: bool) -> Service {
    let lives = matches!(state, State::Running | State::Starting | State::Stopping);
    Service {
        name: name.to_owned(),
        group: None,
        state,
        pid: lives.then_some(4250),
        uptime_s: lives.then_some(130.0),
        restarts: 0,
        last_exit: None,
        reason: None,
        cpu_percent: lives.then_some(0.4),
        memory_bytes: lives.then_some(6_291_456),
        ports: Vec::new(),
        health: Health::unasked(HealthStatus::None, None),
        run: 1,
        wanted,
        autostart: true,
        log_loss: None,
        errors: crate::api::Errors::default(),
        log: crate::api::Log::default(),
        status_text: None,
        reloading: false,
        tree_memory_bytes: None,
        last_cause: None,
        retry_in_s: None,
    }
}

/// A house with a running supervisor.
pub fn status(services: Vec<Service>) -> Status {
    Status {
        ok: false,
        supervisor: Supervisor {
            state: SupervisorState::Running,
            pid: Some(4242),
            version: "0.1.0".into(),
            uptime_s: Some(132.5),
            config: "services.toml".into(),
            upgrades: 0,
            outdated: false,
        },
        services,
        schedules: Vec::new(),
        ports: Vec::new(),
        alerts: None,
        events: Vec::new(),
        web: None,
    }
}

/// A port; held by pid 77 unless nobody holds it.
pub fn port(number: u16, service: &str, state: PortState) -> Port {
    let held = !matches!(state, PortState::Free | PortState::Down);
    Port {
        port: number,
        service: service.to_owned(),
        state,
        pid: held.then_some(77),
        command: held.then(|| "python3".into()),
    }
}

/// The shipped house: three services, all well.
pub fn stream_house() -> Status {
    let detail = serde_json::json!({
        "type": "health", "alpaca_connected": true, "active_symbols": ["AAPL", "TSLA"], "total_clients": 3
    });
    let mut services = Vec::new();
    let mut ports = Vec::new();
    for (name, number, detail) in [
        ("market_sim", 8764, None),
        ("trade_stream", 8765, Some(detail.clone())),
        ("browser_proxy", 8766, Some(detail)),
    ] {
        let mut service = service(name, State::Running, true);
        service.ports = vec![number];
        service.health = Health {
            status: HealthStatus::Healthy,
            kind: Some("ws".into()),
            latency_ms: Some(0.84),
            error: None,
            detail,
            hops: Vec::new(),
        };
        services.push(service);
        ports.push(port(number, name, PortState::Ok));
    }
    Status {
        ports,
        ..status(services)
    }
}

/// The same with its second service given up and the third waiting for it.
pub fn fatal_house() -> Status {
    let mut status = stream_house();
    let [_, stream, proxy] = &mut status.services[..] else {
        unreachable!("three services")
    };
    *stream = Service {
        restarts: 5,
        ports: stream.ports.clone(),
        last_exit: Some(LastExit {
            code: Some(1),
            signal: None,
            at: "2026-11-21T08:41:02Z".into(),
            expected: false,
            oom: false,
        }),
        reason: Some("exit code 1, 5 times in a row, the last one after 12 ms".into()),
        health: Health::unasked(HealthStatus::Unknown, Some("ws")),
        ..service("trade_stream", State::Fatal, true)
    };
    *proxy = Service {
        ports: proxy.ports.clone(),
        reason: Some("waits for trade_stream".into()),
        health: Health::unasked(HealthStatus::Unknown, Some("ws")),
        ..service("browser_proxy", State::Stopped, true)
    };
    status.ports[1] = port(8765, "trade_stream", PortState::Foreign);
    status.ports[2] = port(8766, "browser_proxy", PortState::Free);
    status
}
