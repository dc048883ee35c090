//! What a flush reports, as `flush --json` prints it.

use super::judge::{PlannedHolder, PortPlan, Verdict};
use super::ownership::Ownership;
use crate::api::{Fact, What};
use serde::{Deserialize, Serialize};

/// What became of one port.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortReport {
    /// The port.
    pub port: u16,
    /// How it ended.
    pub outcome: Outcome,
    /// Who held it.
    pub holders: Vec<HolderReport>,
    /// Why it is not free, for a person.
    pub error: Option<String>,
}

impl PortReport {
    /// What was done to its holders, for the ledger.
    #[must_use]
    pub fn facts(&self) -> Vec<Fact> {
        let signalled = |holder: &HolderReport| {
            let signal = holder.signal.as_ref()?;
            let (port, command, kind) = (self.port, &holder.command, holder.kind.as_str());
            let words = format!(
                "port {port}: {signal} to {command}, {kind}; {}",
                self.outcome.as_str()
            );
            Some(Fact::new(What::Flushed).pid(holder.pid).detail(words))
        };
        self.holders.iter().filter_map(signalled).collect()
    }
}

/// How flushing a port ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Nobody who should go held it.
    Free,
    /// It was held, and is proven free now.
    Freed,
    /// It would be freed (`--dry-run`).
    WouldFree,
    /// It is not to be touched.
    Refused,
    /// It should be free and is not.
    Failed,
}

impl Outcome {
    /// The word as printed.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Outcome::Free => "free",
            Outcome::Freed => "freed",
            Outcome::WouldFree => "would be freed",
            Outcome::Refused => "refused",
            Outcome::Failed => "not freed",
        }
    }

    /// Whether the asked-for outcome was reached.
    #[must_use]
    pub fn ok(self) -> bool {
        match self {
            Outcome::Free | Outcome::Freed | Outcome::WouldFree => true,
            Outcome::Refused | Outcome::Failed => false,
        }
    }
}

/// One process that held a port.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HolderReport {
    /// Its pid.
    pub pid: i32,
    /// Its command, for people.
    pub command: String,
    /// Whose it is.
    pub kind: Kind,
    /// The strongest signal it got from the flush itself (or would get); null when none.
    pub signal: Option<String>,
}

/// Whose process a holder is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A live run's: stopped through the supervisor.
    Managed,
    /// A leftover of ours.
    Stray,
    /// Not ours.
    Foreign,
}

impl Kind {
    fn as_str(self) -> &'static str {
        match self {
            Kind::Managed => "a running service",
            Kind::Stray => "a leftover of ours",
            Kind::Foreign => "not ours",
        }
    }
}

impl From<&Ownership> for Kind {
    fn from(owner: &Ownership) -> Kind {
        match owner {
            Ownership::Managed { .. } => Kind::Managed,
            Ownership::Stray { .. } => Kind::Stray,
            Ownership::Foreign => Kind::Foreign,
        }
    }
}

impl HolderReport {
    /// The holder, and the signal that it got or would get.
    #[must_use]
    pub fn of(holder: &PlannedHolder, signal: Option<&str>) -> HolderReport {
        HolderReport {
            pid: holder.identity.pid,
            command: holder.command.clone(),
            kind: Kind::from(&holder.ownership),
            signal: signal.map(str::to_string),
        }
    }
}

impl PortReport {
    /// What would happen (`--dry-run`): `first` is the first signal that an unmanaged holder would get.
    #[must_use]
    pub fn planned(plan: &PortPlan, first: &str) -> PortReport {
        let (outcome, error) = match &plan.verdict {
            Verdict::Free | Verdict::Spare => (Outcome::Free, None),
            Verdict::Clear => (Outcome::WouldFree, None),
            Verdict::Refuse(reason) => (Outcome::Refused, Some(reason.clone())),
        };
        let signal = |holder: &PlannedHolder| match (&holder.ownership, outcome) {
            (Ownership::Stray { .. } | Ownership::Foreign, Outcome::WouldFree) => Some(first),
            _ => None,
        };
        PortReport {
            port: plan.port,
            outcome,
            holders: plan
                .holders
                .iter()
                .map(|holder| HolderReport::of(holder, signal(holder)))
                .collect(),
            error,
        }
    }
}
