//! `sentinel reload`: services.toml again, and only what differs.

use crate::api::Route;
use crate::client::error::Error;
use crate::client::house;
use crate::client::transaction::Deed;
use crate::exit::ExitCode;

use super::Caller;

const RELOAD: Deed = Deed {
    mode: "reload",
    verb: "reload",
    done: "reloaded: changed",
};

pub(super) async fn run(caller: &Caller) -> Result<ExitCode, Error> {
    // Read here first: its mistakes are shown with all their lines, and nothing is asked for.
    let config = house::load(&caller.flags)?;
    let conduct = super::ask(caller, &config.paths, Route::Reload, &[], RELOAD).await?;
    conduct.conclude(Some(&config.log_dir))
}
