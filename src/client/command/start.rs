//! `sentinel start`: in the running supervisor, or in a new one.

use crate::api::{Mode, Route};
use crate::cli::StartArgs;
use crate::client::connection::{Connection, NoAnswer};
use crate::client::error::Error;
use crate::client::house;
use crate::client::transaction::Deed;
use crate::exit::ExitCode;
use crate::lock::Lock;
use crate::paths::Paths;

use super::{Caller, restart};

pub(super) const START: Deed = Deed {
    mode: "start",
    verb: "start",
    done: "started",
};

pub(super) async fn run(caller: &Caller, args: &StartArgs) -> Result<ExitCode, Error> {
    let config = house::load(&caller.flags)?;
    if args.if_absent && (is_attended(&config.paths) || was_shut_down(&config.paths)) {
        return Ok(ExitCode::Ok);
    }
    let services = &args.services;
    let services = &house::selected(&config, services)?;
    match Connection::open(&config.paths).await {
        Ok(_) => {}
        Err(NoAnswer::Absent) => {
            return restart::begin(caller, &config, Mode::Start, services, START).await;
        }
        Err(other) => return Err(other.into()),
    }
    let mut conduct = super::ask(caller, &config.paths, Route::Start, services, START).await?;
    if conduct.is_good() {
        conduct.verify(&config, services).await;
    }
    conduct.conclude(Some(&config.log_dir))
}

/// Whether there is a supervisor, or somebody is about to begin one. One that hangs is for a person.
fn is_attended(paths: &Paths) -> bool {
    Lock::holder(&paths.supervisor_lock()).is_some() || Lock::holder(&paths.operation_lock()).is_some()
}

/// Whether its absence is what somebody wants.
fn was_shut_down(paths: &Paths) -> bool {
    paths.rest().exists()
}
