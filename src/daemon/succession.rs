//! From one supervisor to the next: what this one keeps on disk, and the runs that it adopts.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::UnboundedReceiver;
use tokio::task::spawn_local;

use super::adoption::Adopted;
use super::clock;
use super::driver::{Driver, RunState};
use super::mailbox::Message;
use super::state::{Kept, State, fingerprint};
use crate::api::{Cause, Fact, What};
use crate::process::{Handle, Identity};
use crate::service::{Exit, LogSpec, Ready, Run, ServiceName, Spec};
use crate::supervisor::{Entry, Input, Order, Shown};

/// How long changes may wait to be written together.
const SAVE_AFTER: Duration = Duration::from_millis(20);
/// From a failed save to the next try.
const AGAIN_AFTER: Duration = Duration::from_secs(5);
/// How long a process that has exited may take to be reaped by its parent, who alone is told how.
const REAPED_WITHIN: Duration = Duration::from_millis(100);

impl Driver {
    /// Sees to it that what has changed is on disk soon.
    pub(super) fn save_soon(&mut self) {
        self.save_after(SAVE_AFTER);
    }

    fn save_after(&mut self, after: Duration) {
        if !std::mem::replace(&mut self.saving, true) {
            let mailbox = self.mailbox.clone();
            spawn_local(async move {
                tokio::time::sleep(after).await;
                mailbox.post(Message::Save);
            });
        }
    }

    /// Writes down what a successor needs. A full disk is no reason to stop: marks tell the most.
    pub(super) fn save(&mut self) {
        self.saving = false;
        let kept = self
            .machine
            .snapshot()
            .iter()
            .filter_map(|entry| self.kept(entry))
            .collect();
        if let Err(error) = State::of(kept).save(&self.config.paths.state()) {
            tracing::error!(%error, "the state could not be saved; trying again");
            self.save_after(AGAIN_AFTER);
        }
    }

    fn kept(&self, entry: &Entry) -> Option<Kept> {
        let run = Run {
            service: entry.spec.name.clone(),
            number: entry.run,
        };
        let leader = self.lives.leader(&run)?;
        // The same for as long as it runs, and most of what a save of hundreds would cost.
        let anew = || fingerprint(&entry.spec);
        let state = self.runs.get(&run);
        let fingerprint = state.map_or_else(anew, |state| *state.fingerprint.get_or_init(anew));
        Some(Kept {
            leader,
            service: run.service.to_string(),
            number: run.number,
            ready: entry.shown == Shown::Running,
            restarts: entry.restarts,
            failures: entry.failures,
            last_exit: entry
                .last_exit
                .map(|(exit, at)| (exit.into(), u64::try_from(at.0.as_millis()).unwrap_or(u64::MAX))),
            fingerprint,
        })
    }

    /// Takes over runs of a supervisor that died: the same processes, watched from now on.
    pub fn adopt(&mut self, adopted: Vec<Adopted>) {
        let outdated = adopted.iter().filter(|adopted| adopted.outdated);
        let outdated: Vec<_> = outdated.map(|adopted| adopted.run.service.clone()).collect();
        for adopted in adopted {
            self.adopt_one(adopted);
        }
        if !outdated.is_empty() {
            drop(self.request(Order::Restart(outdated), None, Cause::Reload));
        }
    }

