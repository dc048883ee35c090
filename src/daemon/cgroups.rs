//! The cgroups of the runs, where there are any: one more proof of what is left, and one more way to end it.

use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;

use super::state::hash;
use crate::process::{Cgroup, Identity, Nursery};
use crate::service::Run;
use std::os::unix::ffi::OsStrExt;

/// All of them.
#[derive(Debug)]
pub struct Cgroups {
    house: u64,
    nursery: Option<Nursery>,
    of: HashMap<Run, Cgroup>,
    /// Those of runs that are over, still to be removed: the kernel takes its time, and nobody waits for it.
    over: Vec<Cgroup>,
}

/// More are not kept for later.
const MOST_OVER: usize = 1024;

impl Cgroups {
    /// Looks whether this house can have any; what earlier supervisors left empty is removed.
    #[must_use]
    pub fn of_house(house: &Path) -> Self {
        let house = hash(house.as_os_str().as_bytes());
        let nursery = Nursery::find(house);
        if let Some(nursery) = &nursery {
            nursery.tidy();
        }
        Self {
            house,
            nursery,
            of: HashMap::new(),
            over: Vec::new(),
        }
    }

    /// Makes one for a run that is about to start: its folder. None where there are none.
    pub fn make(&mut self, run: &Run) -> Option<Arc<OwnedFd>> {
        let cgroup = self.nursery.as_ref()?.make(&run.to_string()).ok()?;
        let folder = cgroup.folder();
        self.of.insert(run.clone(), cgroup);
        Some(folder)
    }

    /// The run has begun: if its process is not in its cgroup, that proves nothing, and goes.
    pub fn begun(&mut self, run: &Run, leader: i32) {
        if self.of.get(run).is_some_and(|cgroup| !cgroup.holds(leader)) {
            self.end(run);
        }
    }

    /// The cgroup of a run that an earlier supervisor made.
    pub fn adopt(&mut self, run: &Run, leader: Identity) {
        if let Some(cgroup) = Nursery::adopt(self.house, leader.pid) {
            self.of.insert(run.clone(), cgroup);
        }
    }

    /// Whether it has one.
    #[must_use]
    pub fn has(&self, run: &Run) -> bool {
        self.of.contains_key(run)
    }

    /// Sends SIGKILL to all of it at once.
    pub fn kill(&self, run: &Run) {
        if let Some(cgroup) = self.of.get(run)
            && let Err(error) = cgroup.kill()
        {
            tracing::debug!(%run, %error, "its cgroup cannot be killed; its processes are, one by one");
        }
    }

    /// Its living processes; `leader`, which is known to live, need not be asked who it is.
    #[must_use]
    pub fn members(&self, run: &Run, leader: Option<Identity>) -> Vec<Identity> {
        let pids = self.of.get(run).map(Cgroup::members).unwrap_or_default();
        let known = |pid| leader.filter(|leader| leader.pid == pid);
        pids.into_iter()
            .filter_map(|pid| known(pid).or_else(|| Identity::of(pid).ok().flatten()))
            .collect()
    }

    /// Whether something is left in it.
    ///
    /// # Errors
    /// It could not be looked at.
    pub fn is_populated(&self, run: &Run) -> std::io::Result<bool> {
        self.of.get(run).map_or(Ok(false), Cgroup::is_populated)
    }

    /// The run is over: its cgroup is of no use any more, and goes when there is time.
    pub fn end(&mut self, run: &Run) {
        self.over.extend(self.of.remove(run));
        if self.over.len() >= MOST_OVER {
            self.tidy();
        }
    }

    /// There is time: removes what is of no use.
    pub fn tidy(&mut self) {
        std::mem::take(&mut self.over).iter().for_each(Cgroup::remove);
    }
}
