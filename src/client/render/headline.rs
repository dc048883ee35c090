//! The first line of `status`: the verdict in one sentence.

use crate::api::{HealthStatus, Service, State, Status, SupervisorState};
use crate::verdict::Concern;

use super::words::{clean, count};

/// More troubled services than this are counted, not named.
const NAMED: usize = 3;

/// The verdict in one sentence.
#[must_use]
pub fn headline(status: &Status, concerns: &[Concern]) -> String {
    let declared = || match status.services.len() {
        1 => "1 service is declared".to_owned(),
        many => format!("{many} services are declared"),
    };
    match status.supervisor.state {
        SupervisorState::Absent => format!("there is no supervisor; {}{}", declared(), answered(status)),
        SupervisorState::Unresponsive => match status.supervisor.pid {
            Some(pid) => format!("the supervisor (pid {pid}) does not answer; {}", declared()),
            None => format!("the supervisor does not answer; {}", declared()),
        },
        SupervisorState::Running if status.services.is_empty() => "no services are declared".into(),
        SupervisorState::Running if concerns.iter().all(|concern| *concern == Concern::Fine) => {
            all_fine(status)
        }
        SupervisorState::Running => some_troubled(status, concerns),
    }
}

/// Without a supervisor a good answer is a warning: it comes from a process that nobody looks after.
fn answered(status: &Status) -> String {
    let good = |service: &&Service| service.health.status == HealthStatus::Healthy;
    match status.services.iter().filter(good).count() {
        0 => String::new(),
        1 => ", and 1 probe is answered by a process that is not supervised".into(),
        many => format!(", and {many} probes are answered by processes that are not supervised"),
    }
}

fn all_fine(status: &Status) -> String {
    let ended = status
        .services
        .iter()
        .filter(|service| service.state == State::Exited)
        .count();
    let waiting = |service: &&Service| !service.autostart && service.state == State::Stopped;
    let waiting = status.services.iter().filter(waiting).count();
    let run = status.services.len() - ended - waiting;
    let probed = status
        .services
        .iter()
        .any(|service| service.health.status == HealthStatus::Healthy);
    let healthy = match (probed, run) {
        (false, _) => "",
        (true, 1) => " and is healthy",
        (true, _) => " and are healthy",
    };
    let who = match (&status.services[..], run) {
        ([only], 1) => format!("{} runs", only.name),
        (_, 1) => "1 service runs".into(),
        _ if ended + waiting == 0 => format!("all {run} services run"),
        _ => format!("{} run", count(run as u64, "service")),
    };
    let mut text = format!("{who}{healthy}");
    if ended > 0 {
        text.push_str(&format!(", {ended} ended as planned"));
    }
    match waiting {
        0 => {}
        1 => text.push_str(", 1 waits to be started"),
        many => text.push_str(&format!(", {many} wait to be started")),
    }
    text
}

fn some_troubled(status: &Status, concerns: &[Concern]) -> String {
    let mut troubled: Vec<(&Service, Concern)> = status
        .services
        .iter()
        .zip(concerns.iter().copied())
        .filter(|(_, concern)| *concern != Concern::Fine)
        .collect();
    // Stable: within one gravity the order of dependency, so causes come before effects.
    troubled.sort_by_key(|(service, concern)| (std::cmp::Reverse(*concern), waits(service)));
    let named: Vec<String> = troubled
        .iter()
        .take(NAMED)
        .map(|(service, concern)| predicate(service, *concern))
        .collect();
    let more = match troubled.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let (fine, all) = (status.services.len() - troubled.len(), status.services.len());
    match all {
        1 => named.join(", "),
        _ => format!("{fine} of {all} services fine: {}{more}", named.join(", ")),
    }
}

/// Whether it is down only because of another.
fn waits(service: &Service) -> bool {
    service.state == State::Stopped && service.wanted
}

fn predicate(service: &Service, concern: Concern) -> String {
    let name = clean(&service.name);
    match concern {
        Concern::NotRunning => format!("{name} is {}", service.state.as_str()),
        Concern::Unhealthy if service.health.status == HealthStatus::Unhealthy => {
            format!("{name} is unhealthy")
        }
        Concern::Unhealthy => format!("{name} does not hold its port"),
        Concern::Starting if waits(service) => format!("{name} waits"),
        Concern::Starting if service.state == State::Stopping => format!("{name} is being restarted"),
        Concern::Starting => format!("{name} is starting"),
        Concern::Fine => format!("{name} is fine"),
    }
}
