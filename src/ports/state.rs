//! PURE: what `status` says of an assigned port.

use super::listen::{Holder, Listener};
use super::ownership::Ownership;
use crate::api::PortState;

/// The state of a port that is assigned to `service`, and the holder to name.
///
/// `runs`: the service is up, so that its port should be held. The worst holder decides: a port that is
/// held by its service on one address and by a stranger on another is foreign. A socket whose holder we
/// may not see is foreign, without a name.
pub fn port_state<'a>(
    port: u16,
    service: &str,
    runs: bool,
    listeners: &'a [Listener],
    owner: impl Fn(&Holder) -> Ownership,
) -> (PortState, Option<&'a Holder>) {
    let mut worst = (if runs { PortState::Down } else { PortState::Free }, None);
    for listener in listeners.iter().filter(|listener| listener.port == port) {
        if listener.holders.is_empty() {
            worst = (PortState::Foreign, None);
        }
        for holder in &listener.holders {
            let state = match owner(holder) {
                Ownership::Managed { service: name, .. } if name == service => PortState::Ok,
                // A live run of another service is ours, but should not be here.
                Ownership::Managed { .. } | Ownership::Stray { .. } => PortState::Stray,
                Ownership::Foreign => PortState::Foreign,
            };
            if badness(state) > badness(worst.0) {
                worst = (state, Some(holder));
            }
        }
    }
    worst
}

fn badness(state: PortState) -> u8 {
    match state {
        PortState::Free | PortState::Down => 0,
        PortState::Ok => 1,
        PortState::Stray => 2,
        PortState::Foreign => 3,
    }
}
