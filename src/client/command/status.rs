//! `sentinel status`: what runs, who holds the ports, who is healthy.

use crate::api::Record;
use crate::cli::StatusArgs;
use crate::client::error::Error;
use crate::client::house;
use crate::client::look::Look;
use crate::client::render::{self, View};
use crate::config::Config;
use crate::exit::ExitCode;
use crate::ledger::{self, Filter};

use super::Caller;

/// How many of the last facts are shown.
const LATELY: usize = 6;

pub(super) async fn run(caller: &Caller, args: &StatusArgs) -> Result<ExitCode, Error> {
    let config = house::load(&caller.flags)?;
    let mut look = Look::at(&config, args.timeout).await?.only(&args.services)?;
    if !args.services.is_empty() {
        look.status.events = lately(&config, &args.services);
    }
    let terminal = &caller.terminal;
    if terminal.json {
        terminal.print_json(&look.status)?;
    } else if !terminal.quiet {
        let view = View {
            width: terminal.width,
            verbose: terminal.verbose,
            under_way: look.under_way.as_deref(),
            paint: terminal.paint,
        };
        terminal.print(&render::status(&look.status, &look.concerns, view))?;
    }
    Ok(look.exit_code())
}

/// What happened last to these. A ledger that cannot be read must not hide their state.
fn lately(config: &Config, services: &[String]) -> Vec<Record> {
    let filter = Filter {
        services: services.to_vec(),
        since: None,
        last: Some(LATELY),
    };
    ledger::read(&config.paths.state_dir, &filter).unwrap_or_default()
}
