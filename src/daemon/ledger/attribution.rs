//! PURE: why each service goes up and down. The machine knows that somebody asked; this knows who.

use std::collections::{HashMap, HashSet};

use serde::{Deserialize, Serialize};

use crate::api::Cause;
use crate::service::ServiceName;

/// Who asked for what, and what brought each service down, as long as that matters.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Attribution {
    /// Named in an order that has not led to a start or a stop yet, or is the reason of the present stop.
    asked: HashMap<ServiceName, Cause>,
    /// Of these, what was asked for was a stop: no reason of a later start.
    #[serde(default)]
    stops: HashSet<ServiceName>,
    /// Why the last run went down.
    fell: HashMap<ServiceName, Cause>,
    /// The last order, which also moves services that it does not name.
    last: Option<(Cause, Vec<ServiceName>)>,
}

impl Attribution {
    /// Somebody wants these up, or anew.
    pub fn ask(&mut self, names: &[ServiceName], cause: Cause) {
        self.asks(names, cause);
        for name in names {
            self.stops.remove(name);
        }
    }

    /// Somebody wants these down.
    pub fn ask_to_stop(&mut self, names: &[ServiceName], cause: Cause) {
        self.asks(names, cause);
        self.stops.extend(names.iter().cloned());
    }

    fn asks(&mut self, names: &[ServiceName], cause: Cause) {
        for name in names {
            self.asked.insert(name.clone(), cause.clone());
        }
        self.last = Some((cause, names.to_vec()));
    }

    /// Who asked for the stop of this one.
    #[must_use]
    pub fn asked(&self, service: &ServiceName) -> Cause {
        self.asked
            .get(service)
            .cloned()
            .unwrap_or_else(|| self.standing())
    }

    /// Something other than a wish brought it down: whatever was asked before is over.
    pub fn fell(&mut self, service: &ServiceName, cause: Cause) {
        if matches!(
            cause,
            Cause::Health { .. } | Cause::NotReady { .. } | Cause::Exit { .. } | Cause::NotStarted { .. }
        ) {
            self.asked.remove(service);
        }
        self.fell.insert(service.clone(), cause);
    }

    /// Why the run that ends now goes down.
    #[must_use]
    pub fn why_down(&self, service: &ServiceName) -> Option<Cause> {
        self.fell.get(service).cloned()
    }

    /// Whether there is a reason for its next start that is its own, so that nobody else's matters.
    #[must_use]
    pub fn has_reason(&self, service: &ServiceName) -> bool {
        self.asked.contains_key(service) && !self.stops.contains(service)
    }

    /// Why it is started now. `needed_by`: the services that are `after` it.
    pub fn started(&mut self, service: &ServiceName, needed_by: &[ServiceName]) -> Cause {
        let to_stop = self.stops.remove(service);
        let asked = self.asked.remove(service).filter(|_| !to_stop);
        let fell = self.fell.remove(service);
        let by_itself =
            fell.filter(|cause| !matches!(cause, Cause::Operator { .. } | Cause::Schedule { .. }));
        let named = |(_, names): &(Cause, Vec<ServiceName>)| {
            needed_by
                .iter()
                .find(|dependent| names.contains(dependent))
                .map(ToString::to_string)
        };
        asked
            .or(by_itself)
            .or_else(|| {
                self.last
                    .as_ref()
                    .and_then(named)
                    .map(|service| Cause::Dependency { service })
            })
            .unwrap_or_else(|| self.standing())
    }

    /// The last order's cause: a reload names nobody.
    fn standing(&self) -> Cause {
        let begun = || Cause::Supervisor {
            words: "the start of the house".into(),
        };
        self.last.as_ref().map_or_else(begun, |(cause, _)| cause.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> ServiceName {
        ServiceName::parse(text).expect("valid")
    }

    fn operator() -> Cause {
        Cause::Operator {
            uid: 1,
            name: None,
            command: None,
            via: None,
        }
    }

    fn exit() -> Cause {
        Cause::Exit {
            words: "exit code 1".into(),
        }
    }

    #[test]
    fn who_asked_is_the_reason_of_one_start_and_a_crash_that_of_the_next() {
        let (web, mut known) = (name("web"), Attribution::default());
        known.ask(&[name("web")], operator());
        assert_eq!(known.started(&web, &[]), operator());
        known.fell(&web, exit());
        assert_eq!(known.started(&web, &[]), exit());
    }

    #[test]
    fn a_start_of_what_runs_already_does_not_explain_a_later_crash() {
        let (web, mut known) = (name("web"), Attribution::default());
        known.ask(&[name("web")], operator());
        known.fell(&web, exit());
        assert_eq!(known.started(&web, &[]), exit());
    }

    #[test]
    fn a_restart_explains_the_stop_the_exit_and_the_start() {
        let (web, mut known) = (name("web"), Attribution::default());
        known.ask(&[name("web")], operator());
        known.fell(&web, known.asked(&web));
        assert_eq!(known.why_down(&web), Some(operator()));
        assert_eq!(known.started(&web, &[]), operator());
    }

    #[test]
    fn a_stop_does_not_explain_a_start_for_another() {
        let mut known = Attribution::default();
        let both = [name("db"), name("web")];
        known.ask_to_stop(&both, operator());
        for one in &both {
            known.fell(one, known.asked(one));
        }
        known.ask(&[name("web")], operator());
        let needed = Cause::Dependency {
            service: "web".into(),
        };
        assert_eq!(known.started(&name("db"), &[name("web")]), needed);
        assert_eq!(known.started(&name("web"), &[]), operator());
    }

    #[test]
    fn what_nobody_named_is_started_for_the_one_who_needs_it() {
        let mut known = Attribution::default();
        known.ask(&[name("web")], operator());
        let needed = Cause::Dependency {
            service: "web".into(),
        };
        assert_eq!(known.started(&name("db"), &[name("web")]), needed);
        assert_eq!(known.started(&name("alone"), &[]), operator());
    }
}
