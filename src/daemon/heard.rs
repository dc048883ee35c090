//! What runs say by themselves (sd_notify(3)), and what follows from it.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use super::driver::Driver;
use super::memory::Weighing;
use super::notify::notice::Notice;
use super::notify::{Ear, Notify, Speaker};
use crate::process::{self, Handle, Identity};
use crate::service::{Ready, Run, Spec};
use crate::supervisor::Input;

/// What one run has said, and who listens to it.
#[derive(Debug, Default)]
pub struct Heard {
    ear: Option<Ear>,
    /// Who waits for `READY=1`.
    ready: Option<mpsc::UnboundedSender<()>>,
    /// Its last `STATUS=`.
    pub status: Option<String>,
    /// Between `RELOADING=1` and `READY=1`.
    pub reloading: bool,
}

impl Heard {
    /// Goes on with what the image before this one heard.
    pub fn resumed(status: Option<String>, reloading: bool) -> Self {
        Self {
            status,
            reloading,
            ..Self::default()
        }
    }

    /// Told each time the run says `READY=1`.
    pub fn await_ready(&mut self) -> mpsc::UnboundedReceiver<()> {
        let (sender, receiver) = mpsc::unbounded_channel();
        self.ready = Some(sender);
        receiver
    }

    /// One that is asked to end need not be heard of any more.
    pub fn hold_to_nothing(&self) {
        self.watch(None);
    }

    fn watch(&self, interval: Option<Duration>) {
        if let Some(ear) = &self.ear {
            ear.watch(interval);
        }
    }
}

/// The variable of sd_watchdog_enabled(3).
pub fn watchdog_usec(interval: Duration) -> (String, String) {
    ("WATCHDOG_USEC".to_owned(), interval.as_micros().to_string())
}

impl Driver {
    /// A notify socket for a new run. Who must be heard has one; for others it is only good to have.
    pub(super) fn notify_socket(&self, run: &Run, spec: &Spec) -> Result<Option<Notify>, String> {
        let needed = spec.ready == Some(Ready::Notify) || spec.watchdog.is_some();
        match Notify::bind(run, &self.config.paths.state_dir) {
            Ok(notify) => Ok(Some(notify)),
            Err(error) if needed => Err(format!("cannot open its notify socket: {error}")),
            Err(error) => {
                tracing::debug!(%run, %error, "goes without a notify socket");
                Ok(None)
            }
        }
    }

    /// The address that an adopted run was given, bound again.
    pub(super) fn notify_socket_of(&self, leader: Identity) -> Option<Notify> {
        let address = process::variable(leader.pid, "NOTIFY_SOCKET").ok().flatten()?;
        Notify::bind_again(&address).ok()
    }

    /// Begins to listen to a run.
    pub(super) fn listen(&mut self, run: &Run, notify: Option<Notify>) {
        let (Some(notify), Some(speaker)) = (notify, self.speaker(run)) else {
            return;
        };
        let copy = notify.copy();
        let place = (&*self.config.paths.state_dir, &self.mailbox);
        let ear = match self.ears.listen(&notify, speaker, place) {
            Ok(ear) => ear,
            Err(error) => return tracing::error!(%run, %error, "cannot listen on its notify socket"),
        };
        if let Some(state) = self.runs.get_mut(run) {
            state.heard.ear = Some(ear);
            state.notify_copy = Some(copy);
        }
    }

    fn speaker(&self, run: &Run) -> Option<Speaker> {
        Some(Speaker {
            run: run.clone(),
            leader: self.lives.leader(run)?.pid,
            adopted: self.lives.is_adopted(run),
        })
    }

    /// Holds a run that is ready to what its declaration promises.
    pub(super) fn guard(&mut self, run: &Run, spec: &Arc<Spec>) {
        let (Some(leader), mailbox) = (self.lives.leader(run), self.mailbox.clone()) else {
            return;
        };
        let house = self.config.paths.state_dir.clone();
        if let Some(state) = self.runs.get_mut(run) {
            state.heard.watch(spec.watchdog);
            state.memory = spec
                .memory_max
                .map(|most| Weighing::begin(run, leader.pid, (house, mailbox), most).into());
        }
    }

    /// A run said something.
    pub(super) fn hear(&mut self, run: &Run, notice: Notice) {
        let Some(heard) = self.runs.get_mut(run).map(|state| &mut state.heard) else {
            return;
        };
        tracing::debug!(%run, ?notice, "says");
        let run = run.clone();
        match notice {
            Notice::Ready => {
                heard.reloading = false;
                if let Some(ready) = &heard.ready {
                    let _ = ready.send(());
                }
            }
            Notice::Reloading => heard.reloading = true,
            Notice::Status(text) => heard.status = Some(text).filter(|text| !text.is_empty()),
            Notice::Errno(number) => {
                heard.status = Some(io::Error::from_raw_os_error(number).to_string());
            }
            Notice::Stopping => self.tell(Input::Leaving { run }),
            Notice::Extend(by) => self.tell(Input::Extended { run, by }),
            Notice::Trigger => {
                let why = "says itself that it is stuck (WATCHDOG=trigger)".into();
                self.tell(Input::WatchdogMissed { run, why });
            }
            Notice::MainPid(pid) => self.main_pid(&run, pid),
            // The ear's own business.
            Notice::Alive | Notice::Interval(_) => {}
        }
    }

    /// A run broke its promise to be heard of.
    pub(super) fn watchdog_missed(&mut self, run: Run, interval: Duration) {
        let seconds = interval.as_secs_f64();
        let why = format!("no WATCHDOG=1 for {seconds} s");
        tracing::warn!(%run, "{why}");
        self.tell(Input::WatchdogMissed { run, why });
    }

    /// The run has another main process from now on, if that is one of its own: its end is the run's.
    fn main_pid(&mut self, run: &Run, pid: i32) {
        let owner = std::fs::metadata(format!("/proc/{pid}")).map_or(u32::MAX, |process| process.uid());
        let is_its = self
            .speaker(run)
            .is_some_and(|speaker| speaker.says(&self.config.paths.state_dir, pid, owner));
        let found = Identity::of(pid).ok().flatten();
        let (true, Some(identity)) = (is_its, found) else {
            return tracing::warn!(%run, pid, "MAINPID is ignored: that is no process of this run");
        };
        if self.lives.leader(run) == Some(identity) {
            return;
        }
        let Ok(Some(handle)) = Handle::open(identity) else {
            return tracing::warn!(%run, pid, "MAINPID is ignored: that process is gone");
        };
        tracing::info!(%run, pid, "has another main process");
        self.lives.lead(run, handle);
        self.watch_leader(run.clone(), identity);
        self.save_soon();
    }
}
