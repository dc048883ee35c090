//! What is wrong with a service, in sentences, each with the next step. Pure.

use crate::api::{HealthStatus, LastExit, Port, PortState, Service, State, Status, SupervisorState};

use crate::verdict;

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// What, and why.
    pub text: String,
    /// The command that helps.
    pub next: Option<String>,
}

impl Trouble {
    fn new(text: impl Into<String>, next: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            next: Some(next.into()),
        }
    }
}

/// Everything that is wrong with a service of this house, the cause before its effects.
///
/// Without a supervisor only what holds its ports is news: that it does not run goes without saying.
#[must_use]
pub fn of_service(service: &Service, status: &Status) -> Vec<Trouble> {
    let of_ports = status.ports.iter().filter(|port| port.service == service.name);
    let mut troubles: Vec<Trouble> = of_ports.filter_map(|port| of_port(port, service.state)).collect();
    if status.supervisor.state == SupervisorState::Running {
        troubles.extend(of_state(service));
        troubles.extend(of_health(service));
    }
    let nobody = status.supervisor.state == SupervisorState::Absent;
    if nobody && troubles.is_empty() && service.health.status == HealthStatus::Healthy {
        let text = "its probe is good, and yet no run of it is known: an unknown process answers";
        troubles.push(Trouble {
            text: text.into(),
            next: None,
        });
    }
    if let Some(loss) = &service.log_loss {
        troubles.push(Trouble {
            text: format!("its log is incomplete: {loss}"),
            next: None,
        });
    }
    troubles
}

fn of_state(service: &Service) -> Option<Trouble> {
    let name = &service.name;
    let logs = format!("sentinel logs {name}");
    let because = |or: &str| service.reason.clone().unwrap_or_else(|| or.to_owned());
    match service.state {
        State::Running => service.reason.clone().map(|text| Trouble { text, next: None }),
        State::Starting | State::Stopping => service.reason.clone().map(|text| Trouble { text, next: None }),
        // Wanted and down: it waits for another, which has a next step of its own.
        State::Stopped if service.wanted => Some(Trouble {
            text: because("waits for another service"),
            next: None,
        }),
        // It waits for a person.
        State::Stopped if !service.autostart => None,
        State::Stopped => Some(Trouble::new(
            because("stopped by request"),
            format!("sentinel start {name}"),
        )),
        State::Backoff => Some(Trouble::new(
            because("ended too soon, waits before the next try"),
            logs,
        )),
        State::Fatal => Some(Trouble::new(because("given up"), logs)),
        State::Exited if verdict::ended_well(service) => None,
        State::Exited => {
            let exit = service.last_exit.as_ref().map(exit_words);
            Some(Trouble::new(
                because(&exit.unwrap_or_else(|| "ended".into())),
                logs,
            ))
        }
    }
}

fn of_health(service: &Service) -> Option<Trouble> {
    match service.health.status {
        HealthStatus::Unhealthy => {
            let why = service.health.error.as_deref().unwrap_or("the probe failed");
            Some(Trouble::new(
                format!("unhealthy: {why}"),
                format!("sentinel logs {}", service.name),
            ))
        }
        HealthStatus::Healthy | HealthStatus::Starting | HealthStatus::None | HealthStatus::Unknown => None,
    }
}

/// What is wrong with a port of a service in this state.
fn of_port(port: &Port, service: State) -> Option<Trouble> {
    let number = port.port;
    let flush = format!("sentinel flush {number}");
    match port.state {
        PortState::Ok | PortState::Free => None,
        PortState::Down if service != State::Running => None,
        PortState::Down => Some(Trouble::new(
            format!("nothing of it listens on port {number}"),
            format!("sentinel restart {}", port.service),
        )),
        PortState::Stray => Some(Trouble::new(
            format!("port {number} is held by {}, a leftover of ours", holder(port)),
            flush,
        )),
        PortState::Foreign => Some(Trouble::new(
            format!("port {number} is held by {}, which is not ours", holder(port)),
            flush,
        )),
    }
}

fn holder(port: &Port) -> String {
    match (&port.command, port.pid) {
        (Some(command), Some(pid)) => format!("{command} (pid {pid})"),
        (None, Some(pid)) => format!("pid {pid}"),
        (Some(command), None) => command.clone(),
        (None, None) => "a process we may not see".into(),
    }
}

/// `exit code 1`, `ended by SIGSEGV`.
fn exit_words(exit: &LastExit) -> String {
    match (&exit.signal, exit.code) {
        (Some(signal), _) => format!("ended by {signal}"),
        (None, Some(code)) => format!("exit code {code}"),
        (None, None) => "ended, nobody knows how".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::sample;

    #[test]
    fn every_trouble_of_the_fatal_house_is_told_with_its_next_step() {
        let status = sample::fatal_house();
        let told: Vec<String> = status
            .services
            .iter()
            .flat_map(|service| of_service(service, &status))
            .map(|trouble| format!("{} -> {}", trouble.text, trouble.next.unwrap_or_default()))
            .collect();
        assert_eq!(
            told,
            [
                "port 8765 is held by python3 (pid 77), which is not ours -> sentinel flush 8765",
                "exit code 1, 5 times in a row, the last one after 12 ms -> sentinel logs trade_stream",
                "waits for trade_stream -> ",
            ]
        );
    }

    #[test]
    fn a_healthy_house_has_no_trouble() {
        let status = sample::stream_house();
        assert!(
            status
                .services
                .iter()
                .all(|service| of_service(service, &status).is_empty())
        );
    }

    #[test]
    fn a_holder_that_hides_is_still_a_holder() {
        let mut port = sample::port(8765, "x", PortState::Foreign);
        (port.pid, port.command) = (None, None);
        let text = of_port(&port, State::Running).expect("trouble").text;
        assert_eq!(
            text,
            "port 8765 is held by a process we may not see, which is not ours"
        );
    }
}
