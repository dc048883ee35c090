//! The processes of the runs: which are whose, what is left of a run, and signals to all of it.
//!
//! Whatever a run starts stays below us: we are the sub-reaper, so a descendant whose parents died
//! becomes our own child. Once a run's leader is gone, nothing of the run is left if none of our
//! other children is an orphan of it; that proof needs no scan of the machine.
//!
//! Runs that were adopted from a supervisor that died are not below us. They are looked for by their
//! mark, all over the machine, and each of their processes is watched by a pidfd.

mod asking;
mod orphans;
mod records;

use std::collections::{HashMap, HashSet};
use std::io;
use std::path::PathBuf;
use std::rc::Rc;

use nix::sys::signal::Signal;

pub use asking::Asked;
pub use records::LifeRecord;

use super::cgroups::Cgroups;
use crate::process::{self, Handle, Identity, Marked, Process, Table};
use crate::service::{Exit, Run, ServiceName};

/// One run with processes.
#[derive(Debug)]
struct Life {
    /// Its first process.
    leader: Identity,
    /// Holds it; none if it was gone when it was adopted.
    handle: Option<Handle>,
    /// An earlier supervisor began it: its processes are not below us.
    adopted: bool,
    /// How its first process ended, once it has.
    exit: Option<Exit>,
    /// It was asked to end: whoever turns up is asked too.
    asked: Option<Box<Asked>>,
    /// SIGKILL was ordered: whatever turns up is killed too.
    killing: bool,
}

impl Life {
    /// Its first process, unless that has ended: a zombie has.
    fn living(&self) -> Option<Identity> {
        let handle = self.handle.as_ref().filter(|_| self.exit.is_none())?;
        handle.is_alive().then_some(self.leader)
    }
}

/// All runs with processes, and our other children.
#[derive(Debug)]
pub struct Lives {
    house: PathBuf,
    /// The cgroups of the runs.
    pub cgroups: Cgroups,
    /// Boxed, as half of a map may be empty.
    lives: HashMap<Run, Box<Life>>,
    leaders: HashMap<i32, Run>,
    /// Children that belong to no run, such as exec probes.
    own: HashSet<i32>,
    /// Orphans given to us, and whose they are.
    orphans: HashMap<Identity, Run>,
    /// Processes of adopted runs that outlived their leader, and nobody watches yet.
    unwatched: Vec<Identity>,
    watched: HashSet<Identity>,
    /// The processes of this machine as of this turn of the loop: stopping many is one look, not many.
    table: Option<Rc<Table>>,
    /// The same of those with our mark.
    marked: Option<Rc<Vec<Marked>>>,
    /// The orphans are as of this turn.
    claimed: bool,
}

impl Lives {
    /// None yet. `house` is the state folder that marks our processes.
    #[must_use]
    pub fn new(house: PathBuf) -> Self {
        Self {
            cgroups: Cgroups::of_house(&house),
            house,
            lives: HashMap::new(),
            leaders: HashMap::new(),
            own: HashSet::new(),
            orphans: HashMap::new(),
            unwatched: Vec::new(),
            watched: HashSet::new(),
            table: None,
            marked: None,
            claimed: false,
        }
    }

    /// A run has begun with this process, our child.
    pub fn begin(&mut self, run: Run, leader: Handle) {
        self.leaders.insert(leader.identity().pid, run.clone());
        self.insert(run, leader.identity(), Some(leader), false);
    }

    /// A run goes on that an earlier supervisor began; without a handle, its first process is gone.
    pub fn adopt(&mut self, run: Run, leader: Identity, handle: Option<Handle>) {
        self.cgroups.adopt(&run, leader);
        self.insert(run, leader, handle, true);
    }

    fn insert(&mut self, run: Run, leader: Identity, handle: Option<Handle>, adopted: bool) {
        let life = Life {
            leader,
            handle,
            adopted,
            exit: None,
            asked: None,
            killing: false,
        };
        self.lives.insert(run, Box::new(life));
    }

    /// The first process of an adopted run has ended.
    pub fn adopted_ended(&mut self, run: &Run, exit: Exit) {
        if let Some(life) = self.lives.get_mut(run) {
            life.exit = Some(exit);
        }
    }

    /// Whether an earlier supervisor began it.
    #[must_use]
    pub fn is_adopted(&self, run: &Run) -> bool {
        self.lives.get(run).is_some_and(|life| life.adopted)
    }

