//! `sentinel status`: what runs, who holds the ports, who is healthy.

use crate::cli::StatusArgs;
use crate::client::error::Error;
use crate::client::house;
use crate::client::look::Look;
use crate::client::render::{self, View};
use crate::exit::ExitCode;

use super::Caller;

pub(super) async fn run(caller: &Caller, args: &StatusArgs) -> Result<ExitCode, Error> {
    let config = house::load(&caller.flags)?;
    let look = Look::at(&config, args.timeout).await?.only(&args.services)?;
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
