//! Another image of sentinel takes this one's place: same process, same children, same sockets and pipes.
//!
//! ```text
//! POST /v1/upgrade
//!   check      the candidate runs beside us, reads what would be handed over and services.toml, says yes
//!   handover   callers get the rest of their answers; who comes meanwhile waits in the socket's queue
//!   exec       the descriptors stay open, signals wait; if it fails, this image goes on as before
//!   resume     the new image begins where this one was, and then takes what waits
//! ```
//! Nothing is decided between the last input of the one machine and the first of the other, so nothing can
//! be missed: children that end meanwhile are reaped afterwards, output waits in its pipes.

mod candidate;
mod guard;
mod handover;
mod resume;

use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::path::{Path, PathBuf};
use std::time::Instant;

use tokio::sync::mpsc;

pub use candidate::can_resume;
pub use guard::stand_by;
use handover::{HandedRun, Handover};
pub use resume::resume;

use super::answer::lock;
use super::driver::Driver;
use super::ledger::Peer;
use super::mailbox::{Message, Question, Reply};
use crate::api::{Event, Fact, Failure, FailureKind, Outcome, Phase, What};
use crate::config;
use crate::lock::Lock;
use crate::process::{become_program, hear_again, hold_signals};

/// An upgrade that somebody asked for.
#[derive(Debug)]
pub struct Upgrade {
    binary: PathBuf,
    events: mpsc::UnboundedSender<Event>,
    operation: Lock,
    began: Instant,
    peer: Peer,
}

impl Driver {
    /// Begins an upgrade, unless it is known already that it cannot be.
    pub(super) fn upgrade(&mut self, question: &Question) -> Result<Reply, Failure> {
        let operation = lock(&self.config.paths.operation_lock(), "sentinel upgrade")?;
        self.is_as_declared()?;
        let binary = match &question.command.binary {
            Some(binary) => binary.clone(),
            None => {
                std::env::current_exe().map_err(|error| failed(format!("cannot tell what runs: {error}")))?
            }
        };
        tracing::info!(peer = %question.peer, binary = %binary.display(), "sentinel upgrade");
        self.record(Fact::new(What::Command).because(question.peer.asks("sentinel upgrade")));
        let (events, receiver) = mpsc::unbounded_channel();
        let _ = events.send(Event::Began { phase: Phase::Check });
        let upgrade = Upgrade {
            binary,
            events,
            operation,
            began: Instant::now(),
            peer: question.peer,
        };
        self.save();
        let handover = self.handover(&upgrade, None).map(|(handover, _)| handover);
        let memory = handover
            .and_then(|handover| handover.write())
            .map_err(|error| failed(format!("cannot write down the state: {error}")))?;
        let (binary, file) = (upgrade.binary.clone(), self.config.paths.config.clone());
        let mailbox = self.mailbox.clone();
        tokio::task::spawn_local(async move {
            let answer = candidate::ask(binary, file, memory, mailbox.clone()).await;
            mailbox.post(Message::Candidate(upgrade, answer));
        });
        Ok(Reply::Progress(receiver))
    }

    /// A file that was edited and not taken in would be taken in by the way, and nobody asked for that.
    fn is_as_declared(&self) -> Result<(), Failure> {
        let config =
            config::load(&self.config.paths.config, &config::environment()).map_err(|mistakes| Failure {
                kind: FailureKind::Config,
                message: mistakes.to_string(),
                help: Some("nothing was changed; `sentinel check` shows the same".into()),
            })?;
        if config.services == self.config.services && self.machine.snapshot().len() == config.services.len() {
            return Ok(());
        }
        Err(Failure {
            kind: FailureKind::Failed,
            message:
                "services.toml is not what the supervisor runs by now, and an upgrade changes no service"
                    .into(),
            help: Some("sentinel reload, then sentinel upgrade".into()),
        })
    }

    /// The candidate has answered, or could not.
    pub(super) fn hear_candidate(&mut self, upgrade: Upgrade, answer: &Result<String, String>) {
        let (ok, detail) = match answer {
            Ok(version) => (true, format!("sentinel {version} can take over")),
            Err(why) => (false, format!("{}: {why}", upgrade.binary.display())),
        };
        upgrade.finished(Phase::Check, ok, &detail);
        match answer {
            Ok(_) => self.handing_over = Some(upgrade),
            Err(_) => self.refuse_upgrade(upgrade, format!("the new binary cannot take over: {detail}")),
        }
    }

    /// Says good-bye to those who watch: they are to ask again, and will be answered by the next image.
    pub(super) fn tell_of_upgrade(&mut self, upgrade: &Upgrade) {
        let _ = upgrade.events.send(Event::Began {
            phase: Phase::Handover,
        });
        self.audience.dismiss(&Event::Upgrading {
            message: "the supervisor is being replaced in place; nothing stops: connect again".into(),
        });
    }

