//! PURE: what may be done about each holder of a port, and the sentence that says why not.

use super::forwarder::held_for;
use super::listen::{Holder, Listener};
use super::ownership::Ownership;
use crate::process::{Identity, Table};
use std::collections::BTreeSet;

/// Ports below this one are the system's.
const FIRST_USER_PORT: u16 = 1024;

/// Who asks: what it may signal, and whom it must not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// Its effective user; 0 may signal anybody.
    pub euid: u32,
    /// Its own pid and those of its ancestors.
    pub lineage: Vec<i32>,
}

impl Caller {
    /// This process.
    #[must_use]
    pub fn current(table: &Table) -> Caller {
        let me = rustix::process::getpid().as_raw_nonzero().get();
        let ancestors = table.ancestors(me);
        Caller {
            euid: rustix::process::geteuid().as_raw(),
            lineage: std::iter::once(me)
                .chain(ancestors.iter().map(|process| process.pid))
                .collect(),
        }
    }
}

/// What flushing must respect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    /// Ports that are never touched (`protected_ports`).
    pub protected: Vec<u16>,
    /// Leave holders alone that belong to a live run (`--strays`).
    pub spare_managed: bool,
    /// Who asks.
    pub caller: Caller,
}

/// What is to happen to one port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortPlan {
    /// The port.
    pub port: u16,
    /// The sockets that listen on it, by inode.
    pub sockets: BTreeSet<u64>,
    /// Who holds them.
    pub holders: Vec<PlannedHolder>,
    /// The judgement.
    pub verdict: Verdict,
}

/// One holder of a port, judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedHolder {
    /// Which process.
    pub identity: Identity,
    /// Its command, for people.
    pub command: String,
    /// Whose it is.
    pub ownership: Ownership,
}

/// The judgement on a port. One holder that must not go saves all: the port would not be free anyway.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum Verdict {
    /// Nobody listens.
    Free,
    /// Only live runs hold it, and they are to be spared.
    Spare,
    /// Its holders may go: managed ones through the supervisor, the others by signals.
    Clear,
    /// It is not to be touched, for this reason.
    Refuse(String),
}

/// Judges one port. `owner` says whose a holder is.
pub fn judge(
    port: u16,
    listeners: &[Listener],
    owner: impl Fn(&Holder) -> Ownership,
    rules: &Rules,
) -> PortPlan {
    let sockets: Vec<&Listener> = listeners
        .iter()
        .filter(|listener| listener.port == port)
        .collect();
    let mut holders: Vec<(&Holder, Ownership)> = Vec::new();
    for holder in sockets.iter().flat_map(|socket| &socket.holders) {
        if holders.iter().all(|(known, _)| known.identity != holder.identity) {
            holders.push((holder, owner(holder)));
        }
    }
    let verdict = match refusal(port, &sockets, &holders, rules) {
        Some(reason) => Verdict::Refuse(reason),
        None if sockets.is_empty() => Verdict::Free,
        None if holders.iter().all(|(_, owner)| rules.spares(owner)) => Verdict::Spare,
        None => Verdict::Clear,
    };
    let planned = |(holder, ownership): (&Holder, Ownership)| PlannedHolder {
        identity: holder.identity,
        command: holder.command.clone(),
        ownership,
    };
    PortPlan {
        port,
        sockets: sockets.iter().map(|socket| socket.inode).collect(),
        holders: holders.into_iter().map(planned).collect(),
        verdict,
    }
}

impl Rules {
    /// Whether such a holder stays.
    #[must_use]
    pub fn spares(&self, owner: &Ownership) -> bool {
        self.spare_managed && matches!(owner, Ownership::Managed { .. })
    }
}

