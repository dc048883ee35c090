//! What changes what runs: start, stop, restart, reload, shutdown.

use crate::api::{Outcome, Route, ServiceResult, State, Status};
use crate::client::connection::Connection;
use crate::client::error::Error;
use crate::client::house;
use crate::config;
use crate::exit::ExitCode;

use super::Call;
use super::help::usage;
use super::wording::{Name, address};
use crate::client::command::restart;

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
        let mut asked: Vec<_> = asked.collect();
        if route == Route::Start {
            // supervisord sees at once which programs it cannot run; the last word decides the exit code.
            asked.sort_by_key(|service| self.unusable(&service.name).is_none());
        }
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

    pub(super) async fn outcome(&self, route: Route, services: &[String]) -> Result<Outcome, Error> {
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

    /// Everything anew, by a new supervisor.
    pub(super) async fn reload(&mut self) -> Result<(), Error> {
        if self.up().await?.is_none() {
            return Ok(());
        }
        let mut caller = self.caller.clone();
        caller.terminal.quiet = true;
        let config = house::load(&caller.flags)?;
        let code = restart::anew(&caller, &config).await?;
        // supervisorctl does not wait for the services: that a supervisor is there is all that it says.
        if code != ExitCode::Ok && self.ask_status().await.is_err() {
            self.code = code;
            return Ok(());
        }
        self.say("Restarted supervisord", ExitCode::Ok)
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

/// supervisord's RUNNING_STATES.
pub(super) fn running(state: State) -> bool {
    match state {
        State::Running | State::Starting | State::Backoff => true,
        State::Stopped | State::Stopping | State::Exited | State::Fatal => false,
    }
}
