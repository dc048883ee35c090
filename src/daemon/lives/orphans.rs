//! Children that are given to us when their parents die: whose they are.

use std::collections::HashMap;
use std::io;
use std::os::unix::fs::MetadataExt;

use super::{Life, Lives};
use crate::process::{self, Process};
use crate::service::{Run, ServiceName};

impl Lives {
    /// Finds out whose our unknown children are: by their mark, else by the session or group they are in.
    pub(super) fn claim_orphans(&mut self) -> io::Result<()> {
        if self.claimed {
            return Ok(());
        }
        let mut unknown = process::own_children()?;
        unknown.retain(|pid| !self.leaders.contains_key(pid) && !self.own.contains(pid));
        if unknown.is_empty() {
            self.orphans.clear();
            self.claimed = true;
            return Ok(());
        }
        let mut orphans = HashMap::new();
        for pid in unknown {
            let Some(process) = process::process(pid)? else {
                continue;
            };
            let known = self.orphans.get(&process.identity()).cloned();
            match known.or_else(|| self.owner(&process)) {
                Some(run) => drop(orphans.insert(process.identity(), run)),
                None => tracing::debug!(
                    pid = process.pid,
                    name = process.comm,
                    "a child of unknown origin"
                ),
            }
        }
        (self.orphans, self.claimed) = (orphans, true);
        Ok(())
    }

    fn owner(&self, process: &Process) -> Option<Run> {
        let mark = process::mark(process.pid).ok().flatten();
        let marked = mark.filter(|mark| mark.state_dir == self.house).and_then(|mark| {
            Some(Run {
                service: ServiceName::parse(&mark.service).ok()?,
                number: mark.number,
            })
        });
        marked.filter(|run| self.lives.contains_key(run)).or_else(|| {
            let kin = |life: &Life| [process.session, process.pgrp].contains(&life.leader.pid);
            self.lives
                .iter()
                .find(|(_, life)| kin(life))
                .map(|(run, _)| run.clone())
                .or_else(|| self.suspect(process))
        })
    }

    /// One of another user may not be asked for its mark, and may have left its session: it is some run's
    /// all the same. Until it is gone, it counts for one that has lost its first process, so that no new
    /// run starts beside it.
    fn suspect(&self, process: &Process) -> Option<Run> {
        let owner = || std::fs::metadata(format!("/proc/{}", process.pid)).ok();
        let another = || owner().is_some_and(|owner| owner.uid() != nix::unistd::geteuid().as_raw());
        let hidden = process.state != 'Z' && another();
        let mut headless = self.lives.iter().filter(|(_, life)| life.exit.is_some());
        hidden.then(|| headless.next().map(|(run, _)| run.clone()))?
    }
}
