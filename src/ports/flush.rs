//! Frees ports: SIGTERM, grace, SIGKILL to proven holders and to nobody else, then the proof.

use super::end::end_all;
use super::judge::{PlannedHolder, PortPlan, Rules, Verdict, judge};
use super::listen::{Listener, listeners};
use super::ownership::{Keeper, LiveRun, Ownership, ownership};
use super::prove::prove_free;
use super::report::{HolderReport, Outcome, PortReport};
use crate::process::{Identity, Table};
use crate::service::signal_name;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// How often holders that appear meanwhile are ended too: copies of a socket that a holder left to a
/// child, or leftovers of ours that start each other. A stranger who binds the port anew never is.
const ROUNDS: usize = 3;

/// How ports are freed: by which rules, in whose house, beside which live runs.
#[derive(Clone, Debug)]
pub struct Flush {
    /// What must be respected.
    pub rules: Rules,
    /// Our state directory, as marks name it.
    pub house: PathBuf,
    /// The runs that the supervisor keeps up; empty without a supervisor.
    pub live: Vec<LiveRun>,
    /// The supervisor, where it listens for services; never signalled.
    pub keeper: Option<Keeper>,
    /// From SIGTERM to SIGKILL; zero means SIGKILL at once (emergency).
    pub grace: Duration,
}

impl Flush {
    /// Looks, and says what would happen to each port. Touches nothing.
    ///
    /// # Errors
    /// /proc could not be read: nothing is known about the ports.
    pub fn plan(&self, ports: &[u16]) -> io::Result<Vec<PortPlan>> {
        let found = listeners(ports)?;
        let owners = self.owners(&found)?;
        let owner = |port: u16, pid: i32| {
            let kept = self
                .keeper
                .as_ref()
                .and_then(|keeper| keeper.ownership(port, pid));
            kept.or_else(|| owners.get(&pid).cloned())
                .unwrap_or(Ownership::Foreign)
        };
        Ok(ports
            .iter()
            .map(|&port| {
                judge(
                    port,
                    &found,
                    |holder| owner(port, holder.identity.pid),
                    &self.rules,
                )
            })
            .collect())
    }

    /// What `--dry-run` prints for these plans.
    #[must_use]
    pub fn dry_run(&self, plans: &[PortPlan]) -> Vec<PortReport> {
        let first = if self.grace.is_zero() {
            "SIGKILL"
        } else {
            "SIGTERM"
        };
        let keeper = self.keeper.as_ref().map(|keeper| keeper.pid);
        let planned = |plan: &PortPlan| {
            let mut report = PortReport::planned(plan, first);
            if report.holders.len() > 1 {
                report.holders.retain(|holder| Some(holder.pid) != keeper);
            }
            report
        };
        plans.iter().map(planned).collect()
    }

    /// Carries the plans out, all ports and holders side by side, and proves each port free.
    ///
    /// `stop` asks the supervisor to take these services down and returns when they are down. Bounded:
    /// its time, and at most three rounds of the grace and 2 s.
    pub async fn free(
        &self,
        plans: &[PortPlan],
        stop: impl AsyncFnOnce(Vec<String>) -> Result<(), String>,
    ) -> Vec<PortReport> {
        let mut jobs: Vec<Job> = plans.iter().map(Job::new).collect();
        let mut flush = self.clone();
        flush.stop_managed(&mut jobs, stop).await;
        let mut sent = BTreeMap::new();
        for round in 0..=ROUNDS {
            let targets = flush.look_again(&mut jobs, &sent);
            if targets.is_empty() {
                break;
            }
            if round == ROUNDS {
                give_up(&mut jobs, &targets);
                break;
            }
            for (identity, outcome) in end_all(targets, flush.grace).await {
                match outcome {
                    Ok(signal) => drop(sent.insert(identity, signal)),
                    Err(error) => fail_holder(&mut jobs, identity, &error),
                }
            }
        }
        let keeper = flush.keeper.map(|keeper| keeper.pid);
        jobs.into_iter().map(|job| job.report(keeper, &sent)).collect()
    }

