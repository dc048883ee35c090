//! What services say of each other: order, cycles, ports that two of them claim.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::decode::{Declared, dependencies};
use super::keys::nearest;
use super::report::{Finding, Report};
use crate::selector::{self, Candidate};

/// Reports ports that are assigned twice.
pub(super) fn check_ports(services: &[Declared], report: &Report<'_>) {
    let mut claims: Vec<(usize, u16, &str)> = Vec::new();
    for service in services {
        claims.extend(
            service
                .ports
                .iter()
                .map(|(port, at)| (*at, *port, service.spec.name.as_str())),
        );
    }
    claims.sort_unstable();
    let mut owners: HashMap<u16, &str> = HashMap::new();
    for (at, port, name) in claims {
        match owners.get(&port) {
            None => {
                owners.insert(port, name);
            }
            Some(owner) if *owner == name => {
                report.add(
                    Finding::new(at, format!("`{name}` lists port {port} twice")).help("keep one of them"),
                );
            }
            Some(owner) => {
                let message = format!("port {port} is assigned twice, to `{owner}` and to `{name}`");
                report.add(Finding::new(at, message).help("give one of them another port"));
            }
        }
    }
}

/// Puts the services that they mean in place of the groups and patterns in `after`. None means itself.
pub(super) fn select(services: &mut [Declared], report: &Report<'_>) {
    let known: Vec<(String, Option<String>)> = services
        .iter()
        .map(|service| (service.spec.name.to_string(), service.spec.group.clone()))
        .collect();
    let candidates: Vec<Candidate<'_>> = known
        .iter()
        .map(|(name, group)| (name.as_str(), group.as_deref()))
        .collect();
    for service in services {
        if !service.after.iter().any(|(word, _)| selector::is_selector(word)) {
            continue;
        }
        let mut after = Vec::new();
        for (word, at) in std::mem::take(&mut service.after) {
            if !selector::is_selector(&word) {
                after.push((word, at));
                continue;
            }
            match selector::select(&word, &candidates) {
                Ok(names) => after.extend(
                    names
                        .into_iter()
                        .filter(|name| *name != service.spec.name.as_str())
                        .map(|name| (name.to_owned(), at)),
                ),
                Err(none) => report.add(Finding::new(at, none.to_string()).help(none.help())),
            }
        }
        service.spec.after = dependencies(&after);
        service.after = after;
    }
}

/// Reports names in `after` that no service has. `names` are all that the file declares, valid or not.
pub(super) fn check_names(services: &[Declared], names: &[&str], report: &Report<'_>) {
    let known: BTreeSet<&str> = names.iter().copied().collect();
    for service in services {
        let own = service.spec.name.as_str();
        for (name, at) in &service.after {
            let name = name.as_str();
            if name == own {
                let message = format!("`{own}` cannot start after itself");
                report.add(Finding::new(*at, message).help("take it out of `after`"));
            } else if !known.contains(name) && !selector::is_selector(name) {
                let help = match nearest(name, known.iter().copied().filter(|known| *known != own)) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None if known.iter().any(|known| known.starts_with(&format!("{name}@"))) => {
                        format!("did you mean `{name}@*`?")
                    }
                    None => format!("declare it as [services.{name}], or take it out of `after`"),
                };
                report.add(Finding::new(*at, format!("no service is called `{name}`")).help(help));
            }
        }
    }
}

/// The services in the order in which they start; of those that could go next, the first in the file.
/// Reports each cycle; what is in one is missing from the answer.
pub(super) fn order(services: &[Declared], report: &Report<'_>) -> Vec<usize> {
    let index: HashMap<&str, usize> = services
        .iter()
        .enumerate()
        .map(|(index, service)| (service.spec.name.as_str(), index))
        .collect();
    let needs: Vec<BTreeSet<usize>> = services
        .iter()
        .enumerate()
        .map(|(own, service)| {
            service
                .after
                .iter()
                .filter_map(|(name, _)| index.get(name.as_str()).copied())
                .filter(|other| *other != own)
                .collect()
        })
        .collect();
    let order = sorted(&needs);
    let placed: BTreeSet<usize> = order.iter().copied().collect();
    let mut left: BTreeSet<usize> = (0..services.len())
        .filter(|index| !placed.contains(index))
        .collect();
    while let Some(cycle) = cycle(&needs, &left) {
        report.add(told(services, &cycle));
        for member in cycle {
            left.remove(&member);
        }
    }
    order
}

/// Kahn's algorithm: whatever needs nothing that is still to come, smallest index first.
fn sorted(needs: &[BTreeSet<usize>]) -> Vec<usize> {
    let mut missing: Vec<usize> = needs.iter().map(BTreeSet::len).collect();
    let mut needed_by: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (index, needs) in needs.iter().enumerate() {
        for other in needs {
            needed_by.entry(*other).or_default().push(index);
        }
    }
    let mut free: BTreeSet<usize> = (0..needs.len()).filter(|index| missing[*index] == 0).collect();
    let mut order = Vec::with_capacity(needs.len());
    while let Some(next) = free.pop_first() {
        order.push(next);
        for index in needed_by.get(&next).into_iter().flatten() {
            missing[*index] -= 1;
            if missing[*index] == 0 {
                free.insert(*index);
            }
        }
    }
    order
}

/// A cycle among those left, starting with its first member in the file. Depth first, without recursion.
fn cycle(needs: &[BTreeSet<usize>], left: &BTreeSet<usize>) -> Option<Vec<usize>> {
    let mut settled = BTreeSet::new();
    for start in left {
        let mut path = vec![*start];
        while let Some(here) = path.last().copied().filter(|here| !settled.contains(here)) {
            let next = needs[here]
                .iter()
                .find(|other| left.contains(other) && !settled.contains(*other));
            match next.map(|next| (*next, path.iter().position(|member| member == next))) {
                Some((_, Some(first))) => return Some(from_least(path.split_off(first))),
                Some((next, None)) => path.push(next),
                None => {
                    settled.insert(here);
                    path.pop();
                }
            }
        }
    }
    None
}

fn from_least(mut cycle: Vec<usize>) -> Vec<usize> {
    let least = cycle
        .iter()
        .enumerate()
        .min_by_key(|(_, member)| **member)
        .map_or(0, |(at, _)| at);
    cycle.rotate_left(least);
    cycle
}

fn told(services: &[Declared], cycle: &[usize]) -> Finding {
    let name = |index: &usize| services[*index].spec.name.as_str();
    let mut circle: Vec<&str> = cycle.iter().map(name).collect();
    let (first, second) = (&services[cycle[0]], circle.get(1).copied().unwrap_or_default());
    circle.push(circle[0]);
    let at = first
        .after
        .iter()
        .find(|(name, _)| name == second)
        .map_or(first.at, |(_, at)| *at);
    Finding::new(
        at,
        format!("these services wait for each other: {}", circle.join(" -> ")),
    )
    .help("take one of them out of the other's `after`")
}
