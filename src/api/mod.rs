//! What crosses the control socket and the progress pipe: plain types, shared by daemon and client.

mod brief;
mod event;
mod fact;
mod plan;
mod request;
mod schedule;
mod status;

pub use brief::{Brief, Plain};
pub use event::{Ended, Event, Failure, FailureKind, Outcome, Phase, ServiceOutcome, ServiceResult};
pub use fact::{Cause, Ending, Fact, OomProof, Record, What};
pub use plan::{ChangeKind, Plan, PlannedChange};
pub use request::{Command, Errand, Mode, Route};
pub use schedule::{Schedule, ScheduleResult, ScheduleRun};
pub use status::{
    AlertStatus, Errors, Health, HealthStatus, Hop, LastExit, Log, Port, PortState, Service, State, Status,
    Supervisor, SupervisorState, Web,
};