    /// Another process of the run is its first from now on. The one before it, our child, is now like an
    /// orphan of the run.
    pub fn lead(&mut self, run: &Run, leader: Handle) {
        if let Some(life) = self.lives.get_mut(run) {
            self.leaders.remove(&life.leader.pid);
            self.leaders.insert(leader.identity().pid, run.clone());
            (life.leader, life.exit) = (leader.identity(), None);
            life.handle = Some(leader);
        }
    }

    /// Processes that somebody must watch from now on, since the kernel will not tell us of their end.
    pub fn take_unwatched(&mut self) -> Vec<Identity> {
        std::mem::take(&mut self.unwatched)
    }

    /// A child that is no run's.
    pub fn own(&mut self, pid: i32) {
        self.own.insert(pid);
    }

    /// Notes that a child was reaped; tells whose leader it was.
    pub fn ended(&mut self, pid: i32, exit: Exit) -> Option<Run> {
        self.own.remove(&pid);
        self.orphans.retain(|orphan, _| orphan.pid != pid);
        let run = self.leaders.remove(&pid)?;
        self.lives.get_mut(&run)?.exit = Some(exit);
        Some(run)
    }

    /// Whether SIGKILL was sent to the run.
    #[must_use]
    pub fn is_killing(&self, run: &Run) -> bool {
        self.lives.get(run).is_some_and(|life| life.killing)
    }

    /// The run's first process, while it lives.
    #[must_use]
    pub fn leader(&self, run: &Run) -> Option<Identity> {
        let life = self.lives.get(run)?;
        life.exit.is_none().then_some(life.leader)
    }

    /// The pid of a service's leader, while it lives.
    #[must_use]
    pub fn pid(&self, service: &ServiceName, number: u64) -> Option<i32> {
        self.leader(&Run {
            service: service.clone(),
            number,
        })
        .map(|leader| leader.pid)
    }

    /// This turn's look at the processes.
    fn table(&mut self) -> io::Result<Rc<Table>> {
        if let Some(table) = &self.table {
            return Ok(table.clone());
        }
        let table = Rc::new(Table::links()?);
        self.table = Some(table.clone());
        Ok(table)
    }

    /// What was looked at is old: something happened, or time has passed.
    pub fn look_anew(&mut self) {
        (self.table, self.marked, self.claimed) = (None, None, false);
    }

    /// Forgets every run of which nothing is left, and names them. The look of this turn must be no older than
    /// the end of any run's first process: all that such a run left was given to us at that moment, and nothing
    /// can be added to nothing.
    ///
    /// # Errors
    /// Could not look: nothing is proven, and nothing is forgotten.
    pub fn sweep(&mut self) -> io::Result<Vec<Run>> {
        let headless: Vec<Run> = self
            .lives
            .iter()
            .filter(|(_, life)| life.exit.is_some())
            .map(|(run, _)| run.clone())
            .collect();
        if headless.is_empty() {
            return Ok(Vec::new());
        }
        self.claim_orphans()?;
        let mut gone = Vec::new();
        for run in headless {
            let adopted = self.lives.get(&run).is_some_and(|life| life.adopted);
            let left = match adopted {
                true => !self.adopted_members(&run)?.is_empty(),
                false => self.orphans.values().any(|owner| *owner == run),
            };
            if !left && !self.cgroups.is_populated(&run)? {
                gone.push(run);
            } else {
                self.ask_the_rest_of(&run)?;
            }
        }
        for run in &gone {
            self.lives.remove(run);
            self.cgroups.end(run);
        }
        Ok(gone)
    }

    /// The runs that are to be killed and have something left.
    #[must_use]
    pub fn condemned(&self) -> Vec<Run> {
        self.lives
            .iter()
            .filter(|(_, life)| life.killing)
            .map(|(run, _)| run.clone())
            .collect()
    }

