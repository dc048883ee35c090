//! `update`, `add` and `remove`: what services.toml has by now, applied to all that differs or to what is named.

use std::collections::BTreeSet;

use crate::api::{Command, Event, Plan, Route, Status};
use crate::client::connection::Connection;
use crate::client::error::Error;
use crate::client::house;
use crate::exit::ExitCode;

use super::Call;
use super::change::running;

/// The services that run by a name that the caller gave, and those that services.toml has.
struct Names {
    status: Status,
    used: BTreeSet<String>,
    declared: BTreeSet<String>,
}

impl Call<'_> {
    pub(super) async fn update(&mut self, groups: &[String]) -> Result<(), Error> {
        let Some(names) = self.names().await? else {
            return Ok(());
        };
        let known = |group: &&String| {
            let mut all = names.used.union(&names.declared);
            *group == "all" || all.any(|name| self.is_of(name, group))
        };
        if let Some(unknown) = groups.iter().find(|group| !known(group)) {
            return self.say(&format!("ERROR: no such group: {unknown}"), ExitCode::Failed);
        }
        if !groups.is_empty() && groups.iter().all(|group| group != "all") && !self.differ(groups).await? {
            return Ok(());
        }
        self.apply(&names).await
    }

    pub(super) async fn add(&mut self, groups: &[String]) -> Result<(), Error> {
        for group in groups {
            let Some(names) = self.names().await? else {
                return Ok(());
            };
            let among = |all: &BTreeSet<String>| all.iter().any(|name| self.is_of(name, group));
            match (among(&names.used), among(&names.declared)) {
                // supervisorctl ends with 0 here.
                (true, _) => self.say("ERROR: process group already active", ExitCode::Ok)?,
                (false, false) => {
                    self.say(
                        &format!("ERROR: no such process/group: {group}"),
                        ExitCode::Failed,
                    )?;
                }
                (false, true) => {
                    if self.differ(std::slice::from_ref(group)).await? {
                        self.apply(&names).await?;
                    }
                }
            }
        }
        Ok(())
    }

    pub(super) async fn remove(&mut self, groups: &[String]) -> Result<(), Error> {
        for group in groups {
            let Some(names) = self.names().await? else {
                return Ok(());
            };
            let mut meant = names
                .status
                .services
                .iter()
                .filter(|one| self.is_of(&one.name, group));
            let Some(first) = meant.next() else {
                self.say(
                    &format!("ERROR: no such process/group: {group}"),
                    ExitCode::Failed,
                )?;
                continue;
            };
            if running(first.state) || meant.any(|one| running(one.state)) {
                let line = format!("ERROR: process/group still running: {group}");
                self.say(&line, ExitCode::Failed)?;
            } else if names.declared.iter().any(|name| self.is_of(name, group)) {
                let line = format!("ERROR: {group} is still in services.toml: take it out there first");
                self.say(&line, ExitCode::Failed)?;
            } else if self.differ(std::slice::from_ref(group)).await? {
                self.outcome(Route::Reload, &[]).await?;
                self.say(&format!("{group}: removed process group"), ExitCode::Ok)?;
            }
        }
        Ok(())
    }

    async fn names(&mut self) -> Result<Option<Names>, Error> {
        let status = match self.ask_status().await {
            Ok(status) => status,
            Err(answer) => {
                let line = format!("error: {}", self.absent(&answer));
                self.say(&line, ExitCode::Failed)?;
                return Ok(None);
            }
        };
        let declared = match house::read(&self.paths) {
            Ok(config) => house::names(&config).into_iter().collect(),
            Err(mistakes) => {
                self.say(&format!("ERROR: CANT_REREAD: {mistakes}"), ExitCode::Failed)?;
                return Ok(None);
            }
        };
        Ok(Some(Names {
            used: used(&status),
            declared,
            status,
        }))
    }

    /// Whether a service is the one of this name, or of the group of it.
    fn is_of(&self, service: &str, group: &str) -> bool {
        service == group || self.group_of(service) == group
    }

    /// What supervisorctl calls its group: without one it is its own.
    fn group_of(&self, service: &str) -> String {
        let shown = self.shown(service);
        shown
            .split_once(':')
            .map_or(shown.clone(), |(group, _)| group.to_owned())
    }

    /// Whether something of these groups is to be changed. A reload changes all that differs: it is refused,
    /// and said so, when others would change with them.
    async fn differ(&mut self, groups: &[String]) -> Result<bool, Error> {
        let plan = self.plan().await?;
        let named = |service: &str| groups.iter().any(|group| self.is_of(service, group));
        let (meant, others): (Vec<_>, Vec<_>) = plan
            .services
            .iter()
            .map(|change| change.service.as_str())
            .partition(|name| named(name));
        if meant.is_empty() {
            return Ok(false);
        }
        if others.is_empty() && plan.settings.is_empty() {
            return Ok(true);
        }
        let others = [others.join(" "), plan.settings.join(" ")].join(" ");
        let line = format!("ERROR: {} would change too: write `update` alone", others.trim());
        self.say(&line, ExitCode::Failed)?;
        Ok(false)
    }

    async fn plan(&self) -> Result<Plan, Error> {
        let command = Command {
            dry_run: true,
            ..Command::default()
        };
        let connection = Connection::open(&self.paths).await?;
        let mut events = connection.send_command(Route::Reload, &command).await?;
        let mut plan = Plan::default();
        let failed = |error: std::io::Error| Error::failed("the supervisor broke off").because(&error);
        while let Some(event) = events.next().await.map_err(failed)? {
            if let Event::Plan { plan: told } = event {
                plan = told;
            } else if let Event::End(outcome) = event {
                return outcome.error.map_or(Ok(plan), |failure| Err(failure.into()));
            }
        }
        Ok(plan)
    }

    /// Reloads, and tells what went, changed and came, by group.
    async fn apply(&mut self, names: &Names) -> Result<(), Error> {
        let group = |name: &String| self.group_of(name);
        let outcome = self.outcome(Route::Reload, &[]).await?;
        let after = match self.ask_status().await {
            Ok(status) => used(&status),
            Err(answer) => {
                let line = self.absent(&answer);
                return self.say(&line, ExitCode::Failed);
            }
        };
        let changed = outcome.services.iter().map(|service| &service.name);
        let changed = changed.filter(|name| names.used.contains(*name) && after.contains(*name));
        let gone: BTreeSet<String> = names.used.difference(&after).map(group).collect();
        let changed: BTreeSet<String> = changed.map(group).collect();
        let come: BTreeSet<String> = after.difference(&names.used).map(group).collect();
        for (groups, word) in [(gone, "removed"), (changed, "updated")] {
            for name in groups {
                self.say(
                    &format!("{name}: stopped\n{name}: {word} process group"),
                    ExitCode::Ok,
                )?;
            }
        }
        for name in come {
            self.say(&format!("{name}: added process group"), ExitCode::Ok)?;
        }
        match outcome.error {
            Some(failure) => self.say(&format!("ERROR: {}", failure.message), ExitCode::Failed),
            None => Ok(()),
        }
    }
}

fn used(status: &Status) -> BTreeSet<String> {
    status
        .services
        .iter()
        .map(|service| service.name.clone())
        .collect()
}
