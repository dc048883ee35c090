//! What a reload changes.

use serde::{Deserialize, Serialize};

/// Everything that differs; empty when nothing does.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// The keys outside the services; they take effect without a restart.
    pub settings: Vec<String>,
    /// The services, in dependency order; those that go come last.
    pub services: Vec<PlannedChange>,
}

/// What becomes of one service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedChange {
    /// Its name.
    pub service: String,
    /// What becomes of it.
    pub change: ChangeKind,
    /// The keys that differ, by name only: values may be secret. None for what comes or goes.
    pub keys: Vec<String>,
}

/// What becomes of a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChangeKind {
    /// It is new, and is started.
    Add,
    /// It is stopped and forgotten.
    Remove,
    /// A new process takes the place of the present one.
    Restart,
    /// Its process stays as it is.
    InPlace,
}

impl ChangeKind {
    /// The word as printed.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            ChangeKind::Add => "add",
            ChangeKind::Remove => "remove",
            ChangeKind::Restart => "restart",
            ChangeKind::InPlace => "change",
        }
    }
}
