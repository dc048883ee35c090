//! What the machine orders, done: each action is one function here.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use nix::sys::signal::Signal;
use tokio::sync::oneshot;

use super::driver::{Driver, RunState};
use super::health;
use super::heard::watchdog_usec;
use super::mailbox::{ExecRequest, Message};
use super::notify::Notify;
use super::place::DaemonPlace;
use super::ready::{Watch, holder};
use super::report;
use super::survivors;
use crate::api::Event;
use crate::config;
use crate::ports;
use crate::process::{self, Launch, MARK, Mark};
use crate::service::{Ready, Run, ServiceName, Spec};
use crate::supervisor::{Action, Input, Shown};

/// When those who were not found at once are asked to end.
const THE_REST_AFTER: Duration = Duration::from_millis(100);

impl Driver {
    pub(super) fn perform(&mut self, action: Action, news: &mut VecDeque<Input>) {
        match action {
            Action::Spawn { run, spec } => news.push_back(match self.spawn(&run, &spec) {
                Ok(()) => Input::Spawned { run },
                Err(why) => {
                    self.record_not_started(&run, &why);
                    tracing::warn!(%run, why, "could not start");
                    Input::SpawnFailed { run, why }
                }
            }),
            Action::AwaitReady { run } => self.await_ready(run),
            Action::WatchHealth { run, spec } => self.watch_health(run, &spec),
            Action::Guard { run, spec } => self.guard(&run, &spec),
            Action::Terminate { run } => self.terminate(&run, None),
            Action::Abort { run } => self.terminate(&run, Some(Signal::SIGABRT as i32)),
            Action::Kill { run } => {
                if !self.lives.is_killing(&run) {
                    self.record_killed(&run);
                }
                news.extend(self.kill(&run));
            }
            Action::Answer { id, answer } => self.audience.answer(id, answer),
            Action::Changed { service } => self.publish(&service),
            Action::Finish => self.finished = true,
        }
    }

    fn spawn(&mut self, run: &Run, spec: &Arc<Spec>) -> Result<(), String> {
        if let Err(why) = self.ports_are_free(spec) {
            self.record_port_taken(run, &why);
            return Err(why);
        }
        let program = config::program(spec)?;
        process::descriptors::enough(!self.outputs.has(&run.service))?;
        let notify = self.notify_socket(run, spec)?;
        let (stdout, stderr) = self
            .outputs
            .open(&run.service, &spec.log)
            .and_then(|()| self.outputs.ends(&run.service))
            .map_err(|error| format!("cannot open the pipes for its output: {error}"))?;
        let sockets = self.sockets.for_run(spec)?;
        let launch = Launch {
            program,
            args: spec.command.iter().skip(1).cloned().collect(),
            cwd: spec.cwd.clone(),
            env: self.environment(run, spec, notify.as_ref()),
            stdout,
            stderr,
            sockets,
            rights: spec.rights.clone(),
            cgroup: self.lives.cgroups.make(run),
        };
        // Before its first word.
        let lines = self.outputs.begin(run, matches!(spec.ready, Some(Ready::Log(_))));
        let held = process::held(launch).inspect_err(|_| self.lives.cgroups.end(run))?;
        let leader = held.handle.identity();
        if !held.in_cgroup {
            self.lives.cgroups.begun(run, leader.pid);
        }
        tracing::info!(%run, pid = leader.pid, "started");
        self.record_started(run, leader.pid);
        self.lives.begin(run.clone(), held.handle);
        let mut state = RunState::begun(self.clock.now());
        state.lines = lines;
        self.runs.insert(run.clone(), Box::new(state));
        self.listen(run, notify);
        Ok(())
    }

    /// A service whose port is taken would only die of it, or worse, seem to work.
    fn ports_are_free(&self, spec: &Spec) -> Result<(), String> {
        for &port in spec
            .ports
            .iter()
            .filter(|&&port| !self.sockets.holds(&spec.name, port))
        {
            let taken = ports::is_listening(port)
                .map_err(|error| format!("cannot see who holds port {port}: {error}"))?;
            if taken {
                let holder = holder(port);
                return Err(format!(
                    "port {port} is held by {holder}; `sentinel flush {port}` frees it"
                ));
            }
        }
        Ok(())
    }

    fn environment(&self, run: &Run, spec: &Spec, notify: Option<&Notify>) -> Vec<(String, String)> {
        let mark = Mark {
            number: run.number,
            service: run.service.to_string(),
            state_dir: self.config.paths.state_dir.clone(),
        };
        let mut env: Vec<(String, String)> = spec.env.clone().into_iter().collect();
        env.push((MARK.to_owned(), mark.to_env().to_string_lossy().into_owned()));
        if !spec.sockets.is_empty() {
            let names = vec![run.service.as_str(); spec.sockets.len()];
            env.push(("LISTEN_FDNAMES".to_owned(), names.join(":")));
        }
        env.extend(notify.map(|notify| ("NOTIFY_SOCKET".to_owned(), notify.address.clone())));
        // Over the caller's own, and over a service's declaration: it must be what we watch.
        env.extend(spec.watchdog.map(watchdog_usec));
        env
    }

    fn await_ready(&mut self, run: Run) {
        let (Some(leader), Some(entry)) = (self.lives.leader(&run), self.machine.entry(&run.service)) else {
            return;
        };
        let Some(state) = self.runs.get_mut(&run) else {
            return;
        };
        let notified = match &entry.spec.ready {
            Some(Ready::Notify) => Some(state.heard.await_ready()),
            Some(Ready::Probe(_) | Ready::Log(_)) | None => None,
        };
        let lines = state.lines.take();
        let watch = Watch {
            run,
            leader: leader.pid,
            house: self.config.paths.state_dir.clone(),
            mailbox: self.mailbox.clone(),
            place: DaemonPlace {
                spec: entry.spec.clone(),
                mailbox: self.mailbox.clone(),
            },
            spec: entry.spec,
            lines,
            notified,
            spoke: state.spoke,
        };
        state.readiness.push(watch.begin());
    }

