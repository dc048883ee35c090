//! Whose process is it: a live run's, a leftover of ours, or nobody's we know.

use crate::process::{Identity, Mark, Process, Table, mark};
use std::collections::BTreeMap;
use std::io;
use std::path::Path;

/// Whose a process is, as this house sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ownership {
    /// It belongs to a run that the supervisor keeps up: only the supervisor may end it.
    Managed {
        /// The service.
        service: String,
        /// The run's number.
        run: u64,
    },
    /// It was started for a service of this house, but belongs to no live run.
    Stray {
        /// The service it was started for.
        service: String,
    },
    /// It is not ours.
    Foreign,
}

/// A run that the supervisor reports as living.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiveRun {
    /// The service.
    pub service: String,
    /// The run's number.
    pub number: u64,
    /// Its first process, which leads a session of its own.
    pub leader: Identity,
}

/// The supervisor, as far as it listens for its services: such a socket is the service's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keeper {
    /// The supervisor's pid.
    pub pid: i32,
    /// The ports that it listens on, and for which service.
    pub ports: BTreeMap<u16, String>,
}

impl Keeper {
    /// Whose the socket is that this process holds on this port, if it is the supervisor.
    #[must_use]
    pub fn ownership(&self, port: u16, pid: i32) -> Option<Ownership> {
        let service = self.ports.get(&port).filter(|_| pid == self.pid)?.clone();
        Some(Ownership::Managed { service, run: 0 })
    }
}

/// Whose process this is. `house` is the state directory as marks name it.
///
/// The mark decides where there is one; a live run's descendants and session members are its own even
/// without (`env -i`, a title written over the environment), and so are a leftover's.
///
/// # Errors
/// /proc could not be read.
pub fn ownership(pid: i32, table: &Table, house: &Path, live: &[LiveRun]) -> io::Result<Ownership> {
    let own = mark(pid)?.filter(|mark| mark.state_dir == house);
    if let Some(mark) = own {
        return Ok(by_mark(mark, live));
    }
    let kin = kin(pid, table);
    if let Some(run) = live.iter().find(|run| belongs(pid, &kin, table, run)) {
        return Ok(Ownership::Managed {
            service: run.service.clone(),
            run: run.number,
        });
    }
    for relative in kin {
        if let Some(mark) = mark(relative.pid)?.filter(|mark| mark.state_dir == house) {
            return Ok(by_mark(mark, live));
        }
    }
    Ok(Ownership::Foreign)
}

/// Its ancestors, nearest first, then its session's leader.
fn kin(pid: i32, table: &Table) -> Vec<&Process> {
    let mut kin = table.ancestors(pid);
    let session = table.get(pid).map_or(0, |process| process.session);
    kin.extend(table.get(session).filter(|leader| leader.session == session));
    kin
}

fn by_mark(mark: Mark, live: &[LiveRun]) -> Ownership {
    let lives = |run: &LiveRun| run.number == mark.number && run.service == mark.service;
    if live.iter().any(lives) {
        Ownership::Managed {
            service: mark.service,
            run: mark.number,
        }
    } else {
        Ownership::Stray {
            service: mark.service,
        }
    }
}

/// Whether the run's leader is the process itself or its kin, or led its session and is gone.
///
/// The kernel gives no pid away that still names a session, so a session whose leader is missing from
/// the table is the leader's own.
fn belongs(pid: i32, kin: &[&Process], table: &Table, run: &LiveRun) -> bool {
    let is_leader = |process: &Process| process.identity() == run.leader;
    let process = table.get(pid);
    let left_session = process.is_some_and(|process| {
        process.session == run.leader.pid
            && process.start >= run.leader.start
            && table.get(run.leader.pid).is_none()
    });
    process.is_some_and(is_leader) || kin.iter().any(|relative| is_leader(relative)) || left_session
}