/// Why the port is not to be touched, if so.
fn refusal(
    port: u16,
    sockets: &[&Listener],
    holders: &[(&Holder, Ownership)],
    rules: &Rules,
) -> Option<String> {
    if port < FIRST_USER_PORT {
        return Some(format!(
            "port {port} is below 1024: the system's ports are never flushed"
        ));
    }
    if rules.protected.contains(&port) {
        return Some(format!("port {port} is listed in protected_ports"));
    }
    if let Some(socket) = sockets.iter().find(|socket| socket.holders.is_empty()) {
        return Some(unknown_owner(socket, rules));
    }
    holders
        .iter()
        .filter(|(_, owner)| !rules.spares(owner))
        .find_map(|(holder, owner)| untouchable(port, holder, owner, &rules.caller))
}

fn unknown_owner(socket: &Listener, rules: &Rules) -> String {
    let (port, uid) = (socket.port, socket.uid);
    let way_out = if rules.caller.euid == 0 {
        "it is the kernel's or belongs to a process outside of this container"
    } else {
        "run the command as root to see it"
    };
    format!(
        "port {port} is held by a process that we may not see (its socket belongs to user id {uid}): {way_out}"
    )
}

/// Why this holder is not to be ended, if so.
fn untouchable(port: u16, holder: &Holder, owner: &Ownership, caller: &Caller) -> Option<String> {
    let (pid, command) = (holder.identity.pid, &holder.command);
    let held = format!("port {port} is held by `{command}` (pid {pid})");
    if pid == 1 {
        return Some(format!(
            "{held}, the first process of the system: stop what it holds the port for"
        ));
    }
    if caller.lineage.contains(&pid) {
        return Some(format!(
            "{held}, which this command runs under: run it from elsewhere"
        ));
    }
    if let Ownership::Managed { .. } = owner {
        return None;
    }
    if holder.uid != caller.euid && caller.euid != 0 {
        return Some(format!(
            "{held}, a process of user id {}: run the command as that user or as root",
            holder.uid
        ));
    }
    let (whom, instead) = match owner {
        Ownership::Foreign => held_for(command)?,
        Ownership::Managed { .. } | Ownership::Stray { .. } => return None,
    };
    Some(format!("{held}, which holds it for {whom}: {instead}"))
}

#[cfg(test)]
mod tests {
    use super::{Caller, PortPlan, Rules, Verdict, judge};
    use crate::ports::{Holder, Listener, Ownership};
    use crate::process::Identity;
    use std::net::Ipv4Addr;

    fn holder(pid: i32, command: &str, uid: u32) -> Holder {
        Holder {
            identity: Identity { pid, start: 1 },
            command: command.into(),
            uid,
        }
    }

    fn listener(port: u16, inode: u64, holders: Vec<Holder>) -> Listener {
        Listener {
            port,
            address: Ipv4Addr::LOCALHOST.into(),
            uid: 1000,
            inode,
            holders,
        }
    }

    fn rules(euid: u32) -> Rules {
        Rules {
            protected: vec![5000, 7000],
            spare_managed: false,
            caller: Caller {
                euid,
                lineage: vec![900, 800, 1],
            },
        }
    }

    /// Pids 10 to 19 are the live run's, 20 to 29 are strays, all others foreign.
    fn owner(holder: &Holder) -> Ownership {
        match holder.identity.pid {
            10..20 => Ownership::Managed {
                service: "stream".into(),
                run: 4,
            },
            20..30 => Ownership::Stray {
                service: "stream".into(),
            },
            _ => Ownership::Foreign,
        }
    }

    fn plan(port: u16, holders: Vec<Holder>, rules: &Rules) -> PortPlan {
        judge(port, &[listener(port, 1, holders)], owner, rules)
    }

