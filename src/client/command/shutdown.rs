//! `sentinel shutdown`: everything goes, the supervisor too.

use std::time::Duration;

use crate::api::Route;
use crate::client::death::Death;
use crate::client::error::Error;
use crate::client::house;
use crate::client::transaction::Deed;
use crate::exit::ExitCode;
use crate::lock::Lock;
use crate::systemd::Unit;

use super::Caller;

const SHUTDOWN: Deed = Deed {
    mode: "shutdown",
    verb: "shutdown",
    done: "shut down the supervisor and",
};

/// From the supervisor's last word to its end.
const LAST_BREATH: Duration = Duration::from_secs(5);

pub(super) async fn run(caller: &Caller) -> Result<ExitCode, Error> {
    let paths = house::locate(&caller.flags)?;
    let supervisor = Lock::holder(&paths.supervisor_lock()).and_then(|held| held.identity);
    let unit = Unit::of_house(&paths).filter(Unit::begins_again);
    let death = supervisor.and_then(|supervisor| Death::of(supervisor).ok());
    let mut conduct = super::ask(caller, &paths, Route::Shutdown, &[], SHUTDOWN).await?;
    if conduct.is_good()
        && let Some(death) = death
        && !death.within(LAST_BREATH).await
    {
        conduct.fail(
            Error::failed("the services are gone, and the supervisor does not end")
                .help("sentinel restart emergency"),
        );
    }
    if conduct.is_good() {
        // Should it fail, `start --if-absent` of cron starts it again: told by status, and mended by a second shutdown.
        let _ = std::fs::write(paths.rest(), "shut down by request\n");
    }
    let good = conduct.is_good();
    let code = conduct.conclude(None)?;
    if let Some(unit) = unit.filter(|_| good) {
        let stop = unit.systemctl_words("stop");
        let words = format!("note: {unit} begins it again (Restart=always); to keep it down: {stop}\n");
        caller.terminal.complain(&words);
    }
    Ok(code)
}