    /// Kills everything of the run. What it forks meanwhile is killed too, in rounds; who was there
    /// last is returned, and met again when one of our children ends.
    ///
    /// # Errors
    /// Could not look for descendants; the leader was killed all the same.
    pub fn kill(&mut self, run: &Run) -> io::Result<Vec<Identity>> {
        const ROUNDS: usize = 8;
        if let Some(life) = self.lives.get_mut(run) {
            life.killing = true;
        }
        self.cgroups.kill(run);
        let mut killed = HashSet::new();
        for _ in 0..ROUNDS {
            self.look_anew();
            if let Some(leader) = self.lives.get(run).and_then(|life| life.handle.as_ref()) {
                send(leader, &KILL);
            }
            let members = self.members(run)?;
            for &member in &members {
                Handle::open(member)?
                    .iter()
                    .for_each(|handle| send(handle, &KILL));
            }
            let before = killed.len();
            killed.extend(members.iter().copied());
            if killed.len() == before {
                return Ok(members);
            }
        }
        self.look_anew();
        self.members(run)
    }

    /// Every living process of the run: what descends from its leader or from an orphan of it, and what
    /// is in the leader's session or group.
    ///
    /// # Errors
    /// Could not look.
    pub fn members(&mut self, run: &Run) -> io::Result<Vec<Identity>> {
        self.claim_orphans()?;
        let Some(life) = self.lives.get(run) else {
            return Ok(Vec::new());
        };
        let (leader, ended, living) = (life.leader, life.exit.is_some(), life.living());
        if life.adopted {
            return self.adopted_members(run);
        }
        let orphans = self.orphans.iter().filter(|(_, owner)| *owner == run);
        let orphans: Vec<i32> = orphans.map(|(orphan, _)| orphan.pid).collect();
        if ended && orphans.is_empty() {
            return Ok(Vec::new());
        }
        let mut found = self.cgroups.members(run, living);
        found.extend(living);
        match below(&orphans, (!ended).then_some(leader.pid))? {
            Some(below) => found.extend(below),
            None => found.extend(self.below_by_table(&orphans, leader.pid, ended)?),
        }
        found.sort_unstable();
        found.dedup();
        Ok(found)
    }

    /// The same from the whole table, where the kernel keeps no lists of children.
    fn below_by_table(&mut self, orphans: &[i32], leader: i32, ended: bool) -> io::Result<Vec<Identity>> {
        let table = self.table()?;
        let kin = match ended {
            true => Vec::new(),
            false => table.session(leader).chain(table.group(leader)).collect(),
        };
        let kin = kin.into_iter().map(|process| process.pid);
        let roots = (!ended).then_some(leader).into_iter().chain(kin);
        let all = orphans.iter().copied().chain(roots).flat_map(|root| {
            let below = table.descendants(root).into_iter().chain(table.get(root));
            below.collect::<Vec<_>>()
        });
        let living = all.filter(|process| process.state != 'Z');
        Ok(living.map(Process::identity).collect())
    }

    fn adopted_members(&mut self, run: &Run) -> io::Result<Vec<Identity>> {
        let same = |mark: &process::Mark| mark.service == run.service.as_str() && mark.number == run.number;
        let marked = match &self.marked {
            Some(marked) => marked.clone(),
            None => Rc::new(process::marked(&self.house)?),
        };
        self.marked = Some(marked.clone());
        let mut members: Vec<Identity> = marked
            .iter()
            .filter(|marked| same(&marked.mark))
            .map(|marked| marked.identity)
            .collect();
        members.extend(self.cgroups.members(run, None));
        members.sort_unstable();
        members.dedup();
        for &member in &members {
            if self.watched.insert(member) {
                self.unwatched.push(member);
            }
        }
        Ok(members)
    }
}

/// These orphans, and all that descends from them and from the leader, zombies left out: whoever shares a session with
/// a first process descends from it, or was given to us and is among the orphans. None where the kernel keeps no lists
/// of children.
fn below(orphans: &[i32], leader: Option<i32>) -> io::Result<Option<Vec<Identity>>> {
    let mut found = Vec::new();
    for &root in orphans.iter().chain(&leader) {
        let Some(below) = process::descendants(root)? else {
            return Ok(None);
        };
        found.extend(below.iter().map(Process::identity));
    }
    for &orphan in orphans {
        let itself = process::process(orphan)?.filter(|process| process.state != 'Z');
        found.extend(itself.as_ref().map(Process::identity));
    }
    Ok(Some(found))
}

/// What nobody can refuse.
const KILL: [i32; 1] = [Signal::SIGKILL as i32];

/// A process that is gone by now needs no signal.
fn send(handle: &Handle, signals: &[i32]) {
    for &signal in signals {
        if let Err(error) = handle.signal(signal) {
            tracing::warn!(process = %handle.identity(), signal, %error, "could not signal");
        }
    }
}
