//! `signal`: one signal to the leaders of services, each proven to be the one that was meant.

use crate::api::Service;
use crate::client::error::Error;
use crate::exit::ExitCode;
use crate::process::{Handle, Identity};
use crate::service::StopSignal;

use super::Call;
use super::help::usage;
use super::wording::{Name, address_of};

impl Call<'_> {
    pub(super) async fn signal(&mut self, words: &[String]) -> Result<(), Error> {
        let Some(status) = self.up().await? else {
            return Ok(());
        };
        let Some((signal, names)) = words.split_first().filter(|(_, names)| !names.is_empty()) else {
            let lines = format!(
                "Error: signal requires a signal name and a process name\n{}",
                usage("signal")
            );
            return self.say(&lines, ExitCode::Failed);
        };
        let all = names.iter().any(|name| name == "all");
        for name in names.iter().take(if all { 1 } else { names.len() }) {
            let name = Name::parse(name);
            let meant = status
                .services
                .iter()
                .filter(|service| all || name.means(service));
            let (mut found, group) = (false, all || name.is_group());
            for service in meant {
                found = true;
                // Of a group, those that run.
                if !group || service.pid.is_some() {
                    self.send(signal, service).await?;
                }
            }
            if !found {
                self.say(&name.unknown(), ExitCode::Failed)?;
            }
        }
        Ok(())
    }

    async fn send(&mut self, signal: &str, service: &Service) -> Result<(), Error> {
        let shown = address_of(service);
        let number = StopSignal::parse(signal).map_or_else(|| signal.parse().ok(), |known| Some(known.0));
        let Some(number) = number else {
            return self.say(&format!("{shown}: ERROR (bad signal name)"), ExitCode::Failed);
        };
        match self.reach(number, service).await? {
            true => self.say(&format!("{shown}: signalled"), ExitCode::Ok),
            false => self.say(&format!("{shown}: ERROR (not running)"), ExitCode::CtlNotRunning),
        }
    }

    /// The process is held before the supervisor is asked once more whose it is: a successor is never hit.
    async fn reach(&self, number: i32, service: &Service) -> Result<bool, Error> {
        let failed = |error: std::io::Error| Error::failed("cannot send the signal").because(&error);
        let Some(pid) = service.pid else {
            return Ok(false);
        };
        let Some(identity) = Identity::of(pid).map_err(failed)? else {
            return Ok(false);
        };
        let Some(handle) = Handle::open(identity).map_err(failed)? else {
            return Ok(false);
        };
        let again = self.ask_status().await.ok();
        let same = again.iter().flat_map(|status| &status.services);
        let same = same
            .filter(|now| now.name == service.name)
            .any(|now| now.pid == Some(pid));
        Ok(same && handle.signal(number).map_err(failed)?)
    }
}
