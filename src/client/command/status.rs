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
    let groups = args
        .group
        .iter()
        .map(|group| format!("@{}", group.trim_start_matches('@')));
    let words: Vec<String> = args.services.iter().cloned().chain(groups).collect();
    let look = Look::at(&config, args.timeout).await?.only(&words)?;
    let terminal = &caller.terminal;
    let silent = args.unless_ok && look.exit_code() == ExitCode::Ok;
    if silent {
        // For a cron mail that is sent only when somebody must act.
    } else if terminal.json {
        terminal.print_json(&look.status)?;
    } else if !terminal.quiet {
        let view = View {
            width: terminal.width,
            height: terminal.height,
            verbose: terminal.verbose,
            named: !words.is_empty(),
            problems: args.problems,
            under_way: look.under_way.as_deref(),
            paint: terminal.paint,
        };
        terminal.print(&render::status(&look.status, &look.concerns, view))?;
    }
    Ok(look.exit_code())
}