    fn place(&self, spec: &Arc<Spec>) -> DaemonPlace {
        DaemonPlace {
            spec: spec.clone(),
            mailbox: self.mailbox.clone(),
        }
    }

    fn watch_health(&mut self, run: Run, spec: &Arc<Spec>) {
        let (mailbox, place) = (self.mailbox.clone(), self.place(spec));
        if let Some(state) = self.runs.get_mut(&run) {
            if let Some(earlier) = state.health.take() {
                earlier.abort();
                // Another question: what the last one said does not count.
                state.course = (None, 0);
            }
            state.health = health::watch(run, spec, mailbox, place, state.course);
        }
    }

    /// Asks all of it to end, by its stop signal or another.
    fn terminate(&mut self, run: &Run, signal: Option<i32>) {
        self.record_stopping(run);
        if let Some(state) = self.runs.get_mut(run) {
            state.heard.hold_to_nothing();
            state.memory = None;
            state
                .readiness
                .drain(..)
                .chain(state.health.take())
                .for_each(|task| task.abort());
        }
        let entry = self.machine.entry(&run.service);
        let stop = entry.as_ref().map(|entry| entry.spec.stop.clone());
        let signal = signal.unwrap_or(stop.as_ref().map_or(15, |stop| stop.signal.0));
        // Who is killed soon after has no second moment to be asked in.
        let all = stop.is_none_or(|stop| stop.timeout < 5 * THE_REST_AFTER);
        // A stopped process dies only once it continues.
        let asked = self.lives.ask(run, [signal, Signal::SIGCONT as i32], all);
        self.watch_strays();
        self.ask_the_rest_soon();
        match asked {
            Ok(processes) => tracing::debug!(%run, processes, "asked to end"),
            Err(error) => tracing::error!(%run, %error, "cannot see its processes"),
        }
    }

    /// Whoever was not found at once is looked for when most of those who were are gone.
    fn ask_the_rest_soon(&mut self) {
        if !std::mem::replace(&mut self.asking, true) {
            let mailbox = self.mailbox.clone();
            tokio::task::spawn_local(async move {
                tokio::time::sleep(THE_REST_AFTER).await;
                mailbox.post(Message::AskTheRest);
            });
        }
    }

    /// Asks whoever of the runs that are to end was not asked yet.
    pub(super) fn ask_the_rest(&mut self) {
        self.asking = false;
        self.lives.look_anew();
        if let Err(error) = self.lives.ask_the_rest() {
            tracing::error!(%error, "cannot see whether others are to be asked to end");
        }
        self.watch_strays();
    }

    /// Kills all of the run and names whoever is still there.
    pub(super) fn kill(&mut self, run: &Run) -> Option<Input> {
        let entry = self.machine.entry(&run.service);
        let ports = entry.map(|entry| entry.spec.ports.clone()).unwrap_or_default();
        let killed = self.lives.kill(run);
        self.watch_strays();
        match killed {
            Ok(members) if members.is_empty() => None,
            Ok(members) => {
                tracing::warn!(%run, processes = members.len(), "sent SIGKILL");
                Some(Input::Survivors {
                    run: run.clone(),
                    who: survivors::names(&members, &ports),
                })
            }
            Err(error) => {
                tracing::error!(%run, %error, "cannot see its processes");
                None
            }
        }
    }

    /// Takes all states as logged already.
    pub(super) fn note_states(&mut self) {
        let entries = self.machine.snapshot();
        let states = entries
            .iter()
            .map(|entry| (entry.spec.name.clone(), report::state(entry.shown)));
        self.logged.extend(states);
    }

    /// Runs a probe's command.
    pub(super) fn run_command(&mut self, request: ExecRequest) {
        let started = process::spawn(request.launch).map(|identity| {
            let (exit, exited) = oneshot::channel();
            self.lives.own(identity.pid);
            self.commands.insert(identity.pid, exit);
            (identity, exited)
        });
        let _ = request.started.send(started);
    }

    fn publish(&mut self, service: &ServiceName) {
        self.save_soon();
        let Some(entry) = self.machine.entry(service) else {
            self.logged.remove(service);
            self.sockets.release(service);
            self.outputs.close(service);
            self.alerts.forget(service);
            self.strangers.forget(service.as_str());
            return tracing::info!(%service, "is declared no more");
        };
        let given_up = matches!(entry.shown, Shown::Fatal | Shown::Exited);
        if !entry.live && (!entry.wanted || given_up) {
            self.sockets.release(service);
        }
        let run = Run {
            service: service.clone(),
            number: entry.run,
        };
        if let Some(state) = self.runs.get_mut(&run) {
            // The memory of a task that is done is kept for whoever may still abort it.
            state.readiness.retain(|task| !task.is_finished());
        }
        let state = report::state(entry.shown);
        if self.logged.insert(service.clone(), state) != Some(state) {
            tracing::info!(%service, reason = entry.reason, "{}", state.as_str());
            self.record_state(&entry);
        }
        if self.audience.is_empty() {
            return;
        }
        let (pid, reason) = (self.lives.pid(service, entry.run), self.reason(&entry));
        let event = |after_ms| Event::Service {
            name: service.to_string(),
            state,
            pid,
            reason: reason.clone(),
            after_ms,
        };
        self.audience.tell(self.clock.now(), service, event);
    }
}
