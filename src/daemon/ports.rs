//! Who holds the assigned ports: looked up in a thread, since it reads all of /proc.

use std::io;
use std::path::PathBuf;

use crate::api::{Port, PortState, Service, State};
use crate::config::Config;
use crate::ports::{Keeper, LiveRun, Ownership, listeners, ownership, port_state};
use crate::process::{Identity, Table};

/// All that a look needs to know.
#[derive(Debug)]
pub struct Question {
    house: PathBuf,
    keeper: Keeper,
    /// Port, service, whether it runs.
    assigned: Vec<(u16, String, bool)>,
    /// Service, run, first process.
    runs: Vec<(String, u64, i32)>,
}

impl Question {
    /// About all ports that these services are assigned.
    #[must_use]
    pub fn of(config: &Config, services: &[Service]) -> Self {
        let sockets = config.services.iter().flat_map(|spec| {
            spec.sockets
                .iter()
                .map(|address| (address.port(), spec.name.to_string()))
        });
        let assigned = services.iter().flat_map(|service| {
            let runs = service.state == State::Running;
            service
                .ports
                .iter()
                .map(move |port| (*port, service.name.clone(), runs))
        });
        let run = |service: &Service| Some((service.name.clone(), service.run, service.pid?));
        Self {
            house: config.paths.state_dir.clone(),
            keeper: Keeper {
                pid: std::process::id().cast_signed(),
                ports: sockets.collect(),
            },
            assigned: assigned.collect(),
            runs: services.iter().filter_map(run).collect(),
        }
    }

    /// Looks. A stranger is looked at twice: between fork and exec, a child of ours holds all that we do and
    /// carries no mark yet.
    ///
    /// # Errors
    /// /proc cannot be read: then nothing is known about any port.
    pub fn look(self) -> io::Result<Vec<Port>> {
        if self.assigned.is_empty() {
            return Ok(Vec::new());
        }
        let seen = self.look_once()?;
        match seen.iter().any(|one| one.state == PortState::Foreign) {
            true => self.look_once(),
            false => Ok(seen),
        }
    }

    fn look_once(&self) -> io::Result<Vec<Port>> {
        let numbers: Vec<u16> = self.assigned.iter().map(|(port, ..)| *port).collect();
        let (listening, table) = (listeners(&numbers)?, Table::read()?);
        let mut live = Vec::new();
        for (service, number, pid) in &self.runs {
            let leader = Identity::of(*pid)?;
            live.extend(leader.map(|leader| LiveRun {
                service: service.clone(),
                number: *number,
                leader,
            }));
        }
        let seen = |(port, service, runs): &(u16, String, bool)| {
            let (state, holder) = port_state(*port, service, *runs, &listening, |holder| {
                let pid = holder.identity.pid;
                let kept = self.keeper.ownership(*port, pid);
                kept.unwrap_or_else(|| {
                    ownership(pid, &table, &self.house, &live).unwrap_or(Ownership::Foreign)
                })
            });
            let pid = holder.map(|holder| holder.identity.pid);
            Port {
                port: *port,
                service: service.clone(),
                state,
                pid,
                command: holder.map(|holder| holder.command.clone()),
            }
        };
        Ok(self.assigned.iter().map(seen).collect())
    }
}
