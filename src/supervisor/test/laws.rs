//! The eight laws, judged after every step from the outside: by inputs, actions and snapshots alone.

mod order;
mod watches;

use std::collections::BTreeSet;
use std::sync::Arc;

use super::super::{Action, Answer, Entry, Input, Moment, Order, RequestId, Shown, Supervisor};
use watches::promises;

use super::lives::{Life, Lives, subject};
use crate::service::{Run, ServiceName, Spec};

/// A machine under watch.
#[derive(Clone)]
pub struct Watched {
    /// The machine.
    pub machine: Supervisor,
    /// The time of the last step.
    pub now: Moment,
    /// Runs that are not swept.
    pub lives: Lives,
    /// Requests that are not answered.
    pub open: BTreeSet<RequestId>,
    shown: Vec<Entry>,
    /// Somebody asked for the end.
    pub closing: bool,
    finished: bool,
}

impl Watched {
    /// A machine that has published its first snapshot.
    pub fn new(specs: Vec<Arc<Spec>>) -> Self {
        let mut machine = Supervisor::new(specs, 7);
        machine.handle(Moment::default(), Input::Tick);
        Self {
            shown: machine.snapshot(),
            machine,
            now: Moment::default(),
            lives: Lives::default(),
            open: BTreeSet::new(),
            closing: false,
            finished: false,
        }
    }

    /// One input, and every law.
    pub fn step(&mut self, now: Moment, input: &Input) -> Result<Vec<Action>, String> {
        let no_op = self.is_no_op(now, input).then(|| self.machine.clone());
        let no_op_news =
            subject(input).is_none_or(|run| self.lives.stale(run, input) || self.comes_too_late(run, input));
        self.now = now;
        self.prove();
        let actions = self.machine.handle(now, input.clone());
        if no_op.is_some_and(|before| self.machine != before || !actions.is_empty()) {
            return Err(format!("laws 2, 3: stale news changed something: {actions:?}"));
        }
        self.hear(input, &actions);
        let fresh = self.machine.snapshot();
        let published = std::mem::replace(&mut self.shown, fresh);
        actions.iter().try_for_each(|action| self.judge(input, action))?;
        let last = actions.iter().rposition(|action| *action == Action::Finish);
        ensure(last.is_none_or(|last| last + 1 == actions.len()), || {
            "something follows Finish".into()
        })?;
        self.judge_watches(no_op_news, input, &actions)?;
        self.judge_changes(&published, &actions)?;
        self.judge_time()?;
        self.judge_entries()?;
        if self.quiet() && !self.open.is_empty() {
            return Err(format!("law 4: all is quiet, unanswered: {:?}", self.open));
        }
        self.judge_doubled_tick()?;
        Ok(actions)
    }

    /// Once proven, a run stays so.
    fn prove(&mut self) {
        for entry in &self.shown {
            if let Some(life) = self.lives.now.get_mut(&entry.spec.name) {
                let since = proving_since(entry, life);
                life.proven |= since.is_some_and(|at| at + entry.spec.min_uptime <= self.now);
            }
        }
    }

    /// Whether nothing will happen unless a child or a person does something new.
    pub fn quiet(&self) -> bool {
        let steady = |life: &Life| life.ready.is_some() && life.terminated.is_none();
        // One that was given up has settled, though it will be tried once more, slowly.
        let given_up = |entry: &Entry| entry.shown == Shown::Fatal;
        let retries = self.shown.iter().filter(|entry| given_up(entry));
        let first = retries.filter_map(|entry| entry.retry_at).min();
        let deadline = self.machine.next_deadline();
        (deadline.is_none() || deadline == first) && self.lives.now.values().all(steady)
    }

    /// The snapshot's entry of a service.
    pub fn entry(&self, service: &ServiceName) -> Option<&Entry> {
        self.shown.iter().find(|entry| entry.spec.name == *service)
    }

    /// The whole snapshot.
    pub fn entries(&self) -> &[Entry] {
        &self.shown
    }

    fn is_no_op(&mut self, now: Moment, input: &Input) -> bool {
        if self
            .machine
            .next_deadline()
            .is_some_and(|deadline| deadline <= now)
        {
            return false;
        }
        match subject(input) {
            Some(run) => self.lives.stale(run, input) || self.comes_too_late(run, input),
            None => *input == Input::Tick,
        }
    }

    /// A run is adopted before anything is asked of its service.
    fn comes_too_late(&self, run: &Run, input: &Input) -> bool {
        let entry = self.entry(&run.service);
        let fresh =
            entry.is_some_and(|entry| entry.reason.as_deref() == Some("not started") && !entry.wanted);
        matches!(input, Input::Adopted { .. }) && (!fresh || self.closing)
    }

