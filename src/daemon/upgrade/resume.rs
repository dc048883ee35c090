//! The new image begins: where the one before it was, with what that left open in this process.

use std::collections::HashMap;
use std::io;
use std::os::fd::{OwnedFd, RawFd};
use std::path::Path;

use tokio::net::UnixListener;

use super::candidate::load;
use super::guard;
use super::handover::Handover;
use crate::api::{Fact, What};
use crate::config::Config;
use crate::daemon::driver::{Driver, RunState};
use crate::daemon::heard::Heard;
use crate::daemon::host::Host;
use crate::daemon::ledger::Ledger;
use crate::daemon::mailbox::{Mailbox, Message};
use crate::daemon::notify::Notify;
use crate::daemon::server::Server;
use crate::daemon::{Serving, block_on, log_to_stderr, serve, signals};
use crate::descriptor;
use crate::exit::ExitCode;
use crate::lock::Lock;
use crate::process::{self, Handle, Identity, hear_again};
use crate::supervisor::{Input, Supervisor};

/// The descriptors that were handed over, by their numbers.
type Descriptors = HashMap<RawFd, OwnedFd>;

/// `resume`: goes on in the place of the image that this process ran before.
#[must_use]
pub fn resume(file: &Path, state: RawFd) -> ExitCode {
    // First of all: what is opened later may get any number.
    let taken = descriptor::inherited(state)
        .map_err(|error| error.to_string())
        .and_then(|state| Handover::read(state.into()))
        .and_then(|handover| match handover.take_descriptors() {
            Ok(descriptors) => Ok((handover, descriptors)),
            Err(error) => Err(error.to_string()),
        });
    log_to_stderr();
    // For what it finds out about our cgroup; the unit is known since the first image.
    drop(Host::find());
    let began = taken.and_then(|(handover, descriptors)| {
        let config = load(file, &handover)?;
        Ok((handover, descriptors, config))
    });
    match began {
        Ok((handover, descriptors, config)) => block_on(go_on(handover, descriptors, config)),
        Err(why) => {
            tracing::error!("cannot go on where the supervisor was: {why}");
            ExitCode::Failed
        }
    }
}

async fn go_on(handover: Handover, mut descriptors: Descriptors, config: Config) -> ExitCode {
    match begin(&handover, &mut descriptors, config) {
        Ok(serving) => serve(serving).await,
        Err(error) => {
            tracing::error!("cannot go on where the supervisor was: {error}");
            ExitCode::Failed
        }
    }
}

fn begin(handover: &Handover, descriptors: &mut Descriptors, config: Config) -> io::Result<Serving> {
    let (mailbox, inbox) = Mailbox::new();
    signals::hear(&mailbox)?;
    hear_again()?;
    let listener = take(descriptors, handover.listener)?;
    rustix::io::ioctl_fionbio(&listener, true)?;
    let listener = UnixListener::from_std(listener.into())?;
    let supervisor = Lock::inherited(
        take(descriptors, handover.supervisor)?,
        &config.paths.supervisor_lock(),
    );
    let operation = Lock::inherited(
        take(descriptors, handover.operation)?,
        &config.paths.operation_lock(),
    );
    let (guard, from) = (handover.guard, handover.from.clone());
    let driver = Driver::resume(config, (mailbox.clone(), inbox), handover, descriptors)?;
    // Children may have ended while nobody listened.
    mailbox.post(Message::ChildEnded);
    let server = Server::begin(listener, mailbox);
    tracing::info!(
        from,
        to = env!("CARGO_PKG_VERSION"),
        "upgraded: the same process and services go on"
    );
    drop(operation);
    guard.into_iter().for_each(guard::relieve);
    Ok(Serving {
        driver,
        server,
        supervisor,
    })
}

fn take(descriptors: &mut Descriptors, number: RawFd) -> io::Result<OwnedFd> {
    descriptors
        .remove(&number)
        .ok_or_else(|| io::Error::other(format!("descriptor {number} was not handed over")))
}

impl Driver {
    fn resume(
        config: Config,
        mailbox: (Mailbox, tokio::sync::mpsc::UnboundedReceiver<Message>),
        handover: &Handover,
        descriptors: &mut Descriptors,
    ) -> io::Result<Self> {
        let services = config.services.clone();
        let mut ledger = Ledger::open(&config.paths.state_dir);
        ledger.attribution.clone_from(&handover.attribution);
        let mut driver = Self::new(config, ledger, mailbox);
        let (machine, watched) =
            Supervisor::resume(services, u64::from(std::process::id()), &handover.machine);
        driver.machine = machine;
        driver.clock = driver.clock.since(handover.began);
        driver.upgrades = handover.upgrades;
        driver.resume_outputs(handover, descriptors)?;
        for (service, address, number) in &handover.sockets {
            driver
                .sockets
                .keep(service, *address, take(descriptors, *number)?);
        }
        driver.resume_runs(handover, descriptors);
        end_probes(&handover.own);
        for action in watched {
            let mut news = std::collections::VecDeque::new();
            driver.perform(action, &mut news);
        }
        driver.note_states();
        driver.tell(Input::Tick);
        driver.save_soon();
        let words = format!("from version {} to {}", handover.from, env!("CARGO_PKG_VERSION"));
        let fact = Fact::new(What::Upgraded).pid(handover.pid).detail(words);
        driver.record(fact.because(handover.asked.clone()));
        Ok(driver)
    }

    fn resume_outputs(&mut self, handover: &Handover, descriptors: &mut Descriptors) -> io::Result<()> {
        for (service, [stdout, stderr]) in &handover.outputs {
            let pipes = [take(descriptors, *stdout)?, take(descriptors, *stderr)?];
            let log = self.log_spec(service);
            self.outputs.resume(service, &log, pipes)?;
        }
        Ok(())
    }

    fn resume_runs(&mut self, handover: &Handover, descriptors: &mut Descriptors) {
        for handed in &handover.runs {
            let mut state = RunState::begun(handed.spawned);
            state.heard = Heard::resumed(handed.status.clone(), handed.reloading);
            state.spoke = handed.spoke;
            state.lines = self.listen_again(&handed.run);
            state.course = handed.course;
            self.runs.insert(handed.run.clone(), Box::new(state));
        }
        for record in &handover.lives {
            let (run, leader) = (record.run.clone(), record.leader);
            // One that is not our child (adopted, or named by MAINPID) ends without our being told.
            let ours = process::lineage(leader.pid)
                .is_ok_and(|line| line.get(1).is_some_and(|parent| parent.pid == handover.pid));
            let watched = record.exit.is_none() && (record.adopted || !ours);
            self.lives.resume(record);
            if watched {
                self.watch_leader(run, leader);
            }
        }
        for handed in &handover.runs {
            let socket = handed.notify.and_then(|number| descriptors.remove(&number));
            self.listen(&handed.run, socket.map(Notify::resume));
        }
    }
}

/// Probe commands that nobody waits for any more; their questions are asked anew.
fn end_probes(pids: &[i32]) {
    for &pid in pids {
        // Still our children and not reaped: a pid cannot be anybody else's.
        let handle = Identity::of(pid)
            .ok()
            .flatten()
            .and_then(|own| Handle::open(own).ok().flatten());
        if let Some(handle) = handle {
            let _ = handle.signal(nix::sys::signal::Signal::SIGKILL as i32);
        }
    }
}
