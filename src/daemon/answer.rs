//! Answers what is asked over the control socket.

use super::driver::Driver;
use super::mailbox::{Question, Reply};
use super::reading::Shelf;
use super::report::{self, Seen};
use crate::api::{
    Fact, Failure, FailureKind, Route, Service, Status, Supervisor, SupervisorState, Web, What,
};
use crate::exit::ExitCode;
use crate::lock::{self, Held, Lock, Refused};
use crate::selector;
use crate::service::{Run, ServiceName};
use crate::supervisor::{Entry, Order};
use crate::verdict;

impl Driver {
    pub(super) fn ask(&mut self, question: Question) {
        match question.route {
            Route::Metrics => return self.tell_metrics(question.reply),
            Route::Ports => return self.tell_ports(question.reply),
            Route::Status
            | Route::Brief
            | Route::Events
            | Route::Logs
            | Route::Ledger
            | Route::Record
            | Route::Start
            | Route::Stop
            | Route::Restart
            | Route::Shutdown
            | Route::Reload
            | Route::Upgrade => {}
        }
        tracing::debug!(route = question.route.path(), peer = %question.peer, services = ?question.command.services);
        let reply = match question.route {
            Route::Status => Reply::Status(Box::new(self.status())),
            Route::Brief => Reply::Brief(Box::new(self.brief())),
            Route::Events => Reply::Events(self.audience.watch(self.clock.now())),
            Route::Logs | Route::Ledger => Reply::Files(Shelf::of(&self.config)),
            Route::Record => self.note(&question),
            Route::Reload if question.command.dry_run => self.plan().unwrap_or_else(Reply::Refused),
            Route::Upgrade => self.upgrade(&question).unwrap_or_else(Reply::Refused),
            Route::Metrics
            | Route::Ports
            | Route::Start
            | Route::Stop
            | Route::Restart
            | Route::Shutdown
            | Route::Reload => self.command(&question).unwrap_or_else(Reply::Refused),
        };
        let _ = question.reply.send(reply);
    }

    /// Begins what was asked, unless somebody else is at it.
    fn command(&mut self, question: &Question) -> Result<Reply, Failure> {
        let verb = match question.command.of_flush {
            true => "flush",
            false => question.route.path().rsplit('/').next().unwrap_or_default(),
        };
        let named = question.command.services.join(" ");
        let command = format!("sentinel {verb} {named}");
        let lock = lock(&self.config.paths.operation_lock(), command.trim_end())?;
        let names = match question.command.services.as_slice() {
            [] => self.unnamed(question.route),
            named => self.names(named)?,
        };
        let order = match question.route {
            Route::Start => Order::Start(names),
            Route::Stop => Order::Stop(names),
            Route::Restart => Order::Restart(names),
            Route::Shutdown => Order::Shutdown,
            Route::Reload => {
                let asked = || question.peer.asks(command.trim_end());
                let cause = self.timetable.behind(question.peer.pid).unwrap_or_else(asked);
                return self.reload(Some(lock), &cause);
            }
            Route::Status
            | Route::Brief
            | Route::Events
            | Route::Upgrade
            | Route::Record
            | Route::Metrics
            | Route::Ports
            | Route::Logs
            | Route::Ledger => {
                return Err(unusable("no command".into()));
            }
        };
        let asked = || question.peer.asks(command.trim_end());
        let cause = self.timetable.behind(question.peer.pid).unwrap_or_else(asked);
        tracing::info!(peer = %question.peer, "{command}");
        self.record(Fact::new(What::Command).because(cause.clone()));
        Ok(Reply::Progress(self.request(order, Some(lock), cause)))
    }

    /// Writes down what somebody else did to this house, such as a flush.
    fn note(&mut self, question: &Question) -> Reply {
        let cause = question.peer.asks("sentinel flush");
        for fact in question.command.facts.clone() {
            self.record(Fact {
                cause: Some(cause.clone()),
                ..fact
            });
        }
        Reply::Text(String::new())
    }

    /// All services, but to start none that waits for a person and was not started by one.
    fn unnamed(&self, route: Route) -> Vec<ServiceName> {
        let starts = matches!(route, Route::Start | Route::Restart);
        let wanted = |name: &ServiceName| self.machine.entry(name).is_some_and(|entry| entry.wanted);
        self.config
            .services
            .iter()
            .filter(|spec| !starts || spec.autostart || wanted(&spec.name))
            .map(|spec| spec.name.clone())
            .collect()
    }

    /// The named services.
    fn names(&self, named: &[String]) -> Result<Vec<ServiceName>, Failure> {
        let candidates = self.config.candidates();
        let mut names = Vec::new();
        for word in named {
            if !selector::is_selector(word) {
                names.push(ServiceName::parse(word).map_err(unusable)?);
                continue;
            }
            let meant = selector::select(word, &candidates).map_err(|none| Failure {
                help: Some(none.help().to_owned()),
                ..unusable(none.to_string())
            })?;
            names.extend(meant.into_iter().filter_map(|name| ServiceName::parse(name).ok()));
        }
        let mut seen = std::collections::HashSet::new();
        names.retain(|name| seen.insert(name.clone()));
        Ok(names)
    }

