//! `sentinel start`: in the running supervisor, or in a new one.

use std::time::Duration;

use crate::api::{FailureKind, Mode, Route};
use crate::cli::StartArgs;
use crate::client::connection::{Connection, NoAnswer};
use crate::client::death::Death;
use crate::client::error::Error;
use crate::client::house;
use crate::client::transaction::Deed;
use crate::exit::ExitCode;
use crate::lock::Lock;
use crate::paths::Paths;
use crate::process::Identity;

use super::{Caller, restart};

pub(super) const START: Deed = Deed {
    mode: "start",
    verb: "start",
    done: "started",
};

/// From the signal that ends a supervisor to its end, on a machine that has other work, too.
const LAST_BREATH: Duration = Duration::from_secs(1);

pub(super) async fn run(caller: &Caller, args: &StartArgs) -> Result<ExitCode, Error> {
    let config = house::load(&caller.flags)?;
    if args.if_absent && (is_attended(&config.paths) || was_shut_down(&config.paths)) {
        return Ok(ExitCode::Ok);
    }
    let services = &args.services;
    let services = &house::selected(&config, services)?;
    let dying = Lock::holder(&config.paths.supervisor_lock()).and_then(|held| held.identity);
    let begin = || restart::begin(caller, &config, Mode::Start, services, START);
    match Connection::open(&config.paths).await {
        Ok(_) => {}
        Err(NoAnswer::Absent) => return begin().await,
        Err(NoAnswer::Unresponsive(_) | NoAnswer::Ended) if ends(dying).await => return begin().await,
        Err(other) => return Err(other.into()),
    }
    let mut conduct = match super::ask(caller, &config.paths, Route::Start, services, START).await {
        Err(error) if is_no_answer(error.kind) && ends(dying).await => return begin().await,
        asked => asked?,
    };
    if conduct.is_good() {
        conduct.verify(&config, services).await;
    }
    conduct.conclude(Some(&config.log_dir))
}

fn is_no_answer(kind: FailureKind) -> bool {
    matches!(kind, FailureKind::Failed | FailureKind::NoSupervisor)
}

/// Whether it was killed the moment before it was asked: its socket outlives the signal by a little.
async fn ends(supervisor: Option<Identity>) -> bool {
    match supervisor.map(Death::of) {
        Some(Ok(death)) => death.within(LAST_BREATH).await,
        Some(Err(_)) => true,
        None => false,
    }
}

/// Whether there is a supervisor, or somebody is about to begin one. One that hangs is for a person.
fn is_attended(paths: &Paths) -> bool {
    Lock::holder(&paths.supervisor_lock()).is_some() || Lock::holder(&paths.operation_lock()).is_some()
}

/// Whether its absence is what somebody wants.
fn was_shut_down(paths: &Paths) -> bool {
    paths.rest().exists()
}