    #[test]
    fn a_port_is_refused_with_the_reason() {
        let user = 1000;
        let cases = [
            (80, holder(50, "nginx", user), user, "below 1024"),
            (1023, holder(20, "x", user), 0, "below 1024"),
            (5000, holder(20, "x", user), 0, "protected_ports"),
            (7000, holder(10, "x", user), 0, "protected_ports"),
            (8765, holder(50, "x", 33), user, "user id 33"),
            (8765, holder(50, "x", 0), user, "user id 0"),
            (8765, holder(20, "x", 33), user, "user id 33"),
            (8765, holder(1, "systemd", 0), 0, "first process"),
            (8765, holder(800, "bash", user), user, "runs under"),
            (8765, holder(900, "sentinel", user), user, "runs under"),
            (8765, holder(50, "docker-proxy", 0), 0, "a container"),
            (8765, holder(50, "ssh", user), user, "an SSH tunnel"),
            (8765, holder(50, "systemd", user), user, "a socket unit"),
        ];
        for (port, holder, euid, reason) in cases {
            let said = plan(port, vec![holder.clone()], &rules(euid));
            let Verdict::Refuse(sentence) = &said.verdict else {
                panic!("{holder:?} on {port} for {euid}: {said:?}");
            };
            assert!(sentence.contains(reason), "{sentence}");
            assert!(sentence.starts_with(&format!("port {port} ")), "{sentence}");
        }
    }

    #[test]
    fn others_may_go() {
        let cases = [
            (1024, holder(50, "python3", 1000), 1000),
            (8765, holder(50, "python3", 33), 0),
            (8765, holder(20, "ssh", 1000), 1000), // a service of ours may be a tunnel
            (8765, holder(10, "ssh", 1000), 1000),
            (8765, holder(10, "python3", 33), 1000), // the supervisor stops it, not we
        ];
        for (port, holder, euid) in cases {
            let said = plan(port, vec![holder.clone()], &rules(euid));
            assert_eq!(said.verdict, Verdict::Clear, "{holder:?}");
            assert_eq!(said.holders.len(), 1);
        }
    }

    #[test]
    fn who_cannot_be_seen_is_never_nobody() {
        for (euid, way_out) in [(1000, "as root"), (0, "outside of this container")] {
            let said = plan(8765, vec![], &rules(euid));
            let Verdict::Refuse(sentence) = &said.verdict else {
                panic!("{said:?}")
            };
            assert!(sentence.contains(way_out), "{sentence}");
        }
        let half = [
            listener(8765, 1, vec![holder(50, "x", 1000)]),
            listener(8765, 2, vec![]),
        ];
        let said = judge(8765, &half, owner, &rules(1000));
        assert!(matches!(said.verdict, Verdict::Refuse(_)));
    }

    #[test]
    fn one_untouchable_holder_saves_all() {
        let said = plan(
            8765,
            vec![holder(50, "x", 1000), holder(51, "y", 33)],
            &rules(1000),
        );
        assert!(matches!(said.verdict, Verdict::Refuse(_)));
    }

    #[test]
    fn other_ports_do_not_matter() {
        let said = judge(
            8765,
            &[listener(8766, 1, vec![holder(1, "x", 0)])],
            owner,
            &rules(0),
        );
        assert_eq!((said.verdict, said.holders.len()), (Verdict::Free, 0));
    }

    #[test]
    fn a_holder_of_two_sockets_is_named_once() {
        let two = [
            listener(8765, 1, vec![holder(50, "x", 0)]),
            listener(8765, 2, vec![holder(50, "x", 0)]),
        ];
        let said = judge(8765, &two, owner, &rules(0));
        assert_eq!((said.holders.len(), said.sockets.len()), (1, 2));
    }

    #[test]
    fn spared_runs_stay_and_their_strays_go() {
        let spare = Rules {
            spare_managed: true,
            ..rules(1000)
        };
        assert_eq!(
            plan(8765, vec![holder(10, "x", 1000)], &spare).verdict,
            Verdict::Spare
        );
        let both = vec![holder(10, "x", 1000), holder(20, "x", 1000)];
        assert_eq!(plan(8765, both, &spare).verdict, Verdict::Clear);
        // A spared holder is not signalled, so what forbids signalling it does not matter.
        assert_eq!(
            plan(8765, vec![holder(10, "x", 33)], &spare).verdict,
            Verdict::Spare
        );
    }
}
