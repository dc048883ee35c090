//! Which rows `status` shows: a group that is well is one row, and on a terminal what is well makes room for what
//! is not.

use crate::api::{HealthStatus, Service, State, Status, SupervisorState};
use crate::client::trouble;
use crate::verdict::Concern;

/// One row of the table.
#[derive(Clone, Debug)]
pub(super) enum Row<'s> {
    /// A service by itself.
    Service(&'s Service, Concern),
    /// The members of a group that are not shown by themselves, and how the whole group does.
    Group(Summary<'s>),
}

/// Many services as one.
#[derive(Clone, Debug)]
pub(super) struct Summary<'s> {
    pub(super) name: &'s str,
    pub(super) members: Vec<&'s Service>,
    pub(super) concern: Concern,
}

/// How much is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Detail {
    /// Every service by itself.
    Whole,
    /// Groups as one row, but for members that are not well.
    Groups,
    /// Of services without a group, too, only those that are not well.
    Unwell,
    /// And of what is wrong with each only the first thing, in one line.
    Brief,
    /// And at most this many of them.
    Most(usize),
}

/// The rows, and the services that have none.
#[derive(Clone, Debug, Default)]
pub(super) struct Rows<'s> {
    pub(super) rows: Vec<Row<'s>>,
    /// Well, and not in a group.
    pub(super) well: Vec<&'s Service>,
    /// Not well, and left out.
    pub(super) more: usize,
}

/// The fewest services that are worth folding into a row.
const GROUP: usize = 2;

impl Summary<'_> {
    /// `17 RUNNING` when all are in one state, else `14/17 RUNNING`.
    pub(super) fn state(&self) -> String {
        let all = self.members.len();
        let first = self.members.first().map_or(State::Stopped, |member| member.state);
        if self.members.iter().all(|member| member.state == first) {
            return format!("{all} {}", first.as_str());
        }
        let running = self
            .members
            .iter()
            .filter(|member| member.state == State::Running)
            .count();
        format!("{running}/{all} {}", State::Running.as_str())
    }

    /// `17 healthy`, or `14/17 healthy`; nothing when none is asked.
    pub(super) fn health(&self) -> String {
        let of = |wanted: fn(&HealthStatus) -> bool| {
            self.members
                .iter()
                .filter(|member| wanted(&member.health.status))
                .count()
        };
        let asked = of(|status| *status != HealthStatus::None);
        let healthy = of(|status| *status == HealthStatus::Healthy);
        match (asked, healthy) {
            (0, _) => "-".into(),
            (_, 0) => "-".into(),
            _ if asked == healthy => format!("{healthy} healthy"),
            _ => format!("{healthy}/{asked} healthy"),
        }
    }

    /// The ports of all, in the order of the services.
    pub(super) fn ports(&self) -> Vec<u16> {
        self.members
            .iter()
            .flat_map(|member| member.ports.clone())
            .collect()
    }

    /// How long all of those that run have been running.
    pub(super) fn uptime_s(&self) -> Option<f64> {
        self.members
            .iter()
            .filter_map(|member| member.uptime_s)
            .min_by(f64::total_cmp)
    }
}

/// Whether nothing needs to be said of a service.
fn is_well(status: &Status, service: &Service, concern: Concern) -> bool {
    let supervised = status.supervisor.state == SupervisorState::Running;
    (concern == Concern::Fine || !supervised) && trouble::of_service(service, status).is_empty()
}

/// The rows in this detail.
pub(super) fn rows<'s>(status: &'s Status, concerns: &[Concern], detail: Detail) -> Rows<'s> {
    let services: Vec<(&Service, Concern)> = status.services.iter().zip(concerns.iter().copied()).collect();
    let mut shown = Rows::default();
    if detail == Detail::Whole {
        shown.rows = services
            .into_iter()
            .map(|(service, concern)| Row::Service(service, concern))
            .collect();
        return shown;
    }
    let mut done: Vec<&str> = Vec::new();
    for (service, concern) in &services {
        match service.group.as_deref() {
            Some(group) if size(&services, group) >= GROUP => {
                if !done.contains(&group) {
                    done.push(group);
                    shown.rows.extend(group_rows(status, &services, group));
                }
            }
            Some(_) | None if detail >= Detail::Unwell && is_well(status, service, *concern) => {
                shown.well.push(service);
            }
            Some(_) | None => shown.rows.push(Row::Service(service, *concern)),
        }
    }
    if let Detail::Most(most) = detail {
        cut(&mut shown, most);
    }
    shown
}

fn size(services: &[(&Service, Concern)], group: &str) -> usize {
    services
        .iter()
        .filter(|(service, _)| service.group.as_deref() == Some(group))
        .count()
}

/// The group, then those of its members that are not well.
fn group_rows<'s>(status: &Status, services: &[(&'s Service, Concern)], group: &'s str) -> Vec<Row<'s>> {
    let members: Vec<(&Service, Concern)> = services
        .iter()
        .filter(|(service, _)| service.group.as_deref() == Some(group))
        .copied()
        .collect();
    let unwell = members
        .iter()
        .filter(|(service, concern)| !is_well(status, service, *concern));
    let unwell: Vec<Row<'_>> = unwell
        .map(|(service, concern)| Row::Service(service, *concern))
        .collect();
    if unwell.len() == members.len() {
        return unwell;
    }
    let summary = Summary {
        name: group,
        members: members.iter().map(|(service, _)| *service).collect(),
        concern: members
            .iter()
            .map(|(_, concern)| *concern)
            .max()
            .unwrap_or(Concern::Fine),
    };
    std::iter::once(Row::Group(summary)).chain(unwell).collect()
}

/// Keeps the gravest of what is not well, in their order.
fn cut(shown: &mut Rows<'_>, most: usize) {
    let mut unwell: Vec<(Concern, usize)> = shown
        .rows
        .iter()
        .enumerate()
        .filter_map(|(index, row)| match row {
            Row::Service(_, concern) => Some((*concern, index)),
            Row::Group(_) => None,
        })
        .collect();
    unwell.sort_by_key(|(concern, index)| (std::cmp::Reverse(*concern), *index));
    let gone: Vec<usize> = unwell.iter().skip(most).map(|(_, index)| *index).collect();
    shown.more = gone.len();
    let mut index = 0;
    shown.rows.retain(|_| {
        index += 1;
        !gone.contains(&(index - 1))
    });
}
