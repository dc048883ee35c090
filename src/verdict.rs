//! What a status means: each service's concern, and the exit code of the whole. Pure.

use crate::api::{HealthStatus, LastExit, Port, PortState, Service, State, Status, SupervisorState};
use crate::exit::ExitCode;

/// How well a service does; the later the graver.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Concern {
    /// Nothing to do.
    Fine,
    /// Not there yet, and nothing wrong so far.
    Starting,
    /// It runs, and is unhealthy or does not hold its port.
    Unhealthy,
    /// It should run and does not.
    NotRunning,
}

/// The concern of every service, in their order.
#[must_use]
pub fn concerns(status: &Status) -> Vec<Concern> {
    let something_starts = status
        .services
        .iter()
        .any(|service| service.state == State::Starting);
    status
        .services
        .iter()
        .map(|service| concern(service, &status.ports, something_starts))
        .collect()
}

/// The exit code of `status`: no supervisor, then what does not run, what is unhealthy,
/// what is starting.
#[must_use]
pub fn exit_code(supervisor: SupervisorState, concerns: &[Concern]) -> ExitCode {
    match supervisor {
        SupervisorState::Absent | SupervisorState::Unresponsive => ExitCode::NoSupervisor,
        SupervisorState::Running => match concerns.iter().max() {
            None | Some(Concern::Fine) => ExitCode::Ok,
            Some(Concern::Starting) => ExitCode::Starting,
            Some(Concern::Unhealthy) => ExitCode::Unhealthy,
            Some(Concern::NotRunning) => ExitCode::NotRunning,
        },
    }
}

fn concern(service: &Service, ports: &[Port], something_starts: bool) -> Concern {
    let of_state = match service.state {
        State::Running => of_health(service.health.status),
        State::Starting => Concern::Starting,
        // Wanted and down: it waits for a service. Whether that is trouble is told by that service,
        // unless none is on its way up.
        State::Stopped if service.wanted && something_starts => Concern::Starting,
        State::Stopping if service.wanted => Concern::Starting,
        // It waits to be started by a person, or was stopped by one.
        State::Stopped | State::Stopping if !service.autostart && !service.wanted => Concern::Fine,
        State::Stopped | State::Stopping | State::Backoff | State::Fatal => Concern::NotRunning,
        State::Exited if ended_well(service) => Concern::Fine,
        State::Exited => Concern::NotRunning,
    };
    of_state.max(of_ports(service, ports))
}

fn of_health(health: HealthStatus) -> Concern {
    match health {
        HealthStatus::Healthy | HealthStatus::None => Concern::Fine,
        HealthStatus::Starting | HealthStatus::Unknown => Concern::Starting,
        HealthStatus::Unhealthy => Concern::Unhealthy,
    }
}

/// Whether it ended by itself and well. The supervisor calls only those EXITED whose policy leaves them; of
/// these, one that failed is still something that should have run to its end and did not.
pub(super) fn ended_well(service: &Service) -> bool {
    let failed = |exit: &LastExit| {
        !exit.expected && (exit.signal.is_some() || exit.code.is_some_and(|code| code != 0))
    };
    !service.last_exit.as_ref().is_some_and(failed)
}