    fn hear(&mut self, input: &Input, actions: &[Action]) {
        if let Some(run) = subject(input).filter(|run| !self.comes_too_late(run, input)) {
            self.lives.hear(self.now, run, input);
        }
        if let Input::FilesChanged { service, .. } = input
            && self.entry(service).is_some_and(|entry| entry.wanted)
            && let Some(life) = self.lives.now.get_mut(service)
        {
            life.condemned = true;
        }
        let Input::Request { id, order } = input else {
            return;
        };
        self.open.insert(*id);
        let refused = |action: &Action| matches!(action, Action::Answer { id: of, answer: Answer::Refused(_) } if of == id);
        if actions.iter().any(refused) {
            return;
        }
        self.closing |= *order == Order::Shutdown;
        for (service, life) in &mut self.lives.now {
            life.condemned |= match order {
                Order::Restart(named) => named.contains(service),
                Order::Reload(specs) => {
                    let old = self.shown.iter().find(|entry| entry.spec.name == *service);
                    let new = specs.iter().find(|spec| spec.name == *service);
                    new.is_some_and(|new| old.is_some_and(|old| old.spec.command != new.command))
                }
                Order::Start(_) | Order::Stop(_) | Order::Shutdown => false,
            };
        }
    }

    fn judge(&mut self, input: &Input, action: &Action) -> Result<(), String> {
        match action {
            Action::Spawn { run, spec } => self.judge_spawn(run, spec),
            Action::AwaitReady { run } => {
                let told = match input {
                    Input::Spawned { run: of } => of == run,
                    Input::Adopted { run: of, past } => of == run && !past.ready,
                    _ => false,
                };
                ensure(told, || format!("{run} has no process to await"))
            }
            Action::WatchHealth { run, spec } => {
                let life = self.lives.of(run);
                let asked = matches!(
                    input,
                    Input::Request {
                        order: Order::Reload(_),
                        ..
                    }
                );
                let fits = life.is_some_and(|life| life.ready.is_some() && life.terminated.is_none());
                ensure(fits && (spec.health.is_some() || asked), || {
                    format!("{run} has no health to watch")
                })
            }
            Action::Guard { run, spec } => {
                let life = self.lives.of(run);
                let fits = life.is_some_and(|life| life.ready.is_some() && life.terminated.is_none());
                let reload = matches!(input, Input::Request { .. });
                ensure(fits && (promises(spec) || reload), || {
                    format!("{run} has promised nothing")
                })
            }
            Action::Terminate { run } | Action::Abort { run } => self.judge_terminate(input, run),
            Action::Kill { run } => self.judge_kill(run),
            Action::Answer { id, .. } => {
                let open = self.open.remove(id);
                ensure(open, || format!("law 4: {id:?} is answered, and is not open"))
            }
            Action::Changed { .. } => Ok(()),
            Action::Finish => {
                let first = !std::mem::replace(&mut self.finished, true);
                let fits = first && self.closing && self.lives.now.is_empty();
                ensure(fits, || "finished twice, unasked or with something alive".into())
            }
        }
    }

    fn judge_spawn(&mut self, run: &Run, spec: &Spec) -> Result<(), String> {
        for need in &spec.after {
            ensure(self.satisfied(need), || {
                format!("law 8: {run} is spawned before {need} is ready")
            })?;
        }
        let wanted = self.entry(&run.service).is_some_and(|entry| entry.wanted);
        ensure(wanted && !self.closing, || format!("{run} is spawned unwanted"))?;
        self.lives.begin(run)
    }

    fn judge_terminate(&mut self, input: &Input, run: &Run) -> Result<(), String> {
        let (now, entry) = (self.now, self.entry(&run.service).cloned());
        let (Some(life), Some(entry)) = (self.lives.of(run), entry) else {
            return Err(format!("law 6: {run} is over, and sent a signal"));
        };
        let grace = entry.spec.stop.timeout;
        ensure(life.terminated.replace((now, grace)).is_none(), || {
            format!("{run} is asked to end twice")
        })?;
        let late = life.ready.is_none()
            && life
                .spawned
                .is_some_and(|at| at + entry.spec.start_timeout <= now);
        let stays = life.leaving.is_some_and(|at| at + grace <= now);
        let fault = matches!(
            input,
            Input::Exited { .. }
                | Input::Unhealthy { .. }
                | Input::WatchdogMissed { .. }
                | Input::OverMemory { .. }
        );
        if late || stays || (fault && subject(input) == Some(run)) {
            return Ok(());
        }
        match self.departing_dependent(&run.service) {
            Some(dependent) => Err(format!(
                "law 8: {run} is stopped before {dependent}, which needs it"
            )),
            None => Ok(()),
        }
    }

