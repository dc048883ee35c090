//! services.toml read again: what would change, and the change, as one transaction.

use super::driver::Driver;
use super::ledger;
use super::mailbox::Reply;
use super::output::Rules;
use super::watch;
use crate::api::{self, Cause, Event, Fact, Failure, FailureKind, Outcome, PlannedChange, What};
use crate::config::{self, Config};
use crate::lock::Lock;
use crate::redact;
use crate::service::ServiceName;
use crate::supervisor::{Change, ChangeKind, Input, Order};

impl Driver {
    /// What a reload would do; nothing is changed.
    ///
    /// # Errors
    /// The file is wrong, or what it declares could not start.
    pub(super) fn plan(&self) -> Result<Reply, Failure> {
        let (events, receiver) = tokio::sync::mpsc::unbounded_channel();
        let plan = self.planned(&self.reread()?);
        let _ = events.send(Event::Plan { plan });
        let _ = events.send(Event::End(Outcome {
            ok: true,
            ..Outcome::default()
        }));
        Ok(Reply::Progress(receiver))
    }

    /// Changes what differs, and tells the plan first.
    ///
    /// # Errors
    /// The same; then nothing is changed.
    pub(super) fn reload(&mut self, lock: Option<Lock>, cause: &Cause) -> Result<Reply, Failure> {
        let config = match self.reread() {
            Ok(config) => config,
            Err(failure) => {
                tracing::error!("reload refused: {}", failure.message);
                let fact = Fact::new(What::Refused).because(cause.clone());
                self.record(fact.detail(format!("reload: {}", failure.message)));
                return Err(failure);
            }
        };
        let plan = self.planned(&config);
        let words = in_words(&plan);
        tracing::info!("reload: {words}");
        self.record(Fact::new(What::Reloaded).because(cause.clone()).detail(words));
        self.herald.reloads();
        let specs = config.services.clone();
        let logs = specs.iter().map(|spec| (&spec.name, &spec.log));
        self.outputs.revise(Rules::of(&config), logs);
        self.config = config;
        self.watch_files();
        self.replace_schedules();
        self.revise_alerts();
        self.revise_metrics();
        let first = Some(Event::Plan { plan });
        let receiver = self.request_with(Order::Reload(specs), lock, Cause::Reload, first);
        Ok(Reply::Progress(receiver))
    }

    /// SIGHUP, as daemons have always taken it.
    pub(super) fn hang_up(&mut self) {
        let signal = "SIGHUP".into();
        // What is wrong was told in the log and the ledger; there is nobody else to tell.
        drop(self.reload(None, &Cause::Signal { signal }));
    }

    /// Files changed that a service is to be restarted for.
    pub(super) fn files_changed(&mut self, service: ServiceName, why: String) {
        let live = self.machine.entry(&service).is_some_and(|entry| entry.live);
        if !live {
            self.ledger.attribution.fell(&service, ledger::changed(&why));
        }
        self.tell(Input::FilesChanged { service, why });
    }

    /// Reads services.toml again. A file with a mistake, or one that could not start, changes nothing.
    fn reread(&self) -> Result<Config, Failure> {
        let file = self.config.paths.config.clone();
        let config = config::load(&file, &config::environment()).map_err(|mistakes| Failure {
            kind: FailureKind::Config,
            message: mistakes.to_string(),
            help: Some("nothing was changed; `sentinel check` shows the same".into()),
        })?;
        redact::learn(&config.redactor);
        let problems: Vec<String> = config::hindrances(&config)
            .iter()
            .map(ToString::to_string)
            .collect();
        if problems.is_empty() {
            return Ok(config);
        }
        Err(Failure {
            kind: FailureKind::Failed,
            message: problems.join("\n"),
            help: Some("nothing was changed".into()),
        })
    }

    fn planned(&self, config: &Config) -> api::Plan {
        let changes = self.machine.plan(&config.services);
        api::Plan {
            settings: settings(&self.config, config),
            services: changes.into_iter().map(planned).collect(),
        }
    }

    /// Watches the files that the present declarations name, and no others.
    pub(super) fn watch_files(&mut self) {
        let Config { paths, log_dir, .. } = &self.config;
        let excluded = [paths.state_dir.clone(), log_dir.clone()];
        let scope = watch::Scope::of(&self.config.services, &paths.root, excluded);
        if self.watched.as_ref().is_some_and(|(old, _)| *old == scope) {
            return;
        }
        if let Some((_, Some(task))) = self.watched.take() {
            task.abort();
        }
        let task = watch::begin(scope.clone(), self.mailbox.clone());
        self.watched = Some((scope, task));
    }
}

fn planned(change: Change) -> PlannedChange {
    PlannedChange {
        service: change.service.to_string(),
        change: match change.kind {
            ChangeKind::Add => api::ChangeKind::Add,
            ChangeKind::Remove => api::ChangeKind::Remove,
            ChangeKind::Restart => api::ChangeKind::Restart,
            ChangeKind::InPlace => api::ChangeKind::InPlace,
        },
        keys: change.keys,
    }
}

/// The keys outside the services that differ. Whoever adds one to [`Config`] says here that it may change.
fn settings(old: &Config, new: &Config) -> Vec<String> {
    let Config {
        paths: _,
        log_dir,
        log_max_total,
        logs,
        protected_ports,
        services: _,
        redactor: _,
        schedules,
        market,
        files: _,
        stamps: _,
        alerts,
        metrics,
        web,
    } = old;
    let same = [
        ("log_dir", *log_dir == new.log_dir),
        ("log_max_total", *log_max_total == new.log_max_total),
        ("logs", *logs == new.logs),
        ("protected_ports", *protected_ports == new.protected_ports),
        ("market_calendar", *market == new.market),
        ("alerts", *alerts == new.alerts),
        ("metrics", *metrics == new.metrics),
        ("web", *web == new.web),
    ];
    let differ = same.into_iter().filter(|(_, same)| !same);
    let mut keys: Vec<String> = differ.map(|(key, _)| key.to_owned()).collect();
    let told = schedules.iter().filter(|one| !new.schedules.contains(one));
    let fresh = new.schedules.iter().filter(|one| !schedules.contains(one));
    keys.extend(told.chain(fresh).map(|one| format!("schedules.{}", one.name)));
    let mut seen = std::collections::HashSet::new();
    keys.retain(|key| seen.insert(key.clone()));
    keys
}

/// `restart web (command), change db (health)`.
fn in_words(plan: &api::Plan) -> String {
    let service = |change: &PlannedChange| match change.keys.as_slice() {
        [] => format!("{} {}", change.change.as_str(), change.service),
        keys => format!(
            "{} {} ({})",
            change.change.as_str(),
            change.service,
            keys.join(", ")
        ),
    };
    let settings = plan.settings.iter().map(|key| format!("change {key}"));
    let all: Vec<String> = settings.chain(plan.services.iter().map(service)).collect();
    match all.is_empty() {
        true => "nothing differs".into(),
        false => all.join(", "),
    }
}
