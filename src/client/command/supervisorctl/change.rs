//! What changes what runs: start, stop, restart, update, shutdown.

use std::collections::BTreeSet;

use crate::api::{Outcome, Route, ServiceResult, State, Status};
use crate::client::connection::Connection;
use crate::client::error::Error;
use crate::client::house;
use crate::config;
use crate::exit::ExitCode;

use super::Call;
use super::help::usage;
use super::wording::{Name, address};

impl Call<'_> {
    pub(super) async fn change(&mut self, verb: &str, names: &[String]) -> Result<(), Error> {
        if self.up().await?.is_none() {
            return Ok(());
        }
        if names.is_empty() {
            let code = if verb == "start" {
                ExitCode::Usage
            } else {
                ExitCode::Failed
            };
            return self.say(
                &format!("Error: {verb} requires a process name\n{}", usage(verb)),
                code,
            );
        }
        if verb != "start" {
            self.all_or_each(Route::Stop, names).await?;
        }
        if verb != "stop" {
            self.all_or_each(Route::Start, names).await?;
        }
        Ok(())
    }

    async fn all_or_each(&mut self, route: Route, names: &[String]) -> Result<(), Error> {
        let Some(status) = self.up().await? else {
            return Ok(());
        };
        if names.iter().any(|name| name == "all") {
            // Those alone that are not there yet.
            let wanted = |state| running(state) != (route == Route::Start);
            let services: Vec<String> = status
                .services
                .iter()
                .filter(|service| wanted(service.state))
                .map(|service| service.name.clone())
                .collect();
            return if services.is_empty() {
                Ok(())
            } else {
                self.ask_for(route, &services).await
            };
        }
        for name in names {
            self.one(route, &Name::parse(name), &status).await?;
        }
        Ok(())
    }

    /// One name: a service, or all of a group that are not there yet.
    async fn one(&mut self, route: Route, name: &Name, status: &Status) -> Result<(), Error> {
        let meant: Vec<_> = status
            .services
            .iter()
            .filter(|service| name.means(service))
            .collect();
        let Some(first) = meant.first() else {
            let group_at_start = name.is_group() && route == Route::Start;
            let code = if group_at_start {
                ExitCode::Usage
            } else {
                ExitCode::Failed
            };
            return self.say(&name.unknown(), code);
        };
        let there = |state| running(state) == (route == Route::Start);
        if !name.is_group() && there(first.state) {
            let shown = address(&first.name, first.group.as_deref());
            let why = if route == Route::Start {
                "already started"
            } else {
                "not running"
            };
            return self.say(&format!("{shown}: ERROR ({why})"), ExitCode::Ok);
        }
        let wanted: Vec<String> = meant
            .iter()
            .filter(|service| !there(service.state))
            .map(|service| service.name.clone())
            .collect();
        if wanted.is_empty() {
            return Ok(());
        }
        self.ask_for(route, &wanted).await
    }

    async fn ask_for(&mut self, route: Route, services: &[String]) -> Result<(), Error> {
        let outcome = self.outcome(route, services).await?;
        // Other services may have to move too; supervisorctl speaks of those that it was asked for.
        let asked = services
            .iter()
            .filter_map(|name| outcome.services.iter().find(|service| service.name == *name));
        let asked: Vec<_> = asked.collect();
        for service in asked {
            let shown = self.shown(&service.name);
            match (service.result, route == Route::Start) {
                (ServiceResult::Done, true) => self.say(&format!("{shown}: started"), ExitCode::Ok)?,
                (ServiceResult::Done, false) => self.say(&format!("{shown}: stopped"), ExitCode::Ok)?,
                (_, true) => match self.unusable(&service.name) {
                    Some(why) => self.say(&format!("{shown}: ERROR ({why})"), ExitCode::Failed)?,
                    None => self.say(&format!("{shown}: ERROR (spawn error)"), ExitCode::CtlNotRunning)?,
                },
                (_, false) => {
                    let reason = service.reason.clone().unwrap_or_default();
                    self.say(&format!("{shown}: ERROR ({reason})"), ExitCode::Failed)?;
                }
            }
        }
        match outcome.error {
            Some(failure) if outcome.services.is_empty() => {
                self.say(&format!("error: {}", failure.message), ExitCode::Failed)
            }
            _ => Ok(()),
        }
    }

    async fn outcome(&mut self, route: Route, services: &[String]) -> Result<Outcome, Error> {
        let connection = Connection::open(&self.paths).await?;
        connection.ask(route, services).await?.outcome().await
    }

    /// A service as supervisorctl prints it.
    pub(super) fn shown(&self, name: &str) -> String {
        let config = house::read(&self.paths).ok();
        let spec = config.as_ref().and_then(|config| house::spec(config, name));
        address(name, spec.and_then(|spec| spec.group.as_deref()))
    }

    /// What supervisord says when the program itself cannot be run.
    fn unusable(&self, name: &str) -> Option<&'static str> {
        let config = house::read(&self.paths).ok()?;
        let why = config::program(house::spec(&config, name)?).err()?;
        Some(if why.contains("not executable") {
            "file is not executable"
        } else {
            "no such file"
        })
    }

    pub(super) async fn update(&mut self, groups: &[String]) -> Result<(), Error> {
        let before = match self.ask_status().await {
            Ok(status) => names(&status),
            Err(answer) => return self.say(&format!("error: {}", self.absent(&answer)), ExitCode::Failed),
        };
        let declared = match house::read(&self.paths) {
            Ok(config) => house::names(&config),
            Err(mistakes) => return self.say(&format!("ERROR: CANT_REREAD: {mistakes}"), ExitCode::Failed),
        };
        let known = |group: &&String| *group == "all" || before.contains(*group) || declared.contains(*group);
        if let Some(unknown) = groups.iter().find(|group| !known(group)) {
            return self.say(&format!("ERROR: no such group: {unknown}"), ExitCode::Failed);
        }
        if !groups.is_empty() && groups.iter().all(|group| group != "all") {
            // To update one and leave the others as they are is more than `reload` can.
            return self.say(
                "ERROR: sentinel updates all that differs at once: write `update` alone",
                ExitCode::Failed,
            );
        }
        let outcome = self.outcome(Route::Reload, &[]).await?;
        let after = match self.ask_status().await {
            Ok(status) => names(&status),
            Err(answer) => return self.say(&self.absent(&answer), ExitCode::Failed),
        };
        for name in before.difference(&after) {
            self.say(
                &format!("{name}: stopped\n{name}: removed process group"),
                ExitCode::Ok,
            )?;
        }
        for service in outcome
            .services
            .iter()
            .filter(|service| before.contains(&service.name) && after.contains(&service.name))
        {
            let name = &service.name;
            self.say(
                &format!("{name}: stopped\n{name}: updated process group"),
                ExitCode::Ok,
            )?;
        }
        for name in after.difference(&before) {
            self.say(&format!("{name}: added process group"), ExitCode::Ok)?;
        }
        match outcome.error {
            Some(failure) => self.say(&format!("ERROR: {}", failure.message), ExitCode::Failed),
            None => Ok(()),
        }
    }

    pub(super) async fn shutdown(&mut self) -> Result<(), Error> {
        if let Err(answer) = self.ask_status().await {
            let line = format!("ERROR: {} (already shut down?)", self.absent(&answer));
            return self.say(&line, ExitCode::Failed);
        }
        let outcome = self.outcome(Route::Shutdown, &[]).await?;
        match outcome.error.filter(|_| !outcome.ok) {
            Some(failure) => self.say(&format!("ERROR: {}", failure.message), ExitCode::Failed),
            None => self.say("Shut down", ExitCode::Ok),
        }
    }
}

fn names(status: &Status) -> BTreeSet<String> {
    status
        .services
        .iter()
        .map(|service| service.name.clone())
        .collect()
}

/// supervisord's RUNNING_STATES.
fn running(state: State) -> bool {
    match state {
        State::Running | State::Starting | State::Backoff => true,
        State::Stopped | State::Stopping | State::Exited | State::Fatal => false,
    }
}