fn of_ports(service: &Service, ports: &[Port]) -> Concern {
    let wrong = ports
        .iter()
        .filter(|port| port.service == service.name)
        .any(|port| match port.state {
            PortState::Ok | PortState::Free => false,
            // A service that is starting listens when it is ready.
            PortState::Down => service.state == State::Running,
            PortState::Stray | PortState::Foreign => true,
        });
    if wrong { Concern::Unhealthy } else { Concern::Fine }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::sample;
    use State::{Backoff, Exited, Fatal, Running, Starting, Stopped, Stopping};

    fn code(status: &Status) -> ExitCode {
        exit_code(status.supervisor.state, &concerns(status))
    }

    fn of_states(states: &[(State, bool)]) -> ExitCode {
        let services = states
            .iter()
            .map(|(state, wanted)| sample::service("x", *state, *wanted));
        code(&sample::status(services.collect()))
    }

    #[test]
    fn states_and_their_exit_codes() {
        let table: &[(&[(State, bool)], ExitCode)] = &[
            (&[], ExitCode::Ok),
            (&[(Running, true)], ExitCode::Ok),
            (&[(Running, true), (Starting, true)], ExitCode::Starting),
            (&[(Stopped, true), (Starting, true)], ExitCode::Starting),
            (&[(Stopped, true), (Running, true)], ExitCode::NotRunning),
            (&[(Stopped, true), (Fatal, true)], ExitCode::NotRunning),
            (&[(Stopped, false), (Running, true)], ExitCode::NotRunning),
            (&[(Stopped, false), (Starting, true)], ExitCode::NotRunning),
            (&[(Backoff, true), (Running, true)], ExitCode::NotRunning),
            (&[(Fatal, true), (Starting, true)], ExitCode::NotRunning),
            (&[(Stopping, false)], ExitCode::NotRunning),
            (&[(Stopping, true)], ExitCode::Starting),
            (&[(Exited, false), (Running, true)], ExitCode::Ok),
            (&[(Exited, true)], ExitCode::Ok),
        ];
        for (states, expected) in table {
            assert_eq!(of_states(states), *expected, "{states:?}");
        }
    }

    #[test]
    fn what_waits_for_a_person_is_fine_while_it_is_down() {
        for (state, wanted, expected) in [
            (Stopped, false, ExitCode::Ok),
            (Stopping, false, ExitCode::Ok),
            (Stopped, true, ExitCode::NotRunning),
            (Fatal, true, ExitCode::NotRunning),
        ] {
            let mut by_name = sample::service("x", state, wanted);
            by_name.autostart = false;
            assert_eq!(
                code(&sample::status(vec![by_name])),
                expected,
                "{state:?} {wanted}"
            );
        }
    }

    #[test]
    fn a_job_that_ended_with_an_error_is_not_fine() {
        let mut job = sample::service("job", Exited, false);
        for (code_, signal, expected) in [
            (Some(0), None, ExitCode::Ok),
            (Some(1), None, ExitCode::NotRunning),
            (None, Some("SIGSEGV".to_owned()), ExitCode::NotRunning),
            (None, None, ExitCode::Ok),
        ] {
            job.last_exit = Some(LastExit {
                code: code_,
                signal,
                at: String::new(),
                expected: false,
                oom: false,
            });
            assert_eq!(
                code(&sample::status(vec![job.clone()])),
                expected,
                "{:?}",
                job.last_exit
            );
        }
    }

    #[test]
    fn health_counts_for_what_runs() {
        for (health, expected) in [
            (HealthStatus::Healthy, ExitCode::Ok),
            (HealthStatus::None, ExitCode::Ok),
            (HealthStatus::Starting, ExitCode::Starting),
            (HealthStatus::Unknown, ExitCode::Starting),
            (HealthStatus::Unhealthy, ExitCode::Unhealthy),
        ] {
            let mut service = sample::service("x", Running, true);
            service.health.status = health;
            assert_eq!(code(&sample::status(vec![service])), expected, "{health:?}");
        }
    }

    #[test]
    fn a_port_in_other_hands_is_unhealthy() {
        for (state, of_port, expected) in [
            (Running, PortState::Ok, ExitCode::Ok),
            (Running, PortState::Down, ExitCode::Unhealthy),
            (Running, PortState::Foreign, ExitCode::Unhealthy),
            (Running, PortState::Stray, ExitCode::Unhealthy),
            (Starting, PortState::Free, ExitCode::Starting),
            (Starting, PortState::Down, ExitCode::Starting),
            (Stopped, PortState::Foreign, ExitCode::NotRunning),
        ] {
            let mut status = sample::status(vec![sample::service("x", state, state != Stopped)]);
            status.ports = vec![sample::port(8765, "x", of_port)];
            assert_eq!(code(&status), expected, "{state:?} {of_port:?}");
        }
    }

    #[test]
    fn gravity_decides_between_several() {
        let mut unhealthy = sample::service("b", Running, true);
        unhealthy.health.status = HealthStatus::Unhealthy;
        let starting = sample::service("a", Starting, true);
        assert_eq!(
            code(&sample::status(vec![starting, unhealthy.clone()])),
            ExitCode::Unhealthy
        );
        let fatal = sample::service("c", Fatal, true);
        let mut status = sample::status(vec![unhealthy, fatal]);
        assert_eq!(code(&status), ExitCode::NotRunning);
        for state in [SupervisorState::Absent, SupervisorState::Unresponsive] {
            status.supervisor.state = state;
            assert_eq!(code(&status), ExitCode::NoSupervisor);
        }
    }
}
