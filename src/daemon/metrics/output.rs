//! What the services wrote: bytes, losses and error lines, for the metrics.

use super::exposition::Text;
use crate::api::{Log, Service};

/// One family of samples: its name, what it means, where the number stands.
type Family = (&'static str, &'static str, fn(&Log) -> u64);

/// Counted since this supervisor took the service over.
const COUNTERS: [Family; 3] = [
    (
        "sentinel_log_bytes_total",
        "Bytes that were written to the service's logs since the supervisor began.",
        |log| log.written_bytes,
    ),
    (
        "sentinel_log_lost_bytes_total",
        "Bytes of the service's output that no log could take since the supervisor began: a full disk.",
        |log| log.lost_bytes,
    ),
    ("sentinel_log_lost_lines_total", "Lines among them.", |log| {
        log.lost_lines
    }),
];

/// All of them, for each service.
pub(super) fn metrics(text: &mut Text, services: &[Service]) {
    for (name, help, number) in COUNTERS {
        text.family(name, "counter", help);
        for service in services {
            text.sample(name, &[("service", &service.name)], number(&service.log) as f64);
        }
    }
    let name = "sentinel_service_error_lines";
    text.family(
        name,
        "gauge",
        "Lines of its output that told of an error, in its present or last run.",
    );
    for service in services {
        text.sample(name, &[("service", &service.name)], service.errors.count as f64);
    }
}
