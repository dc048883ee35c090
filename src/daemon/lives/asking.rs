//! Asking a run to end: those who are found at once first, and whoever is found later, too.
//!
//! A run's cgroup names its processes for one read. To look for descendants that have left it, which few runs have,
//! takes as long as all the rest of a stop, and makes the kernel forget more when the process ends. So they are
//! looked for a moment later, among those who still live; and who is left by a first process that has ended is
//! given to us, and asked then.

use std::io;

use serde::{Deserialize, Serialize};

use super::{Life, Lives, send};
use crate::process::{Handle, Identity};
use crate::service::Run;

/// Whom of a run was asked to end, and how.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    /// The signals.
    signals: [i32; 2],
    /// These have had them.
    whom: Vec<Identity>,
}

impl Lives {
    /// Asks the run to end, its first process first: with `all` every process of it, without those that are found at
    /// once; for others comes [`Lives::ask_the_rest`]. They are looked for before the first signal: who is left alone
    /// by a first process that ends at once is asked, too. Returns how many were asked.
    ///
    /// # Errors
    /// Could not look for descendants; the leader was asked all the same.
    pub fn ask(&mut self, run: &Run, signals: [i32; 2], all: bool) -> io::Result<usize> {
        let members = match !all && self.cgroups.has(run) && !self.is_adopted(run) {
            true => Ok(self.members_at_hand(run)),
            false => self.members(run),
        };
        let Some(life) = self.lives.get_mut(run) else {
            return Ok(0);
        };
        let mut whom = Vec::new();
        if let (None, Some(leader)) = (life.exit, &life.handle) {
            send(leader, &signals);
            whom.push(life.leader);
        }
        life.asked = Some(Box::new(Asked { signals, whom }));
        self.ask_also(run, &members?)
    }

    /// Those that can be known without a look at every process: its first one, and who is in its cgroup.
    fn members_at_hand(&self, run: &Run) -> Vec<Identity> {
        let living = self.lives.get(run).and_then(|life| life.living());
        let mut found = self.cgroups.members(run, living);
        found.extend(living);
        found
    }

    /// Asks everybody who belongs to a run that was asked to end, and has not been asked yet.
    ///
    /// # Errors
    /// Could not look for descendants of one of them; the others were asked all the same.
    pub fn ask_the_rest(&mut self) -> io::Result<()> {
        // What a first process leaves that has ended is seen when its end is.
        let open = |life: &Life| life.asked.is_some() && (life.adopted || life.living().is_some());
        let asked = self.lives.iter().filter(|(_, life)| open(life));
        let asked: Vec<Run> = asked.map(|(run, _)| run.clone()).collect();
        let results: Vec<_> = asked.iter().map(|run| self.ask_the_rest_of(run)).collect();
        results.into_iter().collect()
    }

    /// The same for one run.
    pub(super) fn ask_the_rest_of(&mut self, run: &Run) -> io::Result<()> {
        if self.lives.get(run).is_none_or(|life| life.asked.is_none()) {
            return Ok(());
        }
        let members = self.members(run)?;
        self.ask_also(run, &members).map(drop)
    }

    fn ask_also(&mut self, run: &Run, members: &[Identity]) -> io::Result<usize> {
        let Some(asked) = self.lives.get_mut(run).and_then(|life| life.asked.as_mut()) else {
            return Ok(0);
        };
        for &member in members {
            if asked.whom.contains(&member) {
                continue;
            }
            if let Some(handle) = Handle::open(member)? {
                send(&handle, &asked.signals);
            }
            asked.whom.push(member);
        }
        Ok(asked.whom.len())
    }
}
