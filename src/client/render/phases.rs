//! A transaction's phases and its end, in lines.

use crate::client::transaction::PhaseRecord;

use super::words::{clean, count, seconds};

/// `flush: 3 ports were free, 0.0 s`.
#[must_use]
pub fn phase_line(phase: &PhaseRecord) -> String {
    let word = phase.phase.as_str();
    let detail = match (&phase.detail, phase.ok) {
        (Some(detail), true) => clean(detail).into_owned(),
        (Some(detail), false) => format!("failed: {}", clean(detail)),
        (None, true) => "ok".into(),
        (None, false) => "failed".into(),
    };
    format!("{word}: {detail}, {}", seconds(phase.took_ms))
}

/// `restarted 3 services in 0.7 s (stop 0.1, flush 0.0, start 0.4, verify 0.1)`.
#[must_use]
pub fn summary(done: &str, services: usize, took_ms: f64, phases: &[PhaseRecord]) -> String {
    let parts: Vec<String> = phases
        .iter()
        .map(|phase| format!("{} {:.1}", phase.phase.as_str(), phase.took_ms / 1000.0))
        .collect();
    let parts = if parts.len() > 1 {
        format!(" ({})", parts.join(", "))
    } else {
        String::new()
    };
    let services = count(services as u64, "service");
    format!("{done} {services} in {}{parts}", seconds(took_ms))
}