    fn adopt_one(
        &mut self,
        Adopted {
            run, leader, past, ..
        }: Adopted,
    ) {
        tracing::info!(%run, pid = leader.pid, "adopted");
        self.record(Fact::of_run(&run, What::Adopted).pid(leader.pid));
        let log = self.log_spec(&run.service);
        if let Err(error) = self.outputs.open(&run.service, &log) {
            tracing::error!(%run, %error, "cannot open the pipes for its output");
        }
        let lines = match past.ready {
            true => self.outputs.go_on(&run, false),
            false => self.listen_again(&run),
        };
        let handle = Handle::open(leader).ok().flatten();
        let lives = handle.is_some();
        self.lives.adopt(run.clone(), leader, handle);
        let spec = self.config.services.iter().find(|spec| spec.name == run.service);
        if let Some(spec) = spec.filter(|spec| !spec.sockets.is_empty()).cloned() {
            self.recover_sockets(&run, leader, &spec);
        }
        let notify = self.notify_socket_of(leader);
        let spawned = clock::started(leader.start);
        let mut state = RunState::begun(spawned);
        state.lines = lines;
        self.runs.insert(run.clone(), Box::new(state));
        self.listen(&run, notify);
        self.tell(Input::Adopted {
            run: run.clone(),
            past,
        });
        if lives {
            self.watch_leader(run, leader);
        } else {
            self.adopted_ended(run, Exit::Unknown);
        }
    }

    /// How this service's output is kept.
    pub(super) fn log_spec(&self, service: &ServiceName) -> Arc<LogSpec> {
        let declared = self.config.services.iter().find(|spec| spec.name == *service);
        declared.map_or_else(|| self.config.logs.clone(), |spec| spec.log.clone())
    }

    /// Goes on with the output of a run that began under another supervisor.
    pub(super) fn listen_again(&self, run: &Run) -> Option<UnboundedReceiver<Vec<u8>>> {
        let declared = self.config.services.iter().find(|spec| spec.name == run.service);
        let by_log = declared.is_some_and(|spec| matches!(spec.ready, Some(Ready::Log(_))));
        self.outputs.go_on(run, by_log)
    }

    /// The leader has them, as a rule; else one of the others.
    fn recover_sockets(&mut self, run: &Run, leader: Identity, spec: &Spec) {
        let mut recovered = self.sockets.recover(spec, &[leader]);
        let all = |sockets: &super::sockets::Sockets| {
            spec.sockets
                .iter()
                .all(|address| sockets.holds(&spec.name, address.port()))
        };
        if !all(&self.sockets) {
            let members = self.lives.members(run).unwrap_or_default();
            recovered = self.sockets.recover(spec, &members);
        }
        if let Err(why) = recovered {
            tracing::warn!(%run, why, "a socket cannot be had back: clients are refused while it restarts next");
        }
    }

    /// Waits for the end of a process that is not our child.
    pub(super) fn watch_leader(&self, run: Run, leader: Identity) {
        let mailbox = self.mailbox.clone();
        spawn_local(async move {
            let exit = match Handle::open(leader) {
                Ok(Some(handle)) => end_of(&handle).await,
                Ok(None) | Err(_) => Exit::Unknown,
            };
            mailbox.post(Message::AdoptedEnded { run, leader, exit });
        });
    }

    pub(super) fn adopted_ended(&mut self, run: Run, exit: Exit) {
        tracing::info!(%run, %exit, "ended");
        let pid = self.lives.leader(&run).map_or(0, |leader| leader.pid);
        self.record_exited(&run, pid, exit);
        self.lives.adopted_ended(&run, exit);
        self.tell(Input::Exited { run, exit });
        self.take_stock();
    }

    /// Watches what outlived the leader of an adopted run: no signal tells us of its end.
    pub(super) fn watch_strays(&mut self) {
        for stray in self.lives.take_unwatched() {
            let mailbox = self.mailbox.clone();
            spawn_local(async move {
                if let Ok(Some(handle)) = Handle::open(stray) {
                    let _ = handle.exited().await;
                }
                mailbox.post(Message::ChildEnded);
            });
        }
    }
}

/// Waits for its end, and a moment longer for the kernel to tell how it was.
async fn end_of(handle: &Handle) -> Exit {
    if handle.exited().await.is_err() {
        return Exit::Unknown;
    }
    let told = async {
        loop {
            if let Some(exit) = handle.exit() {
                return exit;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(REAPED_WITHIN, told)
        .await
        .unwrap_or(Exit::Unknown)
}
