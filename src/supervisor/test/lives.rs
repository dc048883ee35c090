//! The record that the laws are judged by: which runs live, as told by inputs and actions alone.

use std::collections::BTreeMap;
use std::time::Duration;

use super::super::{Input, Moment};
use crate::service::{Run, ServiceName};

/// One run that is not swept.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Life {
    /// Its number.
    pub number: u64,
    /// When it got its process.
    pub spawned: Option<Moment>,
    /// When it got ready.
    pub ready: Option<Moment>,
    /// Since when its health check says that it is healthy.
    pub well: Option<Moment>,
    /// It has been ready, and well, for as long as it takes.
    pub proven: bool,
    /// Its first process ended.
    pub exited: bool,
    /// When it was asked to end, and the grace it was declared to have.
    pub terminated: Option<(Moment, Duration)>,
    /// When it said that it would end by itself.
    pub leaving: Option<Moment>,
    /// How often it was sent SIGKILL.
    pub kills: u32,
    /// A person asked for another run in its place.
    pub condemned: bool,
}

impl Life {
    fn new(number: u64) -> Self {
        Self {
            number,
            spawned: None,
            ready: None,
            well: None,
            proven: false,
            exited: false,
            terminated: None,
            leaving: None,
            kills: 0,
            condemned: false,
        }
    }
}

/// All runs that are not swept, and the highest number that each service ever had.
#[derive(Clone, Debug, Default)]
pub struct Lives {
    /// At most one a service: law 5.
    pub now: BTreeMap<ServiceName, Life>,
    numbers: BTreeMap<ServiceName, u64>,
}

impl Lives {
    /// The run, unless it is over.
    pub fn of(&mut self, run: &Run) -> Option<&mut Life> {
        self.now
            .get_mut(&run.service)
            .filter(|life| life.number == run.number)
    }

    /// All services that ever had a run.
    pub fn known(&self) -> impl Iterator<Item = &ServiceName> {
        self.numbers.keys()
    }

    /// Takes up a new run.
    pub fn begin(&mut self, run: &Run) -> Result<(), String> {
        if let Some(old) = self.now.get(&run.service) {
            return Err(format!("law 5: {run} beside unswept run {}", old.number));
        }
        if self
            .numbers
            .insert(run.service.clone(), run.number)
            .is_some_and(|last| last >= run.number)
        {
            return Err(format!("law 2: {run} has a number that was used before"));
        }
        self.now.insert(run.service.clone(), Life::new(run.number));
        Ok(())
    }

    /// Whether this news is old: about a run that is over, told before, or overtaken.
    pub fn stale(&mut self, run: &Run, news: &Input) -> bool {
        if let Input::Adopted { .. } = news {
            return self.numbers.contains_key(&run.service);
        }
        let Some(life) = self.of(run) else {
            return true;
        };
        let ending = life.terminated.is_some();
        match news {
            Input::Spawned { .. } => life.spawned.is_some() || ending,
            Input::SpawnFailed { .. } => life.spawned.is_some() || life.exited || ending,
            Input::Ready { .. } => life.spawned.is_none() || life.ready.is_some() || ending,
            Input::NotReady { .. } => life.spawned.is_none() || life.ready.is_some() || ending,
            Input::Healthy { .. } => life.ready.is_none() || ending || life.well.is_some(),
            Input::Ailing { .. } => life.ready.is_none() || ending || life.well.is_none(),
            Input::Unhealthy { .. } | Input::WatchdogMissed { .. } | Input::OverMemory { .. } => {
                life.ready.is_none() || ending || life.condemned || life.leaving.is_some()
            }
            Input::Leaving { .. } => life.spawned.is_none() || ending || life.leaving.is_some(),
            Input::Extended { .. } => {
                let at_something = life.ready.is_none() || life.leaving.is_some() || ending;
                life.spawned.is_none() || life.kills > 0 || !at_something
            }
            Input::Exited { .. } => life.exited,
            Input::Swept { .. } | Input::Adopted { .. } => false,
            Input::Survivors { .. } => life.kills == 0,
            Input::Request { .. } | Input::FilesChanged { .. } | Input::Tick => false,
        }
    }

    /// Takes news into the record.
    pub fn hear(&mut self, now: Moment, run: &Run, news: &Input) {
        if self.stale(run, news) {
            return;
        }
        match news {
            Input::SpawnFailed { .. } | Input::Swept { .. } => {
                self.now.remove(&run.service);
                return;
            }
            Input::Adopted { past, .. } => {
                self.numbers.insert(run.service.clone(), run.number);
                let life = Life {
                    spawned: Some(now),
                    ready: past.ready.then_some(now),
                    ..Life::new(run.number)
                };
                self.now.insert(run.service.clone(), life);
                return;
            }
            Input::Spawned { .. }
            | Input::NotReady { .. }
            | Input::Ready { .. }
            | Input::Healthy { .. }
            | Input::Ailing { .. }
            | Input::Unhealthy { .. }
            | Input::WatchdogMissed { .. }
            | Input::OverMemory { .. }
            | Input::Leaving { .. }
            | Input::Extended { .. }
            | Input::Exited { .. }
            | Input::Survivors { .. }
            | Input::Request { .. }
            | Input::FilesChanged { .. }
            | Input::Tick => {}
        }
        let Some(life) = self.of(run) else { return };
        match news {
            Input::Spawned { .. } => life.spawned = Some(now),
            Input::Ready { .. } => life.ready = Some(now),
            Input::Exited { .. } => life.exited = true,
            // One that is not ready has its start to end by.
            Input::Leaving { .. } => life.leaving = life.ready.map(|_| now),
            Input::Healthy { .. } => life.well = Some(now),
            Input::Ailing { .. } => life.well = None,
            Input::SpawnFailed { .. }
            | Input::Adopted { .. }
            | Input::Swept { .. }
            | Input::NotReady { .. }
            | Input::Unhealthy { .. }
            | Input::WatchdogMissed { .. }
            | Input::OverMemory { .. }
            | Input::Extended { .. }
            | Input::Survivors { .. }
            | Input::Request { .. }
            | Input::FilesChanged { .. }
            | Input::Tick => {}
        }
    }
}

/// The run that an input is about.
pub fn subject(input: &Input) -> Option<&Run> {
    match input {
        Input::Spawned { run }
        | Input::Adopted { run, .. }
        | Input::SpawnFailed { run, .. }
        | Input::NotReady { run, .. }
        | Input::Ready { run }
        | Input::Healthy { run }
        | Input::Ailing { run }
        | Input::Unhealthy { run, .. }
        | Input::WatchdogMissed { run, .. }
        | Input::OverMemory { run, .. }
        | Input::Leaving { run }
        | Input::Extended { run, .. }
        | Input::Exited { run, .. }
        | Input::Swept { run }
        | Input::Survivors { run, .. } => Some(run),
        Input::Request { .. } | Input::FilesChanged { .. } | Input::Tick => None,
    }
}