    fn judge_kill(&mut self, run: &Run) -> Result<(), String> {
        let now = self.now;
        let life = self
            .lives
            .of(run)
            .ok_or(format!("law 6: {run} is over, and is killed"))?;
        life.kills += 1;
        let patient = life.terminated.is_some_and(|(at, grace)| at + grace <= now);
        ensure(patient, || format!("law 6: {run} is killed within its grace"))
    }

    /// `Changed` names just the entries that differ.
    fn judge_changes(&self, before: &[Entry], actions: &[Action]) -> Result<(), String> {
        let told = actions.iter().filter_map(|action| {
            let Action::Changed { service } = action else {
                return None;
            };
            Some(service)
        });
        let mut told: Vec<&ServiceName> = told.collect();
        let gone = |one: &&Entry, others: &[Entry]| !others.contains(one);
        let differing = before.iter().filter(|entry| gone(entry, &self.shown));
        let differing = differing.chain(self.shown.iter().filter(|entry| gone(entry, before)));
        let mut differing: Vec<&ServiceName> = differing.map(|entry| &entry.spec.name).collect();
        told.sort();
        differing.sort();
        differing.dedup();
        ensure(told == differing, || {
            format!("changed: told {told:?}, in truth {differing:?}")
        })
    }

    fn judge_time(&self) -> Result<(), String> {
        let deadline = self.machine.next_deadline();
        ensure(deadline.is_none_or(|deadline| deadline > self.now), || {
            format!("law 3: at {:?} the next deadline is {deadline:?}", self.now)
        })?;
        let timed = |entry: &Entry| {
            let life = self.lives.now.get(&entry.spec.name);
            entry.shown == Shown::Backoff || life.is_some_and(|life| self.is_timed(entry, life))
        };
        let waiting = self.shown.iter().find(|entry| timed(entry));
        match waiting {
            Some(entry) if deadline.is_none() => {
                Err(format!("law 3: {} waits for time, in vain", entry.spec.name))
            }
            _ => Ok(()),
        }
    }

    fn is_timed(&self, entry: &Entry, life: &Life) -> bool {
        let staying = entry.wanted && !life.condemned;
        let starting = life.spawned.is_some() && life.ready.is_none() && staying;
        let proving = !life.proven
            && proving_since(entry, life).is_some_and(|at| at + entry.spec.min_uptime > self.now);
        life.terminated.is_some() || starting || proving || life.leaving.is_some()
    }

    fn judge_entries(&self) -> Result<(), String> {
        for entry in &self.shown {
            let name = &entry.spec.name;
            let life = self.lives.now.get(name);
            ensure(entry.live == life.is_some(), || {
                format!("{name}: live is not the truth")
            })?;
            ensure(life.is_none_or(|life| life.number == entry.run), || {
                format!("{name}: not its run")
            })?;
            let explained = entry.reason.as_ref().is_some_and(|reason| !reason.ends_with(' '));
            ensure(entry.shown == Shown::Running || explained, || {
                format!("{name}: {:?} without a reason", entry.shown)
            })?;
            let proven = |at: Moment| at + entry.spec.min_uptime <= self.now;
            let since = life.filter(|life| life.terminated.is_none());
            let proven = since
                .and_then(|life| proving_since(entry, life))
                .is_some_and(proven);
            ensure(!proven || entry.failures == 0, || {
                format!("{name}: a proven run has failures")
            })?;
        }
        let over = self.closing && self.lives.now.is_empty();
        ensure(over == self.finished, || {
            "law 7: all is down, and nobody leaves".into()
        })
    }

    fn judge_doubled_tick(&self) -> Result<(), String> {
        let mut again = self.machine.clone();
        let actions = again.handle(self.now, Input::Tick);
        ensure(actions.is_empty() && again == self.machine, || {
            format!("law 3: a tick more does something: {actions:?}")
        })
    }
}

/// Since when a run proves itself: ready, and as healthy as its check can tell.
fn proving_since(entry: &Entry, life: &Life) -> Option<Moment> {
    match entry.spec.health {
        Some(_) => life.well.max(life.ready).filter(|_| life.well.is_some()),
        None => life.ready,
    }
}

fn ensure(holds: bool, otherwise: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(otherwise()) }
}
