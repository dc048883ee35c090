//! What one image of the supervisor tells the next of its runs' processes.

use serde::{Deserialize, Serialize};

use super::{Asked, Life, Lives};
use crate::process::{Handle, Identity};
use crate::service::{Exit, Run};

/// One run with processes, for the image that comes after this one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LifeRecord {
    /// Which.
    pub run: Run,
    /// Its first process.
    pub leader: Identity,
    /// An earlier supervisor began it.
    pub adopted: bool,
    /// How its first process ended, once it has.
    pub exit: Option<Exit>,
    /// It was asked to end.
    #[serde(default)]
    pub asked: Option<Box<Asked>>,
    /// SIGKILL was ordered.
    pub killing: bool,
}

impl Lives {
    /// What the next image must know of the runs, and the children that are no run's.
    #[must_use]
    pub fn records(&self) -> (Vec<LifeRecord>, Vec<i32>) {
        let record = |run: &Run, life: &Life| LifeRecord {
            run: run.clone(),
            leader: life.leader,
            adopted: life.adopted,
            exit: life.exit,
            asked: life.asked.clone(),
            killing: life.killing,
        };
        let lives = self.lives.iter().map(|(run, life)| record(run, life)).collect();
        (lives, self.own.iter().copied().collect())
    }

    /// Goes on with a run of the image before this one, in the same process: what was its child is ours.
    pub fn resume(&mut self, record: &LifeRecord) {
        let lives = record.exit.is_none();
        if lives && !record.adopted {
            self.leaders.insert(record.leader.pid, record.run.clone());
        }
        let life = Life {
            leader: record.leader,
            handle: lives
                .then(|| Handle::open(record.leader).ok().flatten())
                .flatten(),
            adopted: record.adopted,
            exit: record.exit,
            asked: record.asked.clone(),
            killing: record.killing,
        };
        self.cgroups.adopt(&record.run, record.leader);
        self.lives.insert(record.run.clone(), Box::new(life));
    }
}