    /// All services as the API shows them.
    pub(super) fn services(&mut self) -> Vec<Service> {
        let entries = self.machine.snapshot();
        let pids: Vec<i32> = entries.iter().filter_map(|entry| self.pid(entry)).collect();
        self.usage.look(&pids);
        entries
            .iter()
            .map(|entry| report::service(entry, self.seen(entry), &self.clock))
            .collect()
    }

    fn status(&mut self) -> Status {
        let services = self.services();
        self.look_at_idle_ports(&services);
        let mut status = self.status_of(services);
        // Who holds the ports is not looked at here: a caller who knows better says so.
        let concerns = verdict::concerns(&status);
        status.ok = verdict::exit_code(status.supervisor.state, &concerns) == ExitCode::Ok;
        status
    }

    /// The same, with these services, unjudged.
    pub(super) fn status_of(&self, services: Vec<Service>) -> Status {
        Status {
            ok: false,
            supervisor: Supervisor {
                state: SupervisorState::Running,
                pid: i32::try_from(std::process::id()).ok(),
                version: env!("CARGO_PKG_VERSION").into(),
                uptime_s: Some(report::milliseconds(self.clock.uptime())),
                config: self.config.paths.config.display().to_string(),
                upgrades: self.upgrades,
                outdated: self.config.is_outdated(),
            },
            services,
            schedules: self.timetable.told(),
            ports: Vec::new(),
            alerts: self.alerts.status(),
            events: Vec::new(),
            web: Some(Web {
                actions: self.config.web.actions,
                allow_remote: self.config.web.allow_remote,
            }),
        }
    }

    fn pid(&self, entry: &Entry) -> Option<i32> {
        self.lives.pid(&entry.spec.name, entry.run)
    }

    pub(super) fn seen(&self, entry: &Entry) -> Seen {
        let run = Run {
            service: entry.spec.name.clone(),
            number: entry.run,
        };
        let state = self.runs.get(&run);
        let pid = self.pid(entry);
        let uptime_s = state
            .filter(|_| entry.live)
            .map(|state| self.clock.seconds_since(state.spawned));
        Seen {
            pid,
            reason: self.reason(entry),
            oom: self.ledger.counts.oom_last.contains(entry.spec.name.as_str()),
            uptime_s,
            used: pid.and_then(|pid| self.usage.of(pid, uptime_s?)),
            health: state.and_then(|state| state.answer.as_deref().cloned()),
            log: self.outputs.tally(&entry.spec.name).unwrap_or_default(),
            status_text: state.and_then(|state| state.heard.status.clone()),
            reloading: state.is_some_and(|state| state.heard.reloading),
            tree_memory: state.and_then(|state| state.memory.as_ref()?.bytes),
        }
    }
}

fn unusable(message: String) -> Failure {
    Failure {
        kind: FailureKind::Usage,
        message,
        help: None,
    }
}

/// Whether whoever took the lock is gone, and somebody else has it.
fn is_dead(held: &Held) -> bool {
    held.identity.is_some_and(|claimed| !lock::lives(claimed))
}

fn stolen(path: &std::path::Path, held: &Held) -> String {
    let holders = lock::holders(path).unwrap_or_default();
    let who = holders
        .iter()
        .map(|holder| format!("{} (pid {})", holder.command, holder.identity.pid));
    let who: Vec<String> = who.collect();
    let who = if who.is_empty() {
        "somebody".into()
    } else {
        who.join(", ")
    };
    format!(
        "{} is locked by {who}, and whoever took it is gone ({})",
        path.display(),
        held.holder()
    )
}

/// Takes a lock, or says who has it.
///
/// # Errors
/// `Busy` with the holder's name, pid and time; `Failed` when the file system says no.
pub fn lock(path: &std::path::Path, command: &str) -> Result<Lock, Failure> {
    Lock::take(path, command).map_err(|refused| match refused {
        Refused::Held(held) if is_dead(&held) => Failure {
            kind: FailureKind::Failed,
            message: stolen(path, &held),
            help: Some("sentinel restart emergency".into()),
        },
        Refused::Held(held) => Failure {
            kind: FailureKind::Busy,
            message: held.to_string(),
            help: Some("try again when it is done".into()),
        },
        Refused::Io(error) => Failure {
            kind: FailureKind::Failed,
            message: format!("cannot lock {}: {error}", path.display()),
            help: path.parent().map(|folder| {
                let folder = folder.display();
                format!("{folder} must be a folder of the user who runs sentinel; nothing was stopped")
            }),
        },
    })
}
