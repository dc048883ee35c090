//! `via`: the services behind a health check, once all of them are known.

use std::collections::HashMap;
use std::time::Duration;

use super::decode::Declared;
use super::keys::nearest;
use super::report::{Finding, Report};
use crate::service::{Health, Hop, Probe, Ready, ServiceName, Spec};

/// How long a hop that has no health check of its own may take.
const PATIENCE: Duration = Duration::from_secs(2);

/// Turns the names in `via` into probes. Without `via`, what a service is `after` stands behind it as far as
/// it has a health check.
pub(super) fn settle(declared: &mut [Declared], report: &Report<'_>) {
    let known: HashMap<String, (Spec, Vec<String>)> = declared
        .iter()
        .map(|one| {
            let via = one.via.iter().flatten().map(|(name, _)| name.clone());
            (one.spec.name.to_string(), (one.spec.clone(), via.collect()))
        })
        .collect();
    for one in declared {
        let named = one.via.take();
        let (own, after) = (one.spec.name.clone(), one.spec.after.clone());
        let Some(health) = &mut one.spec.health else {
            continue;
        };
        match named {
            Some(named) => health.via.hops = named_hops(&own, &named, &known, report),
            None if !health.via.declared => health.via.hops = implied(&after, &known),
            None => {}
        }
    }
}

type Known = HashMap<String, (Spec, Vec<String>)>;

/// The named services, each followed by those that its own check goes through.
fn named_hops(own: &ServiceName, named: &[(String, usize)], known: &Known, report: &Report<'_>) -> Vec<Hop> {
    let mut hops: Vec<Hop> = Vec::new();
    for (name, at) in named {
        if name == own.as_str() {
            let finding = Finding::new(*at, format!("`{name}` cannot stand behind itself"));
            report.add(finding.help("name the services that its probe goes through"));
            continue;
        }
        let Some((spec, _)) = known.get(name) else {
            let finding = Finding::new(*at, format!("there is no service `{name}`"));
            let near = nearest(name, known.keys().map(String::as_str));
            report.add(match near {
                Some(near) => finding.help(format!("did you mean `{near}`?")),
                None => finding
                    .help("declare it, or write a probe: via = { backend = { tcp = \"127.0.0.1:8765\" } }"),
            });
            continue;
        };
        match hop(spec) {
            Some(hop) => follow(hop, own, known, &mut hops),
            None => {
                let finding = Finding::new(*at, format!("`{name}` has neither a probe to ask nor a port"));
                report.add(finding.help(format!(
                    "write one: via = {{ {name} = {{ tcp = \"127.0.0.1:8765\" }} }}"
                )));
            }
        }
    }
    hops
}

/// Adds a hop and what stands behind it, each once.
fn follow(hop: Hop, own: &ServiceName, known: &Known, hops: &mut Vec<Hop>) {
    if hops.iter().any(|other| other.name == hop.name) || hop.name == own.as_str() {
        return;
    }
    let behind = known
        .get(&hop.name)
        .map(|(_, via)| via.clone())
        .unwrap_or_default();
    hops.push(hop);
    for name in behind {
        if let Some(hop) = known.get(&name).and_then(|(spec, _)| self::hop(spec)) {
            follow(hop, own, known, hops);
        }
    }
}

fn implied(after: &[ServiceName], known: &Known) -> Vec<Hop> {
    let specs = after.iter().filter_map(|name| known.get(name.as_str()));
    specs
        .filter(|(spec, _)| spec.health.is_some())
        .filter_map(|(spec, _)| hop(spec))
        .collect()
}

/// What a service is asked when it stands behind another: its health check, its ready probe, or its port. A
/// command would need its folder and environment, so that is never asked.
fn hop(spec: &Spec) -> Option<Hop> {
    let askable = |probe: &Probe| match probe {
        Probe::Ws { .. } | Probe::Http { .. } | Probe::Tcp { .. } => Some(probe.clone()),
        Probe::Exec { .. } => None,
    };
    let checked = spec
        .health
        .as_deref()
        .and_then(|Health { probe, timeout, .. }| Some((askable(probe)?, *timeout)));
    let ready = || match &spec.ready {
        Some(Ready::Probe(probe)) => Some((askable(probe)?, PATIENCE)),
        Some(Ready::Notify | Ready::Log(_)) | None => None,
    };
    let port = || {
        let address = format!("127.0.0.1:{}", spec.ports.first()?);
        Some((Probe::Tcp { address }, PATIENCE))
    };
    let (probe, timeout) = checked.or_else(ready).or_else(port)?;
    Some(Hop {
        name: spec.name.to_string(),
        probe,
        timeout,
    })
}
