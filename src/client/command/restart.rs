//! `sentinel restart`: the whole house by a new supervisor, or some services in the running one.

use crate::api::{Event, FailureKind, Mode, Route};
use crate::cli::{RestartArgs, RestartTarget};
use crate::client::conduct::{Conduct, Ending};
use crate::client::error::Error;
use crate::client::house;
use crate::client::launch::{launch, rehearse, summon};
use crate::client::transaction::Deed;
use crate::config::Config;
use crate::exit::ExitCode;
use crate::lock::Lock;
use crate::schedule::Condition;
use crate::systemd::Unit;

use super::Caller;

const SERVICES: Deed = Deed {
    mode: "services",
    verb: "restart",
    done: "restarted",
};

pub(super) async fn run(caller: &Caller, args: &RestartArgs) -> Result<ExitCode, Error> {
    let target = args
        .target()
        .map_err(|message| Error::new(FailureKind::Usage, message))?;
    let config = house::load(&caller.flags)?;
    let unless = args.unless.map(|phase| Condition { phase, wanted: false });
    if let Some(why) = unless.and_then(|unless| config.market.refuses(unless, jiff::Timestamp::now())) {
        caller.terminal.complain(&format!("skipped: restart: {why}\n"));
        return Ok(ExitCode::Busy);
    }
    match target {
        RestartTarget::House(mode) => {
            let deed = Deed {
                mode: mode.as_str(),
                verb: "restart",
                done: "restarted",
            };
            begin(caller, &config, mode, &[], deed).await
        }
        RestartTarget::Services(services) => {
            let services = house::selected(&config, &services)?;
            let mut conduct = super::ask(caller, &config.paths, Route::Restart, &services, SERVICES).await?;
            if conduct.is_good() {
                conduct.verify(&config, &services).await;
            }
            conduct.conclude(Some(&config.log_dir))
        }
    }
}

/// The whole house by a new supervisor, ports left alone.
pub(super) async fn anew(caller: &Caller, config: &Config) -> Result<ExitCode, Error> {
    let deed = Deed {
        mode: Mode::Quick.as_str(),
        verb: "restart",
        done: "restarted",
    };
    begin(caller, config, Mode::Quick, &[], deed).await
}

/// Begins a supervisor that takes the house over, and verifies what it says it has done.
pub(super) async fn begin(
    caller: &Caller,
    config: &Config,
    mode: Mode,
    services: &[String],
    deed: Deed,
) -> Result<ExitCode, Error> {
    let mut conduct = Conduct::begin(deed, caller.terminal);
    let log = house::own_log(config);
    let mut launched = match Unit::of_house(&config.paths) {
        None => {
            spare_forking_unit(config, mode)?;
            launch(config, mode, services)?
        }
        Some(unit) => {
            // Once systemd is asked, the running supervisor goes: what would not start must be known before.
            let outcome = rehearse(config, mode, services)?.events.outcome().await?;
            if !outcome.ok {
                conduct.take(&Event::End(outcome));
                return conduct.conclude(None);
            }
            summon(unit, config, mode, services)?
        }
    };
    for ended in std::mem::take(&mut launched.ended) {
        conduct.take(&Event::Ended(ended));
    }
    match conduct.watch(&mut launched.events).await {
        Ending::Result if conduct.is_good() => conduct.verify(config, services).await,
        Ending::Result => {}
        Ending::Broken => conduct.fail(launched.died(&log).await),
        Ending::Abandoned => conduct.abandon(),
    }
    conduct.conclude(Some(&config.log_dir))
}

/// A daemon that systemd follows (`Type=forking`) cannot be replaced by another one: systemd would take its end
/// for the unit's, run `ExecStop=` or begin one beside the new one. An emergency gets through all the same.
fn spare_forking_unit(config: &Config, mode: Mode) -> Result<(), Error> {
    let unit = match mode {
        Mode::Start | Mode::Emergency => None,
        Mode::Master | Mode::Quick => Lock::holder(&config.paths.supervisor_lock())
            .and_then(|held| held.pid)
            .and_then(Unit::that_forks),
    };
    let Some(unit) = unit else {
        return Ok(());
    };
    let message = format!(
        "{unit} follows the running supervisor, and would take its end for its own; nothing was stopped"
    );
    let restart = unit.systemctl_words("restart");
    Err(Error::failed(message).help(format!(
        "{restart}; a unit of `sentinel install` is one that `sentinel restart` can restart"
    )))
}
