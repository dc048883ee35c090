//! `sentinel stop`: services go, the supervisor stays.

use crate::api::{FailureKind, Route};
use crate::client::error::Error;
use crate::client::house;
use crate::client::transaction::Deed;
use crate::exit::ExitCode;

use super::Caller;

const STOP: Deed = Deed {
    mode: "stop",
    verb: "stop",
    done: "stopped",
};

pub(super) async fn run(caller: &Caller, services: &[String]) -> Result<ExitCode, Error> {
    // Not services.toml itself: what runs can be stopped however broken the file is by now.
    let paths = house::locate(&caller.flags)?;
    let conduct = super::ask(caller, &paths, Route::Stop, services, STOP)
        .await
        .map_err(nothing_to_stop)?;
    conduct.conclude(None)
}

fn nothing_to_stop(error: Error) -> Error {
    if error.kind == FailureKind::NoSupervisor && error.help.as_deref() == Some("sentinel start") {
        error.help("sentinel status shows what is left of an earlier one")
    } else {
        error
    }
}
