//! Whether who sent a notification belongs to the run that it speaks for.

use std::path::Path;

use crate::process::{self, Process};
use crate::service::Run;

/// The run whose processes are heard.
#[derive(Clone, Debug)]
pub struct Speaker {
    /// Which.
    pub run: Run,
    /// Its first process.
    pub leader: i32,
    /// An earlier supervisor began it, so its orphans are not below us.
    pub adopted: bool,
}

impl Speaker {
    /// Whether this process, of this user, is of the run; `house` is the state folder that marks our processes.
    /// Fails closed: who is gone is not.
    ///
    /// All that a run starts stays below us, which nobody can forge; which run it is, the mark tells, or
    /// the parents, or the session. An adopted run's orphans are below somebody else: their mark counts, if
    /// their user is one whom the run could not keep out anyway.
    #[must_use]
    pub fn says(&self, house: &Path, pid: i32, uid: u32) -> bool {
        if pid == self.leader {
            return true;
        }
        let line = process::lineage(pid).unwrap_or_default();
        let Some(process) = line.first() else { return false };
        if line.iter().any(|process| process.pid == self.leader) {
            return true;
        }
        let own = std::process::id().cast_signed();
        match line.iter().any(|process| process.pid == own) {
            true => self.is_kin(process) || self.is_marked(house, pid),
            false => self.adopted && self.is_trusted(uid) && self.is_marked(house, pid),
        }
    }

    fn is_kin(&self, process: &Process) -> bool {
        [process.session, process.pgrp].contains(&self.leader)
    }

    fn is_marked(&self, house: &Path, pid: i32) -> bool {
        process::mark(pid).ok().flatten().is_some_and(|mark| {
            mark.service == self.run.service.as_str()
                && mark.number == self.run.number
                && mark.state_dir == house
        })
    }

    fn is_trusted(&self, uid: u32) -> bool {
        let owner = |pid: u32| {
            std::fs::metadata(format!("/proc/{pid}"))
                .ok()
                .map(|process| std::os::unix::fs::MetadataExt::uid(&process))
        };
        uid == 0 || owner(std::process::id()) == Some(uid) || owner(self.leader.cast_unsigned()) == Some(uid)
    }
}