    /// Whose each holder is. The process table is read once, and only if there is a holder.
    fn owners(&self, found: &[Listener]) -> io::Result<BTreeMap<i32, Ownership>> {
        let pids: BTreeSet<i32> = found
            .iter()
            .flat_map(|listener| &listener.holders)
            .map(|holder| holder.identity.pid)
            .collect();
        if pids.is_empty() {
            return Ok(BTreeMap::new());
        }
        let table = Table::read()?;
        pids.into_iter()
            .map(|pid| Ok((pid, ownership(pid, &table, &self.house, &self.live)?)))
            .collect()
    }

    /// Has the supervisor stop the services in the way; what is left of them afterwards is a stray.
    async fn stop_managed(
        &mut self,
        jobs: &mut [Job],
        stop: impl AsyncFnOnce(Vec<String>) -> Result<(), String>,
    ) {
        if self.rules.spare_managed {
            return;
        }
        let services: BTreeSet<String> = jobs
            .iter()
            .filter(|job| job.is_open())
            .flat_map(Job::services)
            .collect();
        if services.is_empty() {
            return;
        }
        match stop(services.iter().cloned().collect()).await {
            Ok(()) => self.live.retain(|run| !services.contains(&run.service)),
            Err(error) => {
                for job in jobs.iter_mut().filter(|job| job.services().next().is_some()) {
                    job.error.get_or_insert_with(|| error.clone());
                }
            }
        }
    }

    /// Looks at the open ports again: who is to be ended now, and which ports cannot be freed.
    fn look_again(&self, jobs: &mut [Job], sent: &BTreeMap<Identity, Option<i32>>) -> Targets {
        let mut targets = Targets::new();
        let open: Vec<u16> = jobs
            .iter()
            .filter(|job| job.is_open())
            .map(|job| job.port)
            .collect();
        if open.is_empty() {
            return targets;
        }
        let looked = self.plan(&open);
        for job in jobs.iter_mut().filter(|job| job.is_open()) {
            let port = job.port;
            match &looked {
                Err(error) => job.error = Some(format!("port {port} cannot be looked at: {error}")),
                Ok(plans) => plans
                    .iter()
                    .filter(|plan| plan.port == port)
                    .for_each(|plan| job.take_in(plan, &self.rules, sent, &mut targets)),
            }
        }
        targets
    }
}

/// Whom to end, and the sockets they are to give up.
pub(super) type Targets = BTreeMap<Identity, BTreeSet<u64>>;

/// One port on its way to being free.
struct Job {
    port: u16,
    verdict: Verdict,
    /// The sockets that the plan is about.
    sockets: BTreeSet<u64>,
    /// Everybody seen holding it.
    holders: Vec<PlannedHolder>,
    /// Spared holders keep it: there is nothing to prove.
    kept: bool,
    error: Option<String>,
}

impl Job {
    fn new(plan: &PortPlan) -> Job {
        Job {
            port: plan.port,
            verdict: plan.verdict.clone(),
            sockets: plan.sockets.clone(),
            holders: plan.holders.clone(),
            kept: false,
            error: None,
        }
    }

    fn is_open(&self) -> bool {
        self.verdict == Verdict::Clear && self.error.is_none()
    }

    /// The services of its managed holders.
    fn services(&self) -> impl Iterator<Item = String> {
        self.holders.iter().filter_map(|holder| match &holder.ownership {
            Ownership::Managed { service, .. } => Some(service.clone()),
            Ownership::Stray { .. } | Ownership::Foreign => None,
        })
    }

