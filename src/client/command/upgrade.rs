//! `sentinel upgrade`: another binary in the place of the running supervisor's, and nothing else changed.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::api::{self, HealthStatus, Phase, Route, State, Status};
use crate::cli::UpgradeArgs;
use crate::client::conduct::{Conduct, Ending};
use crate::client::connection::{Connection, NoAnswer};
use crate::client::error::Error;
use crate::client::house;
use crate::client::transaction::Deed;
use crate::exit::ExitCode;
use crate::paths::Paths;

use super::Caller;

const UPGRADE: Deed = Deed {
    mode: "upgrade",
    verb: "upgrade",
    done: "upgraded the supervisor of",
};

/// From the moment the old one is gone to the first answer of the new one; longer than the old one, which
/// stands by, waits before it steps in.
const ANSWERS_WITHIN: Duration = Duration::from_secs(20);
/// Between two tries to reach somebody while nobody listens.
const AGAIN: Duration = Duration::from_millis(50);

pub(super) async fn run(caller: &Caller, args: &UpgradeArgs) -> Result<ExitCode, Error> {
    let config = house::load(&caller.flags)?;
    let command = api::Command {
        binary: Some(binary(args)?),
        ..api::Command::default()
    };
    let before = Connection::open(&config.paths).await?.status().await?;
    let mut conduct = Conduct::begin(UPGRADE, caller.terminal);
    let connection = Connection::open(&config.paths).await?;
    let mut events = connection.send_command(Route::Upgrade, &command).await?;
    match conduct.watch(&mut events).await {
        Ending::Result => {}
        Ending::Broken => see_who_answers(&mut conduct, &config.paths, &before).await,
        Ending::Abandoned => conduct.abandon(),
    }
    let good = good(&before);
    if conduct.is_good() && !good.is_empty() {
        conduct.verify(&config, &good).await;
    }
    conduct.conclude(Some(&config.log_dir))
}

/// The services that an upgrade must leave as they are: one that was stopped or sick stays so.
fn good(before: &Status) -> Vec<String> {
    let good = before.services.iter().filter(|service| {
        service.state == State::Running && service.health.status != HealthStatus::Unhealthy
    });
    good.map(|service| service.name.clone()).collect()
}

/// The named binary, else the one that runs here: whoever builds a new one calls that.
fn binary(args: &UpgradeArgs) -> Result<PathBuf, Error> {
    let cannot = |what: String, error: &std::io::Error| Error::failed(what).because(error);
    match &args.binary {
        Some(binary) => std::path::absolute(binary)
            .and_then(std::fs::canonicalize)
            .map_err(|error| cannot(format!("cannot find {}", binary.display()), &error)),
        None => std::env::current_exe().map_err(|error| cannot("cannot tell what runs here".into(), &error)),
    }
}

/// The stream broke off, as it does when another image takes over: says whether the right one answers.
async fn see_who_answers(conduct: &mut Conduct, paths: &Paths, before: &Status) {
    let began = Instant::now();
    let answer = next_status(paths).await;
    let (was, upgrades) = (before.supervisor.pid, before.supervisor.upgrades);
    let result = match answer {
        Ok(now) if now.supervisor.pid == was && now.supervisor.upgrades > upgrades => Ok(now),
        Ok(now) if now.supervisor.pid == was => Err(Error::failed("the supervisor broke off, and is the same as before")),
        Ok(now) => Err(Error::failed(format!(
            "the new binary took over and died or hung; the old one stood by and has adopted the services (pid {})",
            now.supervisor.pid.unwrap_or_default()
        ))
        .help("sentinel status; the end of sentinel.log says more")),
        Err(error) => Err(error),
    };
    let detail = match &result {
        Ok(now) => format!(
            "sentinel {} took over from {} in pid {}",
            now.supervisor.version,
            before.supervisor.version,
            was.unwrap_or_default()
        ),
        Err(error) => error.message.clone(),
    };
    conduct.finish_phase(Phase::Handover, result.is_ok(), began.elapsed(), detail);
    match result {
        Ok(now) => conduct.reached(&now),
        Err(error) => conduct.fail(error),
    }
}

/// The first answer of whoever has the house now. Who connects too early waits in the socket's queue.
async fn next_status(paths: &Paths) -> Result<Status, Error> {
    let deadline = Instant::now() + ANSWERS_WITHIN;
    loop {
        let answer = match Connection::open(paths).await {
            Ok(connection) => connection.status().await,
            Err(none) => Err(none),
        };
        match answer {
            Ok(status) => return Ok(status),
            Err(NoAnswer::Refused(failure)) => return Err(failure.into()),
            Err(none @ (NoAnswer::Io(_) | NoAnswer::Barred(_))) => return Err(none.into()),
            Err(none) if Instant::now() >= deadline => return Err(none.into()),
            Err(NoAnswer::Absent | NoAnswer::Unresponsive(_) | NoAnswer::Busy(..) | NoAnswer::Ended) => {
                tokio::time::sleep(AGAIN).await;
            }
        }
    }
}
