//! Who holds the assigned ports, looked up now.

use std::io;

use crate::api::{Port, State, Status, SupervisorState};
use crate::config::Config;
use crate::ports::{Holder, Keeper, Listener, LiveRun, Ownership, listeners, ownership, port_state};
use crate::process::{Identity, Table};

use super::error::Error;

/// The assigned ports, ascending, with their holders.
///
/// # Errors
/// When /proc cannot be read: then nothing is known about any port.
pub fn of_ports(config: &Config, status: &Status) -> Result<Vec<Port>, Error> {
    look(config, status).map_err(|error| Error::failed("cannot see who listens on the ports").because(&error))
}

fn look(config: &Config, status: &Status) -> io::Result<Vec<Port>> {
    let mut assigned: Vec<(u16, &str, State)> = status
        .services
        .iter()
        .flat_map(|service| {
            service
                .ports
                .iter()
                .map(|port| (*port, service.name.as_str(), service.state))
        })
        .collect();
    assigned.sort_unstable_by_key(|(port, ..)| *port);
    let numbers: Vec<u16> = assigned.iter().map(|(port, ..)| *port).collect();
    let keeper = keeper(config, status);
    let mut listening = listeners(&numbers)?;
    // The service is the one to name; the supervisor, if nobody else holds the socket now.
    for listener in &mut listening {
        let kept = |holder: &Holder| {
            keeper
                .as_ref()
                .is_some_and(|keeper| keeper.pid == holder.identity.pid)
        };
        listener.holders.sort_by_key(kept);
    }
    let owners = Owners::of(config, status, &listening)?;
    let port = |(number, service, state): (u16, &str, State)| {
        let runs = state == State::Running;
        let (state, holder) = port_state(number, service, runs, &listening, |holder| {
            let kept = keeper
                .as_ref()
                .and_then(|keeper| keeper.ownership(number, holder.identity.pid));
            kept.unwrap_or_else(|| owners.of_holder(holder))
        });
        Port {
            port: number,
            service: service.to_owned(),
            state,
            pid: holder.map(|holder| holder.identity.pid),
            command: holder.map(|holder| holder.command.clone()),
        }
    };
    Ok(assigned.into_iter().map(port).collect())
}

/// The supervisor, as the holder of its services' sockets.
pub fn keeper(config: &Config, status: &Status) -> Option<Keeper> {
    let sockets = config.services.iter().flat_map(|spec| {
        spec.sockets
            .iter()
            .map(|address| (address.port(), spec.name.to_string()))
    });
    Some(Keeper {
        pid: status.supervisor.pid?,
        ports: sockets.collect(),
    })
}

/// Whose each holder is.
struct Owners(Vec<(Identity, Ownership)>);

impl Owners {
    fn of(config: &Config, status: &Status, listening: &[Listener]) -> io::Result<Self> {
        // Nobody holds anything: no need to read every process of the host.
        if listening.iter().all(|listener| listener.holders.is_empty()) {
            return Ok(Self(Vec::new()));
        }
        let table = Table::read()?;
        let live = live_runs(status)?;
        let hangs = status.supervisor.state == SupervisorState::Unresponsive;
        let mut owners = Vec::new();
        for holder in listening.iter().flat_map(|listener| &listener.holders) {
            let owner = ownership(holder.identity.pid, &table, &config.paths.state_dir, &live)?;
            owners.push((
                holder.identity,
                if hangs { in_doubt_managed(owner) } else { owner },
            ));
        }
        Ok(Self(owners))
    }

    fn of_holder(&self, holder: &Holder) -> Ownership {
        let known = self.0.iter().find(|(identity, _)| *identity == holder.identity);
        known.map_or(Ownership::Foreign, |(_, owner)| owner.clone())
    }
}

/// A supervisor that hangs cannot say which runs are its own: ours are taken for them.
fn in_doubt_managed(owner: Ownership) -> Ownership {
    match owner {
        Ownership::Stray { service } => Ownership::Managed { service, run: 0 },
        Ownership::Managed { .. } | Ownership::Foreign => owner,
    }
}

/// The runs that the supervisor reports as living.
///
/// # Errors
/// When /proc cannot be read.
pub fn live_runs(status: &Status) -> io::Result<Vec<LiveRun>> {
    let mut runs = Vec::new();
    for service in &status.services {
        let leader = service.pid.map(Identity::of).transpose()?.flatten();
        runs.extend(leader.map(|leader| LiveRun {
            service: service.name.clone(),
            number: service.run,
            leader,
        }));
    }
    Ok(runs)
}
