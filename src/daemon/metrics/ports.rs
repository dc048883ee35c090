//! Who holds the assigned ports, for the metrics.

use super::exposition::Text;
use crate::api::{Port, PortState};

/// Every state of a port.
const STATES: [(PortState, &str); 5] = [
    (PortState::Ok, "ok"),
    (PortState::Free, "free"),
    (PortState::Stray, "stray"),
    (PortState::Foreign, "foreign"),
    (PortState::Down, "down"),
];

/// One sample for each port and state.
pub(super) fn metrics(text: &mut Text, seen: &[Port]) {
    let name = "sentinel_port_state";
    text.family(
        name,
        "gauge",
        "1 for the state that the assigned port is in, 0 for the others.",
    );
    for one in seen {
        for (state, word) in STATES {
            let port = one.port.to_string();
            let labels = [
                ("port", port.as_str()),
                ("service", one.service.as_str()),
                ("state", word),
            ];
            text.sample(name, &labels, f64::from(u8::from(one.state == state)));
        }
    }
}
