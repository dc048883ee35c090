//! `sentinel start`: in the running supervisor, or in a new one.

use crate::api::{Mode, Route};
use crate::client::connection::{Connection, NoAnswer};
use crate::client::error::Error;
use crate::client::house;
use crate::client::transaction::Deed;
use crate::exit::ExitCode;

use super::{Caller, restart};

const START: Deed = Deed {
    mode: "start",
    verb: "start",
    done: "started",
};

pub(super) async fn run(caller: &Caller, services: &[String]) -> Result<ExitCode, Error> {
    let config = house::load(&caller.flags)?;
    house::chosen(&config, services)?;
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
