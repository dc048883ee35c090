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
