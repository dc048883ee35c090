//! A transaction's phases and its end, in lines.

use crate::api::{Ended, Phase};
use crate::client::transaction::PhaseRecord;

use super::words::{clean, count, seconds};

/// `flush: 3 ports were free, 0.0 s`.
#[must_use]
pub fn phase_line(phase: &PhaseRecord) -> String {
    let word = phase.phase.as_str();
    let detail = match (&phase.detail, phase.ok) {
        (Some(detail), true) => clean(detail).into_owned(),
        // The error that ends the whole follows, with all of it.
        (Some(_), false) if phase.phase == Phase::Check => "failed".into(),
        (Some(detail), false) => format!("failed: {}", clean(detail)),
        (None, true) => "ok".into(),
        (None, false) => "failed".into(),
    };
    format!("{word}: {detail}, {}", seconds(phase.took_ms))
}

/// `ended chaos (pid 12) by SIGKILL: carries the mark of web#3`.
#[must_use]
pub fn ended_line(ended: &Ended) -> String {
    let Ended {
        pid,
        command,
        signal,
        proof,
    } = ended;
    format!(
        "ended {} (pid {pid}) by {signal}: {}",
        clean(command),
        clean(proof)
    )
}

/// `restarted 3 services in 0.7 s (stop 0.1, flush 0.0, start 0.4, verify 0.1)`.
#[must_use]
pub fn summary(done: &str, services: usize, took_ms: f64, phases: &[PhaseRecord]) -> String {
    let parts: Vec<String> = phases
        .iter()
        .filter(|phase| is_worth_telling(phase))
        .map(|phase| format!("{} {:.1}", phase.phase.as_str(), phase.took_ms / 1000.0))
        .collect();
    let parts = if parts.len() > 1 {
        format!(" ({})", parts.join(", "))
    } else {
        String::new()
    };
    let services = if services == 0 {
        "nothing".into()
    } else {
        count(services as u64, "service")
    };
    format!("{done} {services} in {}{parts}", seconds(took_ms))
}

/// Nobody asked for some phases: they are news only when they take time or find something.
#[must_use]
pub fn is_worth_telling(phase: &PhaseRecord) -> bool {
    match phase.phase {
        // Without a supervisor there is nothing to stop, however long it took to see that.
        Phase::Stop => phase.detail.is_some() || !phase.ok,
        Phase::Check | Phase::Leftovers => phase.took_ms >= 50.0 || phase.detail.is_some() || !phase.ok,
        Phase::Flush | Phase::Start | Phase::Handover | Phase::Verify => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn phase(phase: Phase, took_ms: f64) -> PhaseRecord {
        PhaseRecord {
            phase,
            ok: true,
            took_ms,
            detail: None,
        }
    }

    #[test]
    fn the_last_line_says_where_the_time_went() {
        let phases = [
            phase(Phase::Check, 4.0),
            PhaseRecord {
                detail: Some("the supervisor is down".into()),
                ..phase(Phase::Stop, 110.0)
            },
            phase(Phase::Leftovers, 8.0),
            phase(Phase::Flush, 3.0),
            phase(Phase::Start, 420.0),
            phase(Phase::Verify, 90.0),
        ];
        assert_eq!(
            summary("restarted", 3, 700.0, &phases),
            "restarted 3 services in 0.7 s (stop 0.1, flush 0.0, start 0.4, verify 0.1)"
        );
        assert_eq!(
            summary("reloaded: changed", 0, 4.0, &[]),
            "reloaded: changed nothing in 0.00 s"
        );
        assert_eq!(summary("stopped", 1, 110.0, &[]), "stopped 1 service in 0.1 s");
    }

    #[test]
    fn a_phase_that_failed_says_so() {
        let failed = PhaseRecord {
            ok: false,
            detail: Some("web: exit code 1".into()),
            ..phase(Phase::Start, 2100.0)
        };
        assert_eq!(phase_line(&failed), "start: failed: web: exit code 1, 2.1 s");
    }
}
