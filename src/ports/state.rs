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

#[cfg(test)]
mod tests {
    use super::port_state;
    use crate::api::PortState;
    use crate::ports::{Holder, Listener, Ownership};
    use crate::process::Identity;
    use std::net::Ipv4Addr;

    const PORT: u16 = 8765;

    /// Pid 1 is `stream`'s, 2 `proxy`'s, 3 a stray, others foreign; each list is one socket.
    fn state(runs: bool, sockets: &[&[i32]]) -> (PortState, Option<i32>) {
        let holder = |&pid: &i32| Holder {
            identity: Identity { pid, start: 1 },
            command: "x".into(),
            uid: 0,
        };
        let listener = |pids: &&[i32]| Listener {
            port: PORT,
            address: Ipv4Addr::LOCALHOST.into(),
            uid: 0,
            inode: 1,
            holders: pids.iter().map(holder).collect(),
        };
        let owner = |holder: &Holder| match holder.identity.pid {
            pid @ 1..=2 => Ownership::Managed {
                service: if pid == 1 { "stream" } else { "proxy" }.into(),
                run: 1,
            },
            3 => Ownership::Stray {
                service: "stream".into(),
            },
            _ => Ownership::Foreign,
        };
        let listeners: Vec<Listener> = sockets.iter().map(listener).collect();
        let (state, holder) = port_state(PORT, "stream", runs, &listeners, owner);
        (state, holder.map(|holder| holder.identity.pid))
    }

    /// Whether the service runs, the pids on each socket; the state, and the pid to name.
    type Case<'a> = (bool, &'a [&'a [i32]], PortState, Option<i32>);

    #[test]
    fn the_worst_holder_decides() {
        let cases: [Case<'_>; 10] = [
            (true, &[], PortState::Down, None),
            (false, &[], PortState::Free, None),
            (true, &[&[1]], PortState::Ok, Some(1)),
            (true, &[&[2]], PortState::Stray, Some(2)),
            (false, &[&[3]], PortState::Stray, Some(3)),
            (true, &[&[1, 3]], PortState::Stray, Some(3)),
            (true, &[&[9]], PortState::Foreign, Some(9)),
            (true, &[&[9], &[1]], PortState::Foreign, Some(9)),
            (true, &[&[1], &[9]], PortState::Foreign, Some(9)),
            (true, &[&[], &[1]], PortState::Foreign, None),
        ];
        for (runs, sockets, expected, pid) in cases {
            assert_eq!(state(runs, sockets), (expected, pid), "{sockets:?}");
        }
    }
}
