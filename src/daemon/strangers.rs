//! Strangers on assigned ports: told once, and told again when they are gone.
//!
//! The kernel tells nobody who takes a port, and nothing polls for it: the daemon looks where it has a reason to.
//! Before a start (in `effects`), when a run does not get its port, when a probe fails, and when somebody asks for
//! the status or the metrics: then the ports of services that do not run are looked at, too.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io;

use tokio::task::{spawn_blocking, spawn_local};

use super::driver::Driver;
use super::mailbox::Message;
use super::ports::Question;
use super::report;
use crate::api::{Fact, Port, PortState, Service, What};
use crate::ports::listening_among;
use crate::service::{Run, ServiceName};

/// What is known of strangers.
#[derive(Debug, Default)]
pub struct Strangers {
    /// Whose ports, and what was told of them.
    told: HashMap<String, String>,
    /// Whose ports are to be looked at next.
    wanted: BTreeSet<ServiceName>,
    looking: bool,
}

impl Strangers {
    /// Goes on with what an earlier supervisor told: services and words.
    pub fn told(told: impl Iterator<Item = (String, String)>) -> Self {
        Self {
            told: told.collect(),
            ..Self::default()
        }
    }

    /// It is ready, or declared no more: no stranger keeps it from anything.
    pub fn forget(&mut self, service: &str) {
        self.told.remove(service);
    }
}

impl Driver {
    /// A start failed for a port that is taken.
    pub(super) fn record_port_taken(&mut self, run: &Run, why: &str) {
        let service = run.service.to_string();
        self.strangers.told.insert(service, why.to_owned());
        self.record(Fact::of_run(run, What::PortTaken).detail(why));
    }

    /// Somebody else may have this service's port: looks, once for all who are asked about meanwhile.
    pub(super) fn look_for_strangers(&mut self, service: &ServiceName) {
        self.strangers.wanted.insert(service.clone());
        self.look_at_wanted();
    }

    /// Somebody looks at all services: the ports of those that do not run may have been taken meanwhile. Cheap while
    /// nobody listens there.
    pub(super) fn look_at_idle_ports(&mut self, services: &[Service]) {
        let idle = |service: &&Service| service.pid.is_none() && !service.ports.is_empty();
        let told = |service: &&Service| self.strangers.told.contains_key(&service.name);
        let ports: Vec<u16> = services
            .iter()
            .filter(idle)
            .flat_map(|s| s.ports.clone())
            .collect();
        let taken = match ports.is_empty() {
            true => BTreeSet::new(),
            false => listening_among(&ports).unwrap_or_default(),
        };
        let listens = |service: &&Service| {
            let own = |port: &u16| {
                let name = ServiceName::parse(&service.name);
                name.is_ok_and(|name| self.sockets.holds(&name, *port))
            };
            idle(service)
                && service
                    .ports
                    .iter()
                    .any(|port| taken.contains(port) && !own(port))
        };
        let wanted = services
            .iter()
            .filter(|service| listens(service) || told(service));
        let names: Vec<ServiceName> = wanted
            .filter_map(|one| ServiceName::parse(&one.name).ok())
            .collect();
        self.strangers.wanted.extend(names);
        self.look_at_wanted();
    }

    fn look_at_wanted(&mut self) {
        if self.strangers.looking || self.strangers.wanted.is_empty() {
            return;
        }
        let wanted = std::mem::take(&mut self.strangers.wanted);
        let entries = wanted.iter().filter_map(|name| self.machine.entry(name));
        let services: Vec<Service> = entries
            .map(|entry| report::service(&entry, self.seen(&entry), &self.clock))
            .collect();
        let (question, mailbox) = (Question::of(&self.config, &services), self.mailbox.clone());
        self.strangers.looking = true;
        spawn_local(async move {
            let seen = spawn_blocking(move || question.look()).await;
            mailbox.post(Message::Ports(
                seen.unwrap_or_else(|error| Err(io::Error::other(error))),
            ));
        });
    }

    /// What a look at ports saw.
    pub(super) fn hear_ports(&mut self, seen: io::Result<Vec<Port>>) {
        self.strangers.looking = false;
        let mut services: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for one in seen.unwrap_or_default() {
            let words = services.entry(one.service.clone()).or_default();
            words.extend((one.state == PortState::Foreign).then(|| in_words(&one)));
        }
        for (service, words) in services {
            let declared = ServiceName::parse(&service).is_ok_and(|name| self.machine.entry(&name).is_some());
            let words = words.join("; ");
            let known = self.strangers.told.get(&service);
            if words.is_empty() && known.is_some() {
                self.strangers.told.remove(&service);
                self.record(Fact::of(&service, What::PortFree));
            } else if !words.is_empty() && declared && known.is_none_or(|known| *known != words) {
                self.strangers.told.insert(service.clone(), words.clone());
                self.record(Fact::of(&service, What::PortTaken).detail(words));
            }
        }
        self.look_at_wanted();
    }
}

/// The same words as those of a start that fails for it.
fn in_words(seen: &Port) -> String {
    let holder = match (&seen.command, seen.pid) {
        (Some(command), Some(pid)) => format!("{command} (pid {pid})"),
        _ => "an unknown process".to_owned(),
    };
    let port = seen.port;
    format!("port {port} is held by {holder}; `sentinel flush {port}` frees it")
}
