//! A probe's answer in a few words, the most important first.

use serde_json::Value;

use crate::api::{Health, HealthStatus, SupervisorState};

use super::words::{clean, count, latency};

/// `healthy 0.8 ms`, `AAPL +1`, `3 clients`: parts, so that a narrow column can keep the first ones.
#[must_use]
pub(super) fn parts(health: &Health, supervisor: SupervisorState) -> Vec<String> {
    match health.status {
        // Whoever answers is no run of a service: to call it healthy would be to vouch for a stranger.
        HealthStatus::Healthy if supervisor == SupervisorState::Absent => vec!["unsupervised answer".into()],
        HealthStatus::Healthy => {
            let taken = health
                .latency_ms
                .map(|ms| format!(" {}", latency(ms)))
                .unwrap_or_default();
            let mut parts = vec![format!("healthy{taken}")];
            parts.extend(health.detail.as_ref().map(stream_words).unwrap_or_default());
            parts
        }
        HealthStatus::Unhealthy if supervisor == SupervisorState::Running => vec!["unhealthy".into()],
        HealthStatus::Unhealthy => vec!["no answer".into()],
        HealthStatus::Starting => vec!["starting".into()],
        HealthStatus::None | HealthStatus::Unknown => vec!["-".into()],
    }
}

/// What a stream's `health` message tells a person.
fn stream_words(detail: &Value) -> Vec<String> {
    let symbols: Vec<&str> = detail["active_symbols"]
        .as_array()
        .map(|symbols| symbols.iter().filter_map(Value::as_str).collect())
        .unwrap_or_default();
    let symbols = match symbols[..] {
        [] => None,
        [only] => Some(clean(only).into_owned()),
        [first, ..] => Some(format!("{} +{}", clean(first), symbols.len() - 1)),
    };
    let clients = detail["total_clients"]
        .as_u64()
        .map(|number| count(number, "client"));
    trouble(detail)
        .into_iter()
        .chain(symbols)
        .chain(clients)
        .collect()
}

/// What a healthy stream waits for, up to the details: `slot held elsewhere, 40 s`.
fn trouble(detail: &Value) -> Option<String> {
    let reason = detail["reason"].as_str()?;
    let short = reason.split(':').next().unwrap_or_default().trim();
    (!short.is_empty()).then(|| clean(short).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn words(detail: Value) -> String {
        let health = Health {
            latency_ms: Some(0.8),
            detail: Some(detail),
            ..Health::unasked(HealthStatus::Healthy, None)
        };
        parts(&health, SupervisorState::Running).join(", ")
    }

    #[test]
    fn a_stream_is_told_by_its_symbols_and_clients() {
        assert_eq!(
            words(json!({"active_symbols": ["AAPL", "TSLA"], "total_clients": 3})),
            "healthy 0.8 ms, AAPL +1, 3 clients"
        );
        assert_eq!(
            words(json!({"active_symbols": [], "total_clients": 1})),
            "healthy 0.8 ms, 1 client"
        );
        assert_eq!(words(json!({"active_symbols": ["AAPL"]})), "healthy 0.8 ms, AAPL");
    }

    #[test]
    fn what_a_stream_waits_for_comes_before_its_symbols() {
        let reason = "slot held elsewhere, 40 s: another connection with this key holds the only place";
        assert_eq!(
            words(json!({"active_symbols": ["AAPL"], "reason": reason})),
            "healthy 0.8 ms, slot held elsewhere, 40 s, AAPL"
        );
    }

    #[test]
    fn other_answers_are_just_healthy() {
        for detail in [
            json!(null),
            json!("ok"),
            json!([1]),
            json!({"total_clients": "x", "active_symbols": 1}),
        ] {
            assert_eq!(words(detail), "healthy 0.8 ms");
        }
    }
}