    /// Takes in all that has happened so far, then becomes the new image. Returns if that fails.
    pub(super) async fn hand_over(&mut self, upgrade: Upgrade, listener: BorrowedFd<'_>, supervisor: &Lock) {
        let held = hold_signals();
        // What was heard before must reach the mailbox: handlers do not outlive exec.
        for _ in 0..4 {
            tokio::task::yield_now().await;
        }
        self.drain();
        self.hurry();
        let why = match held {
            Ok(()) => self.become_next(&upgrade, listener, supervisor),
            Err(error) => format!("cannot hold signals: {error}"),
        };
        let _ = hear_again();
        upgrade.finished(Phase::Handover, false, &why);
        self.refuse_upgrade(upgrade, why);
    }

    fn refuse_upgrade(&mut self, upgrade: Upgrade, why: String) {
        let fact = Fact::new(What::Refused).because(upgrade.peer.asks("sentinel upgrade"));
        self.record(fact.detail(format!("upgrade: {why}")));
        upgrade.refuse(why);
    }

    /// Why it did not work.
    fn become_next(&mut self, upgrade: &Upgrade, listener: BorrowedFd<'_>, supervisor: &Lock) -> String {
        self.sync_ledger();
        let wanted = self.machine.snapshot().into_iter().filter(|entry| entry.wanted);
        let wanted = wanted.map(|entry| entry.spec.name.to_string()).collect();
        let guard = match guard::begin(&self.config.paths.config, wanted) {
            Ok(guard) => guard,
            Err(error) => return format!("nobody can stand by: {error}"),
        };
        let keep = match self.handover(upgrade, Some((listener, supervisor))) {
            Ok((mut handover, keep)) => {
                handover.guard = Some(guard);
                handover.write().map(|memory| (memory, keep))
            }
            Err(error) => Err(error),
        };
        let (memory, mut keep) = match keep {
            Ok(keep) => keep,
            Err(error) => {
                guard::relieve(guard);
                return format!("cannot write down the state: {error}");
            }
        };
        let number = memory.as_raw_fd().to_string();
        keep.push(memory.as_fd());
        let config = self.config.paths.config.display().to_string();
        let arguments = ["--config", &config, "resume", &number];
        let error = become_program(&upgrade.binary, &arguments, &keep);
        guard::relieve(guard);
        format!("cannot execute {}: {error}", upgrade.binary.display())
    }

    /// What is handed over, and the descriptors that must stay open for it.
    fn handover<'a>(
        &'a self,
        upgrade: &'a Upgrade,
        door: Option<(BorrowedFd<'a>, &'a Lock)>,
    ) -> std::io::Result<(Handover, Vec<BorrowedFd<'a>>)> {
        let mut handover = Handover::begin(self.upgrades + 1, self.clock.began(), self.machine.memory());
        let mut keep = vec![upgrade.operation.as_fd()];
        handover.operation = upgrade.operation.as_fd().as_raw_fd();
        if let Some((listener, supervisor)) = door {
            (handover.listener, handover.supervisor) = (listener.as_raw_fd(), supervisor.as_fd().as_raw_fd());
            keep.extend([listener, supervisor.as_fd()]);
        }
        handover.attribution.clone_from(&self.ledger.attribution);
        handover.asked = Some(upgrade.peer.asks("sentinel upgrade"));
        (handover.lives, handover.own) = self.lives.records();
        for (run, state) in &self.runs {
            handover.runs.push(HandedRun {
                run: run.clone(),
                spawned: state.spawned,
                spoke: state.spoke,
                course: state.course,
                notify: state.notify_copy.as_ref().map(AsRawFd::as_raw_fd),
                status: state.heard.status.clone(),
                reloading: state.heard.reloading,
            });
            keep.extend(state.notify_copy.as_ref().map(AsFd::as_fd));
        }
        // What they hold stays in them, and what is on its way to a log is in the spool.
        for (service, pipes) in self.outputs.pipes() {
            handover
                .outputs
                .push((service.clone(), pipes.map(|pipe| pipe.as_raw_fd())));
            keep.extend(pipes);
        }
        for (service, address, socket) in self.sockets.all() {
            handover
                .sockets
                .push((service.clone(), address, socket.as_raw_fd()));
            keep.push(socket);
        }
        Ok((handover, keep))
    }
}

impl Upgrade {
    fn finished(&self, phase: Phase, ok: bool, detail: &str) {
        let took_ms = (self.began.elapsed().as_secs_f64() * 1e5).round() / 1e2;
        tracing::info!(phase = phase.as_str(), ok, peer = %self.peer, "{detail}");
        let _ = self.events.send(Event::Finished {
            phase,
            ok,
            took_ms,
            detail: Some(detail.to_owned()),
        });
    }

    fn refuse(self, message: String) {
        let failure = Failure {
            help: Some("the running supervisor goes on as before; nothing was stopped".into()),
            ..failed(message)
        };
        drop(self.operation);
        let _ = self.events.send(Event::End(Outcome {
            ok: false,
            services: Vec::new(),
            error: Some(failure),
        }));
    }
}

fn failed(message: String) -> Failure {
    Failure {
        kind: FailureKind::Failed,
        message,
        help: None,
    }
}

/// Where a process shows this descriptor of ours.
fn shown(descriptor: &impl AsRawFd) -> PathBuf {
    Path::new("/proc")
        .join(std::process::id().to_string())
        .join("fd")
        .join(descriptor.as_raw_fd().to_string())
}
