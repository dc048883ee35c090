//! What the system page says of each situation.

use super::{Tone, View};
use crate::status::Status;
use crate::supervisor::NoAnswer;
use serde_json::{Value, json};

fn view(status: &Value) -> View {
    let status: Status = serde_json::from_value(status.clone()).expect("a status");
    View::of(&status, "2026-01-05T15:00:00Z".parse().expect("a time"))
}

fn service(name: &str, state: &str, health: &str, wanted: bool) -> Value {
    json!({"name": name, "state": state, "health": {"status": health}, "wanted": wanted})
}

#[test]
fn trouble_comes_first_and_is_the_headline() {
    let view = view(&json!({"services": [
        service("well", "RUNNING", "healthy", true),
        service("done", "EXITED", "unknown", false),
        service("off", "STOPPED", "unknown", false),
        service("slow", "STARTING", "starting", true),
        service("blocked", "STOPPED", "unknown", true),
        service("ill", "RUNNING", "unhealthy", true),
        service("gone", "FATAL", "unknown", true),
        service("ended", "EXITED", "unknown", true),
    ]}));
    let names: Vec<&str> = view.services.iter().map(|row| row.name.as_str()).collect();
    assert_eq!(
        names,
        ["blocked", "ill", "gone", "ended", "off", "slow", "well", "done"]
    );
    assert_eq!(view.tone, Tone::Bad);
    assert_eq!(view.headline, "blocked, ill, gone and ended need you");
}

#[test]
fn the_headline_says_the_worst_only() {
    let of = |services: Value| {
        let view = view(&json!({ "services": services }));
        (view.tone, view.headline)
    };
    let well = service("a", "RUNNING", "none", true);
    let mut losing = service("b", "RUNNING", "healthy", true);
    losing["log_loss"] = "12 bytes were not logged: disk full".into();
    assert_eq!(of(json!([])), (Tone::Idle, "Nothing is meant to run".into()));
    assert_eq!(of(json!([well])), (Tone::Good, "a runs and is well".into()));
    assert_eq!(
        of(json!([well, well])),
        (Tone::Good, "All 2 services run and are well".into())
    );
    assert_eq!(of(json!([well, losing])), (Tone::Warn, "b needs you".into()));
    let off = service("d", "STOPPED", "unknown", false);
    assert_eq!(of(json!([well, off])), (Tone::Warn, "d is stopped".into()));
    assert_eq!(of(json!([off, off])), (Tone::Warn, "d and d are stopped".into()));
    assert_eq!(of(json!([off, losing])), (Tone::Warn, "d and b need you".into()));
    let starting = service("c", "RUNNING", "starting", true);
    assert_eq!(of(json!([well, starting])), (Tone::Busy, "c on the way".into()));
}

#[test]
fn health_is_told_in_words() {
    let words = |health: Value| {
        let service = json!({"name": "a", "state": "RUNNING", "health": health});
        view(&json!({"services": [service]})).services[0].health.clone()
    };
    assert_eq!(
        words(json!({"status": "healthy", "latency_ms": 0.84})),
        "healthy, 0.8 ms"
    );
    assert_eq!(
        words(json!({"status": "unhealthy", "error": "no answer within 2 s"})),
        "unhealthy: no answer within 2 s"
    );
    assert_eq!(words(json!({"status": "none"})), "no probe declared");
    assert_eq!(words(json!({"status": "starting"})), "not asked yet");
    assert_eq!(words(json!({"status": "unknown"})), "not asked: not running");
}

#[test]
fn a_port_that_another_holds_names_the_holder() {
    let view = view(&json!({
        "services": [{"name": "a", "state": "RUNNING", "ports": [8765, 8766, 8767]}],
        "ports": [
            {"port": 8765, "state": "ok", "pid": 1, "command": "a"},
            {"port": 8766, "state": "foreign", "pid": 7, "command": "python3"},
        ],
    }));
    assert_eq!(
        view.services[0].ports,
        "8765, 8766 (foreign: python3, pid 7), 8767"
    );
}

#[test]
fn without_a_supervisor_the_page_says_what_to_do() {
    let view = View::without(&NoAnswer::Absent);
    assert_eq!(view.headline, "There is no supervisor.");
    assert_eq!(view.detail, "On the host: sentinel start");
    assert_eq!(view.tone, Tone::Bad);
}