    /// Takes in what a new look at the port shows.
    fn take_in(
        &mut self,
        now: &PortPlan,
        rules: &Rules,
        sent: &BTreeMap<Identity, Option<i32>>,
        targets: &mut Targets,
    ) {
        self.kept = now.verdict == Verdict::Spare;
        if let Verdict::Refuse(reason) = &now.verdict {
            self.error = Some(reason.clone());
        }
        if now.verdict == Verdict::Clear {
            let known = now.sockets.is_subset(&self.sockets);
            let going = || {
                now.holders
                    .iter()
                    .filter(|holder| !rules.spares(&holder.ownership))
            };
            self.error = going().find_map(|holder| obstacle(self.port, holder, known, sent));
            for holder in going().filter(|_| self.error.is_none()) {
                targets.entry(holder.identity).or_default().extend(&now.sockets);
            }
        }
        for holder in &now.holders {
            if self.holders.iter().all(|seen| seen.identity != holder.identity) {
                self.holders.push(holder.clone());
            }
        }
    }

    /// The supervisor holds a socket only for its service: beside the service it is not worth naming.
    fn report(mut self, keeper: Option<i32>, sent: &BTreeMap<Identity, Option<i32>>) -> PortReport {
        if self.holders.len() > 1 {
            self.holders.retain(|holder| Some(holder.identity.pid) != keeper);
        }
        let outcome = match self.verdict {
            Verdict::Spare => Outcome::Free,
            Verdict::Refuse(reason) => {
                self.error = Some(reason);
                Outcome::Refused
            }
            Verdict::Free | Verdict::Clear => {
                if self.error.is_none() && !self.kept {
                    self.error = prove_free(self.port).err();
                }
                match (&self.error, self.verdict == Verdict::Free) {
                    (Some(_), _) => Outcome::Failed,
                    (None, true) => Outcome::Free,
                    (None, false) => Outcome::Freed,
                }
            }
        };
        let signal = |holder: &PlannedHolder| sent.get(&holder.identity).copied().flatten().map(signal_name);
        PortReport {
            port: self.port,
            outcome,
            holders: self
                .holders
                .iter()
                .map(|holder| HolderReport::of(holder, signal(holder).as_deref()))
                .collect(),
            error: self.error,
        }
    }
}

/// Why this holder, found on a new look, is not to be ended. `known`: all sockets on the port are those
/// that the plan, which a person may have agreed to, was about.
fn obstacle(
    port: u16,
    holder: &PlannedHolder,
    known: bool,
    sent: &BTreeMap<Identity, Option<i32>>,
) -> Option<String> {
    let held = format!(
        "port {port} is held by `{}` ({})",
        holder.command, holder.identity
    );
    if let Some(signal) = sent.get(&holder.identity) {
        let after = signal.map_or("a signal".to_string(), signal_name);
        return Some(format!("{held} still, after {after}"));
    }
    match &holder.ownership {
        Ownership::Managed { service, .. } => Some(format!(
            "{held}: the supervisor started {service} meanwhile, so stop it first"
        )),
        Ownership::Foreign if !known => Some(format!(
            "{held}, which took it meanwhile: something starts it again, stop that first"
        )),
        Ownership::Stray { .. } | Ownership::Foreign => None,
    }
}

/// The rounds are over and there are still new holders.
fn give_up(jobs: &mut [Job], targets: &Targets) {
    for job in jobs.iter_mut().filter(|job| job.is_open()) {
        let mut last = job.holders.iter().rev();
        if let Some(holder) = last.find(|holder| targets.contains_key(&holder.identity)) {
            job.error = Some(format!(
                "port {} is held by `{}` ({}): a new holder appeared {ROUNDS} times, so something starts it \
                 again, stop that first",
                job.port, holder.command, holder.identity
            ));
        }
    }
}

/// This holder could not be signalled.
fn fail_holder(jobs: &mut [Job], identity: Identity, error: &io::Error) {
    for job in jobs.iter_mut() {
        let held = job.holders.iter().find(|holder| holder.identity == identity);
        if let Some(holder) = held {
            let reason = format!(
                "port {} is held by `{}` ({identity}), which cannot be signalled: {error}",
                job.port, holder.command
            );
            job.error.get_or_insert(reason);
        }
    }
}
