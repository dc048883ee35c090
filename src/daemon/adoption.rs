//! PURE: of what an earlier supervisor left running, what is taken over.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::state::{Kept, State, fingerprint};
use crate::process::{Identity, Marked};
use crate::service::{Run, ServiceName, Spec};
use crate::supervisor::Past;

/// One run that is taken over.
#[derive(Clone, Debug, PartialEq)]
pub struct Adopted {
    /// Which.
    pub run: Run,
    /// Its first process.
    pub leader: Identity,
    /// What is known of it.
    pub past: Past,
    /// It was started from a declaration that differs from today's.
    pub outdated: bool,
}

/// Decides what is taken over: of each declared service the latest run whose first process lives. All
/// else is to be taken down. `found` is oldest first.
#[must_use]
pub fn decide(found: &[Marked], state: &State, specs: &[Arc<Spec>]) -> Vec<Adopted> {
    let mut runs: BTreeMap<(&str, u64), Vec<&Marked>> = BTreeMap::new();
    for marked in found {
        runs.entry((&marked.mark.service, marked.mark.number))
            .or_default()
            .push(marked);
    }
    let mut adopted: BTreeMap<&str, Adopted> = BTreeMap::new();
    // In the order of their numbers: a later run takes the place of an earlier one.
    for ((service, number), members) in runs {
        let kept = state
            .runs
            .iter()
            .find(|kept| kept.service == service && kept.number == number);
        let spec = specs.iter().find(|spec| spec.name.as_str() == service);
        if let (Some(spec), Some(leader)) = (spec, leader(&members, kept)) {
            adopted.insert(service, adopt(spec, number, leader, kept));
        }
    }
    adopted.into_values().collect()
}

/// A run's first process: the recorded one; without a record (the supervisor died before it wrote one)
/// the oldest that leads a session, as every first process does.
fn leader(members: &[&Marked], kept: Option<&Kept>) -> Option<Identity> {
    let mut identities = members.iter().map(|member| member.identity);
    match kept {
        Some(kept) => identities.find(|&identity| identity == kept.leader),
        None => members
            .iter()
            .find(|member| member.session == member.identity.pid)
            .map(|member| member.identity),
    }
}

fn adopt(spec: &Spec, number: u64, leader: Identity, kept: Option<&Kept>) -> Adopted {
    let service: ServiceName = spec.name.clone();
    Adopted {
        run: Run { service, number },
        leader,
        past: kept.map_or_else(Past::default, |kept| Past {
            ready: kept.ready,
            restarts: kept.restarts,
            failures: kept.failures,
            last_exit: kept.last_exit(),
        }),
        outdated: kept.is_some_and(|kept| kept.fingerprint != fingerprint(spec)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::Mark;

    fn spec(name: &str) -> Arc<Spec> {
        Arc::new(Spec {
            name: ServiceName::parse(name).expect("valid"),
            command: vec![name.into()],
            cwd: "/".into(),
            env: Arc::default(),
            ports: Vec::new(),
            sockets: Vec::new(),
            after: Vec::new(),
            group: None,
            autostart: true,
            restart: crate::service::RestartPolicy::Always,
            min_uptime: std::time::Duration::ZERO,
            start_timeout: std::time::Duration::ZERO,
            max_restarts: 0,
            recovery: Arc::default(),
            watch: Vec::new(),
            ready: None,
            health: None,
            stop: crate::service::Stop {
                signal: crate::service::StopSignal::TERM,
                timeout: std::time::Duration::ZERO,
            },
            log: Arc::default(),
            rights: Arc::default(),
            memory_max: None,
            watchdog: None,
        })
    }

    fn marked(service: &str, number: u64, pid: i32, session: i32) -> Marked {
        Marked {
            identity: Identity {
                pid,
                start: pid.unsigned_abs().into(),
            },
            session,
            by: None,
            mark: Mark {
                number,
                service: service.into(),
                state_dir: "/house".into(),
            },
        }
    }

    fn kept(service: &str, number: u64, pid: i32) -> Kept {
        Kept {
            service: service.into(),
            number,
            leader: Identity {
                pid,
                start: pid.unsigned_abs().into(),
            },
            ready: true,
            restarts: 4,
            failures: 2,
            last_exit: None,
            fingerprint: fingerprint(&spec(service)),
        }
    }

    fn pids(adopted: &[Adopted]) -> Vec<(String, i32)> {
        adopted
            .iter()
            .map(|adopted| (adopted.run.to_string(), adopted.leader.pid))
            .collect()
    }

    #[test]
    fn the_recorded_leader_of_a_declared_service_is_taken_over_with_its_past() {
        let found = [
            marked("web", 3, 10, 10),
            marked("web", 3, 11, 10),
            marked("gone", 1, 20, 20),
        ];
        let state = State::of(vec![kept("web", 3, 10)]);
        let adopted = decide(&found, &state, &[spec("web")]);
        assert_eq!(pids(&adopted), [("web#3".to_owned(), 10)]);
        assert!(adopted[0].past.ready && !adopted[0].outdated);
        assert_eq!((adopted[0].past.restarts, adopted[0].past.failures), (4, 2));
    }

    #[test]
    fn without_a_record_the_oldest_that_leads_a_session_is_the_leader() {
        let found = [
            marked("web", 1, 9, 5),
            marked("web", 1, 10, 10),
            marked("web", 1, 30, 30),
        ];
        let adopted = decide(&found, &State::default(), &[spec("web")]);
        assert_eq!(pids(&adopted), [("web#1".to_owned(), 10)]);
        assert!(!adopted[0].past.ready, "nobody knows: it is looked at anew");
        assert!(!adopted[0].outdated);
    }

    #[test]
    fn of_two_runs_the_later_is_taken_over_and_a_headless_one_is_not() {
        let found = [
            marked("web", 1, 10, 10),
            marked("web", 2, 20, 20),
            marked("db", 4, 31, 30),
        ];
        let state = State::of(vec![kept("db", 4, 30)]);
        let adopted = decide(&found, &state, &[spec("web"), spec("db")]);
        assert_eq!(pids(&adopted), [("web#2".to_owned(), 20)]);
    }

    #[test]
    fn a_recycled_pid_is_not_the_recorded_leader() {
        let state = State::of(vec![Kept {
            leader: Identity { pid: 10, start: 999 },
            ..kept("web", 1, 10)
        }]);
        assert_eq!(decide(&[marked("web", 1, 10, 10)], &state, &[spec("web")]), []);
    }

    #[test]
    fn a_changed_declaration_is_noticed() {
        let state = State::of(vec![Kept {
            fingerprint: 1,
            ..kept("web", 1, 10)
        }]);
        assert!(decide(&[marked("web", 1, 10, 10)], &state, &[spec("web")])[0].outdated);
    }
}
