//! What a new services.toml would change, before anything is changed.

use std::collections::HashMap;
use std::sync::Arc;

use super::Supervisor;
use super::differ::Differences;
use super::unit::{Goal, Unit};
use crate::service::{ServiceName, Spec};

/// What becomes of one service; those that stay as they are have none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Which service.
    pub service: ServiceName,
    /// What becomes of it.
    pub kind: ChangeKind,
    /// The keys that differ; none for what comes or goes.
    pub keys: Vec<String>,
}

/// What becomes of a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeKind {
    /// It is new, and is started, unless its `autostart` is false.
    Add,
    /// It is declared no more: stopped and forgotten.
    Remove,
    /// A new process takes the place of the present one, or is started where none would run.
    Restart,
    /// It takes effect around the present process, or with the next one.
    InPlace,
}

impl Supervisor {
    /// What a reload of these specs would do now. It does just this.
    #[must_use]
    pub fn plan(&self, specs: &[Arc<Spec>]) -> Vec<Change> {
        let known: HashMap<&ServiceName, &Unit> =
            self.units.iter().map(|unit| (&unit.spec.name, unit)).collect();
        let declared: HashMap<&ServiceName, ()> = specs.iter().map(|spec| (&spec.name, ())).collect();
        let kept = specs.iter().filter_map(|spec| match known.get(&spec.name) {
            Some(unit) => change(unit, spec),
            None => Some(whole(&spec.name, ChangeKind::Add)),
        });
        let gone = self
            .units
            .iter()
            .filter(|unit| !unit.removed && !declared.contains_key(&unit.spec.name));
        kept.chain(gone.map(|unit| whole(&unit.spec.name, ChangeKind::Remove)))
            .collect()
    }
}

fn whole(service: &ServiceName, kind: ChangeKind) -> Change {
    Change {
        service: service.clone(),
        kind,
        keys: Vec::new(),
    }
}

fn change(unit: &Unit, spec: &Spec) -> Option<Change> {
    let present = unit.next_spec.as_ref().unwrap_or(&unit.spec);
    let differences = Differences::between(present, spec);
    if unit.removed {
        return Some(whole(&spec.name, ChangeKind::Add));
    }
    let same = differences.same_process();
    let keys = [differences.of_process, differences.in_place].concat();
    let kind = match same {
        _ if keys.is_empty() => return None,
        true => ChangeKind::InPlace,
        false if unit.goal == Goal::Up => ChangeKind::Restart,
        false => ChangeKind::InPlace,
    };
    Some(Change {
        service: spec.name.clone(),
        kind,
        keys,
    })
}
