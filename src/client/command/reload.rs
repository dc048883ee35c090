//! `sentinel reload`: services.toml again, and only what differs; `--dry-run` only shows it.

use crate::api::{Command, Route};
use crate::cli::ReloadArgs;
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

const DRY_RUN: Deed = Deed {
    done: "dry run: would change",
    ..RELOAD
};

pub(super) async fn run(caller: &Caller, args: &ReloadArgs) -> Result<ExitCode, Error> {
    // Read here first: its mistakes are shown with all their lines, and nothing is asked for.
    let config = house::load(&caller.flags)?;
    let deed = if args.dry_run { DRY_RUN } else { RELOAD };
    let command = Command {
        dry_run: args.dry_run,
        ..Command::default()
    };
    let conduct = super::command(caller, &config.paths, Route::Reload, &command, deed).await?;
    conduct.conclude(Some(&config.log_dir))
}
